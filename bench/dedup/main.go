package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/lycosa-crawl/lycosa/dedup"
)

func main() {
	b := &bench{}
	flag.IntVar(&b.urls, "urls", 500_000, "URLs that each filter gets, at least 100,000")
	flag.IntVar(&b.memory, "memory", 1<<20, "fingerprints in the filters in process")
	parts := flag.String("parts", "redis,errors,process", "what is measured")
	asJSON := flag.Bool("json", false, "print the figures as JSON")
	strict := flag.Bool("strict", false, "exit with 1 if a target is missed")
	flag.Parse()
	known := map[string]func(context.Context) error{"redis": b.redis, "errors": b.errors, "process": b.process}
	list := strings.Split(*parts, ",")
	for _, part := range list {
		if known[part] == nil {
			fail(2, "-parts: no part is called %q: want some of redis, errors, process", part)
		}
	}
	if b.urls < 100_000 || b.memory < 1000 {
		fail(2, "-urls: want at least 100,000; -memory: want at least 1,000")
	}
	for _, part := range list {
		if err := known[part](context.Background()); err != nil {
			fail(1, "%s: %v", part, err)
		}
	}
	report := b.table
	if *asJSON {
		report = b.json
	}
	if err := report(os.Stdout); err != nil || *strict && b.missed > 0 {
		os.Exit(1) //nolint:forbidigo // this is a command
	}
}

func fail(code int, format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	os.Exit(code) //nolint:forbidigo // this is a command
}

type bench struct {
	urls, memory int

	figures []figure
	missed  int
}

// figure is one line of the report.
type figure struct {
	Filter string   `json:"filter"`
	Name   string   `json:"name"`
	Value  float64  `json:"value"`
	Unit   string   `json:"unit"`
	Least  *float64 `json:"least,omitempty"` // the target, if there is one
	Most   *float64 `json:"most,omitempty"`
	Met    *bool    `json:"met,omitempty"`
}

// add notes a figure without a target.
func (b *bench) add(filter, name, unit string, value float64) {
	b.figures = append(b.figures, figure{Filter: filter, Name: name, Value: value, Unit: unit})
}

func (b *bench) least(filter, name, unit string, value, target float64) {
	f := figure{Filter: filter, Name: name, Value: value, Unit: unit, Least: &target}
	b.judge(f, value >= target)
}

func (b *bench) most(filter, name, unit string, value, target float64) {
	f := figure{Filter: filter, Name: name, Value: value, Unit: unit, Most: &target}
	b.judge(f, value <= target)
}

func (b *bench) judge(f figure, met bool) {
	f.Met = &met
	if !met {
		b.missed++
	}
	b.figures = append(b.figures, f)
}

func (b *bench) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "filter\tfigure\tvalue\tunit\ttarget\t")
	for _, f := range b.figures {
		target := ""
		switch {
		case f.Least != nil:
			target = fmt.Sprintf("at least %.4g", *f.Least)
		case f.Most != nil:
			target = fmt.Sprintf("at most %.4g", *f.Most)
		}
		if f.Met != nil && *f.Met {
			target += "  ok"
		} else if f.Met != nil {
			target += "  MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%.3g\t%s\t%s\t\n", f.Filter, f.Name, f.Value, f.Unit, target)
	}
	return w.Flush()
}

func (b *bench) json(out io.Writer) error {
	return json.NewEncoder(out).Encode(map[string]any{"urls": b.urls, "memory": b.memory, "missed": b.missed, "figures": b.figures})
}

// numbered is the fingerprint of the i-th page.
func numbered(i int) dedup.Fingerprint {
	var body [8]byte
	binary.BigEndian.PutUint64(body[:], uint64(i)) //nolint:gosec // any 64 bits
	return dedup.Of("GET", "http://bench.example/", body[:])
}
