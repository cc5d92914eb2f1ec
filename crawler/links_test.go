package crawler

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/pipelines"
	"github.com/lycosa-crawl/lycosa/scheduler"
	"github.com/lycosa-crawl/lycosa/scheduler/revisit"
)

// tracksLinks is comesAgain for a crawl that keeps track of links.
func tracksLinks(t *testing.T, policy revisit.Policy, test func(t *testing.T, r *rig, d *diary)) {
	t.Helper()
	comesAgain(t, policy, func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.config.Spider.Revisit.TrackLinks = true
		test(t, r, d)
	})
}

// turns serves a page that shows the n-th text at the n-th visit, and the last one from then on.
func turns(texts ...string) func(int, *fetch.Request) (*fetch.Response, error) {
	return func(n int, _ *fetch.Request) (*fetch.Response, error) {
		text := texts[min(n, len(texts))-1]
		if text == "" {
			return answer(http.StatusNotFound, "", nil), nil
		}
		return answer(http.StatusOK, text, nil), nil
	}
}

func to(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&b, "<a href=/%s>x</a>", path)
	}
	return content("links: "+strings.Join(paths, " ")) + b.String()
}

// inlinks returns the count of links to a page.
func (r *rig) inlinks(url string) int64 {
	r.t.Helper()
	u, err := r.worker().canon.Parse(url)
	if err != nil {
		r.t.Fatal(err)
	}
	counts, err := r.frontier.(scheduler.Linker).Link(r.t.Context(), scheduler.Link{TaskRef: r.worker().ref(u)})
	if err != nil {
		r.t.Fatal(err)
	}
	return counts[0]
}

func TestPageThatNoPageLinksToAnyMoreWeighsATenthUntilOneDoes(t *testing.T) {
	tracksLinks(t, revisit.Policy{Every: 10 * time.Hour}, func(t *testing.T, r *rig, _ *diary) {
		r.web.pages[home] = turns(to("a", "b"), to("b"), to("b"), to("a", "b"))
		r.web.html(home+"a", content("a"))
		r.web.html(home+"b", content("b"))
		r.live(time.Hour)
		linked, _ := r.memory(home + "a")
		r.live(10 * time.Hour)
		alone, _ := r.memory(home + "a")
		if !alone.unlinked || alone.record.Weight > linked.record.Weight.Times(-unlinkedWeight) || r.inlinks(home+"a") != 0 {
			t.Errorf("linked no more: %d links, unlinked %t, weight %v, was %v", r.inlinks(home+"a"), alone.unlinked, alone.record.Weight, linked.record.Weight)
		}
		if b, _ := r.memory(home + "b"); b.unlinked || r.inlinks(home+"b") != 1 {
			t.Errorf("b is linked, and is taken for unlinked: %d links", r.inlinks(home+"b"))
		}
		if alone.record.Seen == linked.record.Seen {
			t.Error("a was not visited meanwhile")
		}
		if o, err := LookOut(t.Context(), r.frontier); err != nil || o.Unlinked != 1 {
			t.Errorf("outlook %+v %v", o, err)
		}
		r.live(20 * time.Hour)
		again, _ := r.memory(home + "a")
		if again.unlinked || again.record.Weight < revisit.DefaultWeight(1, 0) || r.inlinks(home+"a") != 1 {
			t.Errorf("linked again: %d links, unlinked %t, weight %v", r.inlinks(home+"a"), again.unlinked, again.record.Weight)
		}
		if h, _ := r.memory(home); h.unlinked {
			t.Error("a start page is never unlinked")
		}
	})
}

func TestPagesWeighTheMoreTheMorePagesLinkToThem(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, _ *diary) {
		r.web.html(home, to("1", "2", "3"))
		for _, page := range []string{"1", "2", "3"} {
			r.web.html(home+page, to("1", "2", "3", "hub"))
		}
		r.web.html(home+"hub", content("hub"))
		r.live(190 * time.Minute)
		for url, want := range map[string]revisit.Weight{
			home + "hub": revisit.DefaultWeight(2, 3), home + "1": revisit.DefaultWeight(1, 3), home: revisit.DefaultWeight(0, 0),
		} {
			if m, _ := r.memory(url); m.record.Weight != want {
				t.Errorf("%s weighs %v, want %v", url, m.record.Weight.Float(), want.Float())
			}
		}
	})
}

