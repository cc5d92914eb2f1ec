package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/lycosa-crawl/lycosa/crawler"
	"github.com/lycosa-crawl/lycosa/crawler/declare"
)

// spider returns the spider that SPIDER names: one compiled in, or the path of a YAML file.
func (p *program) spider(name string) (crawler.Spider, error) {
	if isPath(name) {
		return loadSpider(name)
	}
	var names []string
	var found []crawler.Spider
	for _, s := range p.spiders {
		names = append(names, s.Name)
		if s.Name == name {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return crawler.Spider{}, usagef("%d spiders compiled in are called %q", len(found), name)
	}
	for _, ext := range []string{".yaml", ".yml"} {
		if _, err := os.Stat(name + ext); err == nil {
			return crawler.Spider{}, usagef("unknown spider %q; did you mean the file %s?", name, name+ext)
		}
	}
	if len(names) == 0 {
		return crawler.Spider{}, usagef("unknown spider %q: none is compiled in; give the path of a YAML file, such as %s.yaml", name, name)
	}
	hint := ""
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return crawler.Spider{}, usagef("unknown spider %q%s Compiled in: %s; a YAML file is given by its path", name, orDot(hint), strings.Join(names, ", "))
}

func isPath(name string) bool {
	return strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func loadSpider(path string) (crawler.Spider, error) {
	spider, err := declare.Load(path)
	var wrong *declare.Error
	switch {
	case errors.As(err, &wrong):
		return spider, usagef("%s", wrong.Summary())
	case errors.Is(err, fs.ErrNotExist):
		return spider, usagef("no such file: %s", path)
	case err != nil:
		return spider, usage(err)
	}
	return spider, nil
}
