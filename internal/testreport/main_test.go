package main

import (
	"strings"
	"testing"
)

func TestFailuresAndSkipsAreShown(t *testing.T) {
	t.Parallel()
	const stream = `{"Action":"start","Package":"a"}
{"Action":"output","Package":"a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"a","Test":"TestAway","Output":"=== RUN   TestAway\n"}
{"Action":"output","Package":"a","Test":"TestAway","Output":"    a_test.go:3: no server\n"}
{"Action":"output","Package":"a","Test":"TestAway","Output":"--- SKIP: TestAway (0.00s)\n"}
{"Action":"skip","Package":"a","Test":"TestAway"}
{"Action":"pass","Package":"a","Elapsed":0.2}
{"Action":"output","Package":"b","Test":"TestBad","Output":"want 1\n"}
{"Action":"fail","Package":"b","Test":"TestBad"}
{"Action":"output","Package":"b","Test":"TestHung","Output":"goroutine 7\n"}
{"Action":"fail","Package":"b","Elapsed":0.3}
{"Action":"skip","Package":"c","Elapsed":0}
`
	const want = `ok   a  1 passed, 1 skipped  0.2s
want 1
goroutine 7
FAIL b  0 passed, 1 failed  0.3s
-    c  no tests  0.0s

1 passed, 1 failed, 1 skipped
  a TestAway: a_test.go:3: no server
`
	var out strings.Builder
	ok, err := report(strings.NewReader(stream), &out)
	if err != nil || ok {
		t.Errorf("report = %v, %v; want false, nil", ok, err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestOnlyARunWithPassesIsGood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stream string
		want         bool
	}{
		{"all pass", `{"Action":"pass","Package":"a","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"a"}`, true},
		{"nothing ran", "", false},
		{"build failed", `{"Action":"build-output","ImportPath":"a","Output":"a.go:1: no\n"}` + "\n" +
			`{"Action":"build-fail","ImportPath":"a"}` + "\n" + `{"Action":"pass","Package":"b","Test":"TestB"}`, false},
		{"package failed after its tests", `{"Action":"pass","Package":"a","Test":"TestA"}` + "\n" + `{"Action":"fail","Package":"a"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := report(strings.NewReader(c.stream), &strings.Builder{})
			if err != nil || got != c.want {
				t.Errorf("report = %v, %v; want %v", got, err, c.want)
			}
		})
	}
}
