package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/signature"
	"github.com/lycosa-crawl/lycosa/dedup/learn"
)

func (p *program) learnCommand() *cobra.Command {
	var o learn.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "learn-params FILE|- [flags]",
		Short: "Tell which query parameters do not change a page",
		Long: `Tell which query parameters do not change a page, by the pages of a crawl that was
told to note them (lycosa crawl --learn-params FILE). Pages whose URLs differ in one parameter alone are
compared by the signature of their content. What is found is a report, with lines
for the spider if a parameter can go; nothing is ever applied by itself.

FILE has a JSON object a line, with "url" and "signature", 16 hexadecimal digits; other programs
may write it.`,
		Example: `  lycosa crawl shop.yaml --learn-params pages.jsonl --max-pages 5000
  lycosa learn-params pages.jsonl`,
		Args: argRange(1, 1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := learn.New(o)
			if err != nil {
				return usage(err)
			}
			if err := p.learnFrom(l, args[0]); err != nil {
				return err
			}
			r := l.Report()
			if asJSON {
				return json.NewEncoder(p.out).Encode(r)
			}
			return printLearnt(p.out, r)
		},
	}
	cmd.Flags().Float64Var(&o.Least, "least", 0.9, "part of comparisons that must agree for a parameter to be dropped, at the lower end of its interval of 95 %")
	cmd.Flags().IntVar(&o.Groups, "groups", 5, "groups of pages that a parameter must have been seen in")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for scripts: JSON on standard output")
	return cmd
}

// learntPage is a line of the file.
type learntPage struct {
	URL       string `json:"url"`
	Signature string `json:"signature"`
}

// learnFrom reads the file, up to the first malformed line.
func (p *program) learnFrom(l *learn.Learner, name string) error {
	in := p.in
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return usage(err)
		}
		defer file.Close()
		in = file
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, seedLongest)
	n := 0
	for lines.Scan() {
		n++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var page learntPage
		err := json.Unmarshal(lines.Bytes(), &page)
		var sum uint64
		if err == nil {
			if sum, err = strconv.ParseUint(page.Signature, 16, 64); err != nil {
				err = fmt.Errorf("signature %.40q: want 16 hexadecimal digits", page.Signature)
			}
		}
		if err == nil {
			err = l.Add(page.URL, sum)
		}
		if err != nil {
			return usagef("line %d of %s: %w", n, name, err)
		}
	}
	if err := lines.Err(); err != nil {
		return usagef("line %d of %s: %w", n+1, name, err)
	}
	return nil
}

func printLearnt(out io.Writer, r learn.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "verdict\thost\tparameter\tsame\tother\tagree\tgroups\tpaths\tmost against\t")
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%.0f to %.0f %%\t%d\t%d\t%s\t\n",
			f.Verdict, oneLine(f.Host), oneLine(f.Param), f.Same, f.Other, 100*f.Least, 100*f.Most, f.Groups, f.Paths, oneLine(f.Against))
	}
	err := w.Flush()
	text := fmt.Sprintf("%s read", plural(int64(r.Pages), "page", "pages"))
	if r.Passed > 0 {
		text += fmt.Sprintf(", %s with too many parameters passed over", thousands(int64(r.Passed)))
	}
	if r.Left > 0 {
		text += fmt.Sprintf(", %s left out for want of memory", plural(int64(r.Left), "group", "groups"))
	}
	text += ".\n"
	if len(r.Params) == 0 {
		text += "No parameter is proven to be idle.\n"
	} else {
		globs, jsonErr := json.Marshal(r.Params) // which is YAML as well
		err = errors.Join(err, jsonErr)
		text += "For the next crawl, if you agree (a crawl keeps its canonical form from its first day on):\n\n  canonical:\n    drop_params: " + string(globs) + "\n"
	}
	_, written := io.WriteString(out, text)
	return errors.Join(err, written)
}

func (o *options) learnFlag(f *pflag.FlagSet) {
	f.StringVar(&o.learn, "learn-params", "", "add URL and content signature of each page to this file, for lycosa learn-params")
}

// notePages returns what notes each page in the file that --learn-params names, or nil. The place closes it.
func (o *options) notePages(place *place, log *slog.Logger) (func(*crawler.Page), error) {
	if o.learn == "" {
		return nil, nil
	}
	file, err := os.OpenFile(o.learn, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // not secret
	if err != nil {
		return nil, usagef("--learn-params: %w", err)
	}
	place.atClose(func() { file.Close() })
	warn := sync.OnceFunc(func() { log.Warn("pages are no longer noted", "file", o.learn) })
	var main signature.Options
	return func(page *crawler.Page) {
		if page.DocErr() != nil {
			return
		}
		sum, err := main.Of(page.Body) // of the body: a handler may have changed the document
		if err != nil {
			return
		}
		line, err := json.Marshal(learntPage{page.URL, fmt.Sprintf("%016x", sum)})
		if err == nil {
			_, err = file.Write(append(line, '\n')) // one write, so that lines stay whole
		}
		if err != nil {
			log.Debug("noting a page", "file", o.learn, "err", err)
			warn()
		}
	}, nil
}
