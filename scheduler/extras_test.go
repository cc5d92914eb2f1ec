package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

func TestLettersAreMeantByEachField(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_000_000, 0)
	failed := scheduler.DeadLetter{Task: scheduler.Task{Host: "a.example"}, Why: "status 503 Service Unavailable", Status: 503, At: at}
	link := scheduler.DeadLetter{Task: scheduler.Task{Host: "b.example"}, Why: "status 404 Not Found", Status: 404, At: at.Add(time.Hour), Gone: true}
	for _, c := range []struct {
		which        scheduler.Letters
		failed, link bool
	}{
		{scheduler.Letters{}, true, true},
		{scheduler.Letters{Failed: true, Links: true}, true, true},
		{scheduler.Letters{Failed: true}, true, false},
		{scheduler.Letters{Links: true}, false, true},
		{scheduler.Letters{Host: "a.example"}, true, false},
		{scheduler.Letters{Host: "example"}, false, false},
		{scheduler.Letters{Status: 404}, false, true},
		{scheduler.Letters{Why: "status"}, true, true},
		{scheduler.Letters{Why: "Unavail"}, true, false},
		{scheduler.Letters{Why: "unavail"}, false, false},
		{scheduler.Letters{After: at}, true, true},
		{scheduler.Letters{After: at.Add(1)}, false, true},
		{scheduler.Letters{Before: at.Add(time.Hour)}, true, false},
		{scheduler.Letters{Before: at.Add(time.Hour + 1)}, true, true},
		{scheduler.Letters{Links: true, Status: 503}, false, false},
	} {
		if got := c.which.Match(&failed); got != c.failed {
			t.Errorf("%+v means the dead letter: %v", c.which, got)
		}
		if got := c.which.Match(&link); got != c.link {
			t.Errorf("%+v means the dead link: %v", c.which, got)
		}
	}
}

func TestTopPathsHaveTheMostDuplicates(t *testing.T) {
	t.Parallel()
	counts := func() []scheduler.PathCount {
		return []scheduler.PathCount{
			{Path: "none", Pages: 9}, {Path: "b", Pages: 3, Near: 1, Exact: 1}, {Path: "c", Pages: 3, Near: 3}, {Path: "a", Pages: 9, Exact: 2},
		}
	}
	for n, want := range map[int]string{-1: "", 0: "", 1: "c", 3: "c a b", 10: "c a b"} {
		var got []string
		for _, c := range scheduler.TopPaths(counts(), n) {
			got = append(got, c.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("the first %d are %q, want %s", n, got, want)
		}
	}
}