func TestWeightOfTheSpiderIsKept(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, _ *diary) {
		r.config.Spider.Revisit.Rules = []RevisitRule{{Match: home + "a", Weight: "3"}}
		r.web.pages[home] = turns(to("a", "b"), to("b"))
		r.web.html(home+"a", content("a"))
		r.web.html(home+"b", to("a"))
		r.live(30 * time.Minute)
		if m, _ := r.memory(home + "a"); m.record.Weight != revisit.WeightOf(3) {
			t.Errorf("weight %v", m.record.Weight.Float())
		}
		r.web.pages[home+"b"] = turns(content("no links"))
		r.live(3 * time.Hour)
		if m, _ := r.memory(home + "a"); m.record.Weight != revisit.WeightOf(3).Times(-unlinkedWeight) {
			t.Errorf("unlinked: weight %v", m.record.Weight.Float())
		}
	})
}

func TestFeedTellsTheLinksThatCameAndWent(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, d *diary) {
		r.web.pages[home] = turns(to("a", "b"), to("b", "c", "d"))
		r.live(150 * time.Minute)
		var told []*pipelines.LinkChange
		for _, v := range d.visits {
			if v.Source.URL == home {
				told = append(told, v.Links)
			}
		}
		want := []*pipelines.LinkChange{nil, {New: []string{home + "c", home + "d"}, Gone: []string{home + "a"}}, nil}
		if !reflect.DeepEqual(told, want) {
			t.Errorf("told %+v", told)
		}
	})
}

func TestLinksOfAPageThatIsGoneAreCountedNoMore(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, _ *diary) {
		r.web.html(home, to("list"))
		r.web.pages[home+"list"] = turns(to("a"), "", "", to("a"))
		r.web.html(home+"a", content("a"))
		r.live(30 * time.Minute)
		if n := r.inlinks(home + "a"); n != 1 {
			t.Fatalf("%d links to a", n)
		}
		r.live(5 * day)
		if m, _ := r.memory(home + "a"); !m.unlinked || r.inlinks(home+"a") != 0 {
			t.Errorf("the page that linked to it is gone: %d links, unlinked %t", r.inlinks(home+"a"), m.unlinked)
		}
		r.live(40 * day)
		if m, _ := r.memory(home + "a"); m.unlinked || r.inlinks(home+"a") != 1 {
			t.Errorf("and is back: %d links, unlinked %t", r.inlinks(home+"a"), m.unlinked)
		}
	})
}

func TestPageTakenForGoneIsLookedForWhenItIsLinkedAnew(t *testing.T) {
	tracksLinks(t, revisit.Policy{Every: day}, func(t *testing.T, r *rig, d *diary) {
		var mu sync.Mutex
		linked := false
		r.web.pages[home] = func(n int, _ *fetch.Request) (*fetch.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if linked || n == 1 {
				return answer(http.StatusOK, to("a"), nil), nil
			}
			return answer(http.StatusOK, to(), nil), nil
		}
		r.web.pages[home+"a"] = turns(content("a"), "", "", content("a is back"))
		r.live(5 * day)
		if got := d.news(home + "a"); got != "new+ gone" {
			t.Fatalf("told %q", got)
		}
		_, due := r.memory(home + "a")
		if time.Until(due) < 20*day {
			t.Fatalf("looked at again in %v", time.Until(due))
		}
		mu.Lock()
		linked = true
		mu.Unlock()
		r.live(2 * day)
		if got := d.news(home + "a"); !strings.HasPrefix(got, "new+ gone back+") {
			t.Errorf("told %q", got)
		}
	})
}

// order records in which order the start page is finished and links are counted.
type order struct {
	scheduler.Frontier
	scheduler.Memo
	scheduler.Ledger
	scheduler.Rescheduler
	linker scheduler.Linker

	mu    sync.Mutex // guards steps
	steps []string
}

func (o *order) note(step string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steps = append(o.steps, step)
}

func (o *order) Finish(ctx context.Context, results ...scheduler.Result) error {
	for _, r := range results {
		if req, err := DecodePayload(r.Lease.Payload); err == nil && req.URL == home {
			o.note("finish")
		}
	}
	return o.Frontier.Finish(ctx, results...)
}

