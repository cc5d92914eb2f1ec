package testsite

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ask gets a URL under a name, and returns the status and the body.
func ask(ctx context.Context, t *testing.T, url, agent string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestEveryRequestIsLogged(t *testing.T) {
	t.Parallel()
	site := Start(t, Config{Pages: 10, Hosts: 2, Gone: 1, Log: true, Slow: 8, SlowBy: time.Minute})
	root, slow := site.Roots()[0], site.URLs()[2]
	ask(t.Context(), t, root, "one")
	ask(t.Context(), t, root+"gone/0.html", "two")
	ask(t.Context(), t, root+"robots.txt", "three")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(ctx, t, slow, "four")
	}()
	for len(site.Visits()) < 4 {
		time.Sleep(time.Millisecond)
	}
	if v := site.Visits()[3]; !v.Ended.IsZero() || !v.Open(time.Now()) {
		t.Errorf("under way: %+v", v)
	}
	cancel()
	<-done
	for site.Visits()[3].Ended.IsZero() {
		time.Sleep(time.Millisecond)
	}
	for i, want := range []Visit{
		{URL: root, Agent: "one", Page: true, Status: 200},
		{URL: root + "gone/0.html", Agent: "two", Status: 404},
		{URL: root + "robots.txt", Agent: "three", Aside: true, Status: 200},
		{URL: slow, Agent: "four", Page: true},
	} {
		got := site.Visits()[i]
		if got.Began.IsZero() || got.Ended.Before(got.Began) || got.Open(got.Began.Add(-1)) || got.Open(got.Ended) {
			t.Errorf("visit %d: from %v to %v", i, got.Began, got.Ended)
		}
		want.Host, want.Began, want.Ended = "127.0.0.1", got.Began, got.Ended
		if got != want {
			t.Errorf("visit %d: %+v, want %+v", i, got, want)
		}
	}
	if n := site.Fetched(); n != 1 {
		t.Errorf("%d pages fetched", n)
	}
	site.Reset()
	if len(site.Visits()) != 0 || site.Fetched() != 0 {
		t.Error("a reset site remembers")
	}
}

func TestEverySecondHostAsksForADelay(t *testing.T) {
	t.Parallel()
	site := Start(t, Config{Hosts: 3, CrawlDelay: 250 * time.Millisecond})
	for i, want := range []bool{true, false, true} {
		_, robots := ask(t.Context(), t, site.Roots()[i]+"robots.txt", "any")
		if got := strings.Contains(robots, "\nCrawl-delay: 0.25\n"); got != want {
			t.Errorf("host %d: %s", i, robots)
		}
		if got := site.Delay(address(i)); (got == 250*time.Millisecond) != want {
			t.Errorf("host %d: a delay of %v", i, got)
		}
	}
}
