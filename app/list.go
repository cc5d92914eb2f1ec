package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// listing is what list shows. Its JSON is a contract with scripts.
type listing struct {
	Place   string       `json:"place"`
	Spiders []spiderInfo `json:"spiders"`
	Crawls  []crawlInfo  `json:"crawls"`
}

type spiderInfo struct {
	Name   string   `json:"name"`
	Start  []string `json:"start"`
	Routes []string `json:"routes"`
	Error  string   `json:"error,omitempty"` // what is wrong with it
}

type crawlInfo struct {
	Crawl string `json:"crawl"`
	State string `json:"state,omitempty"` // as of status
	Done  int64  `json:"done"`
	Seen  int64  `json:"seen"`
	Items int64  `json:"items"`
	Error string `json:"error,omitempty"` // why it cannot be read now
}

func (p *program) listCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Short:   "List the spiders compiled in, and the crawls",
		Long:    "List the spiders compiled in, and the crawls in --dir or on --redis.",
		Example: "  lycosa list\n  lycosa list --redis redis://localhost:6379/0\n  lycosa list --json | jq -r '.crawls[].crawl'",
		Args:    argRange(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.settle(cmd, p.getenv); err != nil {
				return err
			}
			return p.list(cmd.Context(), &o)
		},
	}
	o.placeFlags(cmd.Flags())
	o.logFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.json, "json", false, "for scripts: JSON on standard output")
	return cmd
}

func (p *program) list(ctx context.Context, o *options) error {
	place, err := o.place(ctx, p.logger(o))
	if err != nil {
		return err
	}
	defer place.close()
	names, err := place.list(ctx)
	if err != nil {
		return err
	}
	all := listing{Place: place.name, Spiders: []spiderInfo{}, Crawls: []crawlInfo{}}
	for _, s := range p.spiders {
		all.Spiders = append(all.Spiders, infoOf(s))
	}
	for _, name := range names {
		c, err := crawlInfoOf(ctx, place, name)
		if err != nil {
			return err
		}
		all.Crawls = append(all.Crawls, c)
	}
	if o.json {
		return json.NewEncoder(p.out).Encode(all)
	}
	return p.printList(all)
}

func infoOf(s crawler.Spider) spiderInfo {
	info := spiderInfo{Name: s.Name, Start: []string{}, Routes: s.RouteNames()}
	for _, start := range s.Start {
		info.Start = append(info.Start, start.URL)
	}
	for _, m := range s.Sitemaps {
		if m.URL != "" {
			info.Start = append(info.Start, m.URL)
		}
	}
	if err := s.Check(); err != nil {
		info.Error = err.Error()
	}
	return info
}

// crawlInfoOf says how a crawl stands. One that cannot be read, because another process holds it, is listed all the same.
func crawlInfoOf(ctx context.Context, place *place, name string) (crawlInfo, error) {
	info := crawlInfo{Crawl: name}
	f, err := place.attach(ctx, name)
	if errors.Is(err, scheduler.ErrUnavailable) || ctx.Err() != nil {
		return info, err
	}
	if err != nil {
		info.Error = err.Error()
		return info, nil //nolint:nilerr // it is told
	}
	s, err := statusOf(ctx, place, name, f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return info, err
	}
	info.State, info.Done, info.Seen, info.Items = s.State, s.Done, s.Seen, s.Items
	return info, nil
}

func (p *program) printList(all listing) error {
	var b strings.Builder
	if len(all.Spiders) > 0 {
		b.WriteString("spiders compiled in:\n")
	} else {
		b.WriteString("spiders compiled in: none; lycosa crawl takes the path of a YAML file\n")
	}
	for _, s := range all.Spiders {
		fmt.Fprintf(&b, "  %-20s %s\n", oneLine(s.Name), oneLine(strings.Join(s.Start, " ")))
		if s.Error != "" {
			fmt.Fprintf(&b, "  %-20s %s\n", "", oneLine(s.Error))
		}
	}
	if len(all.Crawls) > 0 {
		fmt.Fprintf(&b, "crawls on %s:\n", all.Place)
	} else {
		fmt.Fprintf(&b, "crawls on %s: none\n", all.Place)
	}
	for _, c := range all.Crawls {
		if c.Error != "" {
			fmt.Fprintf(&b, "  %-20s %s\n", c.Crawl, oneLine(c.Error))
			continue
		}
		fmt.Fprintf(&b, "  %-20s %-8s %s of %s pages, %s\n", c.Crawl, c.State, thousands(c.Done), thousands(c.Seen), plural(c.Items, "item", "items"))
	}
	_, err := p.out.Write([]byte(b.String()))
	return err
}
