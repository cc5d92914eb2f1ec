package sitemap_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lycosa-crawl/lycosa/crawler/sitemap"
)

// conformance is the folder of tables that others wrote: LYCOSA_CONFORMANCE, by default ../shared/conformance beside the checkout.
func conformance() string {
	if dir := os.Getenv("LYCOSA_CONFORMANCE"); dir != "" {
		return dir
	}
	root, err := os.Getwd()
	for err == nil && root != filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	return filepath.Join(root, "..", "shared", "conformance")
}

// Where crawler-commons is asked to be strict about namespaces or document types it finds nothing; here there is one way to read
// a document: see the package documentation. Which hosts and folders a sitemap may speak for is the engine's to judge.
func TestCrawlerCommonsCasesAllFindTheirURLs(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(conformance(), "sitemaps_crawlercommons.json"))
	if err != nil {
		t.Skipf("no conformance table: %v", err)
	}
	var table struct {
		Cases []struct {
			ID         string `json:"id"`
			URL        string `json:"url"`
			Content    string `json:"content"`
			ContentB64 []byte `json:"content_b64"`
			Type       string `json:"type"`
			Error      string `json:"error"`
			Partial    bool   `json:"allow_partial"`
			URLs       []struct {
				Loc     string  `json:"loc"`
				LastMod *string `json:"lastmod"`
			} `json:"urls"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Cases) == 0 {
		t.Fatal("the table is empty")
	}
	passed := 0
	for _, c := range table.Cases {
		body := []byte(c.Content)
		if len(c.ContentB64) > 0 {
			body = c.ContentB64
		}
		found := map[string]sitemap.Entry{}
		var failed error
		for e, err := range sitemap.Read(c.URL, bytes.NewReader(body), "") {
			if err != nil {
				failed = err
				continue
			}
			loc, _, _ := strings.Cut(e.Loc, "#") // the canonical URL has none
			found[loc] = e
		}
		ok := c.Error != "" || c.Partial || failed == nil
		for _, want := range c.URLs {
			got, there := found[want.Loc]
			if !there {
				t.Errorf("%s: %s is not found (%v)", c.ID, want.Loc, failed)
				ok = false
				continue
			}
			if want.LastMod != nil {
				if at, err := time.Parse(time.RFC3339, *want.LastMod); err != nil || !got.LastMod.Equal(at) {
					t.Errorf("%s: %s was modified %v, want %s", c.ID, want.Loc, got.LastMod, *want.LastMod)
					ok = false
				}
			}
			if (c.Type == "INDEX") != (got.Kind == sitemap.Sitemap) {
				t.Errorf("%s: %s is a %v in an %s", c.ID, want.Loc, got.Kind, c.Type)
				ok = false
			}
		}
		if !ok {
			t.Errorf("%s: %v", c.ID, failed)
		}
		if ok {
			passed++
		}
	}
	t.Logf("%d of %d", passed, len(table.Cases))
}