func (o *order) Link(ctx context.Context, links ...scheduler.Link) ([]int64, error) {
	if i := slices.IndexFunc(links, func(l scheduler.Link) bool { return l.By != 0 }); i >= 0 {
		o.note(fmt.Sprint(links[i].By))
	}
	return o.linker.Link(ctx, links...)
}

// A worker that dies at any point leaves a count that is too large, never one that is too small.
func TestLinksAreAddedBeforeAndTakenAfterThePageIsFinished(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, _ *diary) {
		r.web.pages[home] = turns(to("a"), to("b"))
		f := r.config.Frontier.(interface {
			scheduler.Frontier
			scheduler.Memo
			scheduler.Ledger
			scheduler.Rescheduler
			scheduler.Linker
		})
		o := &order{Frontier: f, Memo: f, Ledger: f, Rescheduler: f, linker: f}
		r.config.Frontier = o
		r.web.html(home+"a", content("a"))
		r.web.html(home+"b", content("b"))
		r.live(59 * time.Minute)
		o.steps = nil
		r.live(2 * time.Minute) // the second visit, and those of a and b
		if got := strings.Join(o.steps, " "); got != "1 finish -1" {
			t.Errorf("steps %q", got)
		}
	})
}

func TestLinksOfAPageWithTooManyAreNotCounted(t *testing.T) {
	tracksLinks(t, hourly(), func(t *testing.T, r *rig, _ *diary) {
		var many []string
		for i := range maxLinks {
			many = append(many, fmt.Sprintf("%d", i))
		}
		r.web.pages[home] = turns(to("a"), to(append(many, "a", "b")...), to("b"))
		for _, page := range []string{"a", "b"} {
			r.web.html(home+page, content(page))
		}
		r.live(150 * time.Minute)
		if a, b := r.inlinks(home+"a"), r.inlinks(home+"b"); a != 1 || b != 1 {
			t.Errorf("%d links to a, which was counted once, and %d to b, want 1 and 1", a, b)
		}
		if m, _ := r.memory(home + "a"); m.unlinked {
			t.Error("a is taken for unlinked, although nobody knows")
		}
	})
}

func TestCrawlWithoutTrackLinksKeepsNone(t *testing.T) {
	comesAgain(t, hourly(), func(t *testing.T, r *rig, d *diary, _ *[]*Request) {
		r.web.pages[home] = turns(to("a", "b"), to("b"))
		r.web.html(home+"a", content("a"))
		r.live(150 * time.Minute)
		if m, _ := r.memory(home); m.links != nil || r.inlinks(home+"a") != -1 {
			t.Errorf("%d bytes of links, %d links", len(m.links), r.inlinks(home+"a"))
		}
		for _, v := range d.visits {
			if v.Links != nil {
				t.Errorf("told %+v", v.Links)
			}
		}
	})
}

func TestLinksAreUnpackedAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{nil, {"https://b.example/"}, {"https://a.example/x/1", "https://a.example/x/2", "https://b.example/?q=1"}} {
		got, err := unpackLinks(home, packLinks(home, list))
		if err != nil || !slices.Equal(got, list) {
			t.Errorf("%q: %q %v", list, got, err)
		}
	}
	if _, err := unpackLinks(home, []byte("no flate")); err == nil {
		t.Error("what was not packed was unpacked")
	}
	req := &Request{URL: home, Route: "page", memory: &memory{
		record: revisit.NewRecord(revisit.WeightHigh), links: packLinks(home, []string{home + "a"}), unlinked: true,
	}}
	back, err := DecodePayload(req.AppendPayload(nil))
	if err != nil || !reflect.DeepEqual(back.memory, req.memory) {
		t.Errorf("%+v %v, want %+v", back.memory, err, req.memory)
	}
}

func BenchmarkPackLinks(b *testing.B) {
	list := make([]string, 100)
	for i := range list {
		list[i] = fmt.Sprintf("https://books.example/catalogue/a-title-of-some-words-%d/index.html", i*i*7919%100_003)
	}
	slices.Sort(list)
	b.ReportAllocs()
	bytes := 0
	for b.Loop() {
		bytes = len(packLinks("https://books.example/catalogue/page-1.html", list))
	}
	b.ReportMetric(float64(bytes)/float64(len(list)), "B/link")
}
