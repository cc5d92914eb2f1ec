package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/crawler/fetch"
	"github.com/lycosa-crawl/lycosa/crawler/robots"
	"github.com/lycosa-crawl/lycosa/crawler/sitemap"
	"github.com/lycosa-crawl/lycosa/dedup"
)

// fetchOptions are the flags of fetch.
type fetchOptions struct {
	record       string
	userAgent    string
	timeout      time.Duration
	ignoreRobots bool
	allowPrivate bool
	entries      bool
}

func (p *program) fetchCommand() *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:   "fetch URL [flags]",
		Short: "Fetch one page as a crawl would, and show it",
		Long: `Fetch one page as a crawl would, and show it: what robots.txt says, status and headers
on standard error; the body on standard output, decompressed, text as UTF-8. Redirects
are shown, not followed.

What robots.txt disallows is not fetched, unless --ignore-robots is given. A loopback or
private address may be named, but a name that leads to one needs --allow-private.`,
		Example: `  lycosa fetch https://books.toscrape.com/ | less
  lycosa fetch https://books.toscrape.com/ --record books.http >/dev/null
  lycosa fetch https://news.example/sitemap.xml --entries`,
		Args: argRange(1, 1, "URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.timeout <= 0 {
				return usagef("--timeout %v: must be more than nothing", o.timeout)
			}
			canon, err := dedup.Rules{}.Compile()
			if err != nil {
				return err
			}
			u, err := canon.Parse(args[0])
			if err != nil {
				return usage(err)
			}
			return p.fetch(cmd.Context(), &o, canon, u)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.record, "record", "", "write the exchange to a file: status line and headers as they came, and the body, decompressed")
	f.BoolVar(&o.entries, "entries", false, "show the entries of a sitemap or feed in place of the body: page or sitemap, date, URL")
	f.StringVar(&o.userAgent, "user-agent", "", "User-Agent header; its first word is what robots.txt knows the crawler by")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "for the page as a whole")
	f.BoolVar(&o.ignoreRobots, "ignore-robots", false, "do not ask for robots.txt")
	f.BoolVar(&o.allowPrivate, "allow-private", false, "let names lead to loopback and private addresses")
	return cmd
}

func (p *program) fetch(ctx context.Context, o *fetchOptions, canon *dedup.Canonicalizer, u dedup.URL) error {
	if strings.ContainsAny(o.userAgent, "\r\n\x00") {
		return usagef("--user-agent %q: has a line break", o.userAgent)
	}
	client, err := fetch.New(fetch.Config{UserAgent: o.userAgent, Timeout: o.timeout, AllowPrivate: o.allowPrivate})
	if err != nil {
		return usage(err)
	}
	defer client.Close()
	private := mayBePrivate(u)
	if !o.ignoreRobots {
		if err := p.askRobots(ctx, o, client, canon, u, private); err != nil {
			return err
		}
	}
	req := &fetch.Request{URL: u.String(), AllowPrivate: private}
	if o.entries {
		req.MaxBody, req.Prefix = sitemap.MaxSize, true
	}
	resp, err := client.Fetch(ctx, req)
	if err != nil {
		return fetchFailed(ctx, err)
	}
	head := headOf(resp)
	_, _ = p.screen.Write([]byte(printable(head)))
	if location := resp.Header.Get("Location"); resp.Status/100 == 3 && location != "" {
		if to, err := canon.Resolve(u, location); err == nil {
			fmt.Fprintf(p.screen, "redirect: lycosa fetch %s goes on\n", to)
		}
	}
	if o.record != "" {
		if err := os.WriteFile(o.record, append([]byte(head+"\r\n"), resp.Body...), 0o644); err != nil {
			return err
		}
	}
	if o.entries {
		return writeEntries(p.out, u.String(), resp)
	}
	return writeBody(p.out, resp)
}

// writeEntries writes what a sitemap or feed lists, an entry a line.
func writeEntries(out io.Writer, at string, resp *fetch.Response) error {
	body, charset := resp.Body, ""
	if contentType := resp.Header.Get("Content-Type"); fetch.IsText(contentType, body) {
		body, _ = fetch.Text(body, contentType)
		charset = "utf-8"
	}
	lines := bufio.NewWriter(out)
	var failed error
	for e, err := range sitemap.Read(at, bytes.NewReader(body), charset) {
		if err != nil {
			failed = fmt.Errorf("%s: %w", at, err)
			break
		}
		modified := "-"
		if !e.LastMod.IsZero() {
			modified = e.LastMod.Format(time.RFC3339)
		}
		fmt.Fprintf(lines, "%s\t%s\t%s\n", e.Kind, modified, oneLine(e.Loc))
	}
	return errors.Join(lines.Flush(), failed)
}

// writeBody writes what a handler would get.
func writeBody(out io.Writer, resp *fetch.Response) error {
	body := resp.Body
	if contentType := resp.Header.Get("Content-Type"); fetch.IsText(contentType, body) {
		body, _ = fetch.Text(body, contentType)
	}
	_, err := out.Write(body)
	return err
}

// headOf is status line and headers, in the order of their names.
func headOf(resp *fetch.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\r\n", cmp.Or(resp.Proto, "HTTP/1.1"), strings.TrimSpace(fmt.Sprintf("%d %s", resp.Status, http.StatusText(resp.Status))))
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	return b.String()
}

// printable is a head for a terminal: whatever a server sends, it moves no cursor.
func printable(head string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(head, "\r\n"), "\r\n") {
		b.WriteString(oneLine(line))
		b.WriteByte('\n')
	}
	return b.String()
}

// askRobots shows what robots.txt says, and returns an error if it says no.
func (p *program) askRobots(ctx context.Context, o *fetchOptions, client fetch.Fetcher, canon *dedup.Canonicalizer, u dedup.URL, private bool) error {
	at := u.Scheme() + "://" + u.Host() + "/robots.txt"
	status, body, err := fetchRobots(ctx, client, canon, at, private)
	if err != nil {
		return fmt.Errorf("robots.txt: %w", fetchFailed(ctx, err))
	}
	product := robots.Product(cmp.Or(o.userAgent, fetch.DefaultUserAgent))
	rules := robots.FromStatus(status, body)
	if !rules.Allowed(product, u.RequestURI()) {
		if status >= 500 {
			return fmt.Errorf("%s answers with status %d, and until it does otherwise nothing may be fetched (--ignore-robots fetches it all the same)", at, status)
		}
		return fmt.Errorf("%s keeps %s from %s (--ignore-robots fetches it all the same)", at, product, u)
	}
	delay := ""
	if d, ok := rules.CrawlDelay(product); ok {
		delay = fmt.Sprintf(", with a delay of %v", d)
	}
	fmt.Fprintf(p.screen, "robots.txt: status %d, %s is allowed%s\n", status, product, delay)
	return nil
}

// fetchRobots follows up to five redirects, as RFC 9309 has it.
func fetchRobots(ctx context.Context, client fetch.Fetcher, canon *dedup.Canonicalizer, at string, private bool) (int, []byte, error) {
	here, err := canon.Parse(at)
	if err != nil {
		return 0, nil, err
	}
	for range 6 {
		resp, err := client.Fetch(ctx, &fetch.Request{URL: here.String(), AllowPrivate: private, MaxBody: robots.MaxSize, Prefix: true})
		if err != nil {
			return 0, nil, err
		}
		if resp.Status/100 != 3 {
			return resp.Status, resp.Body, nil
		}
		next, err := canon.Resolve(here, resp.Header.Get("Location"))
		if err != nil {
			break
		}
		private = private && next.Host() == here.Host()
		here = next
	}
	return http.StatusNotFound, nil, nil //nolint:nilerr // a redirect to nowhere is no robots.txt
}

func fetchFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *fetch.Error
	if errors.As(err, &failed) && failed.Reason == fetch.ReasonForbiddenAddress {
		return fmt.Errorf("%w (--allow-private lets names lead there)", err)
	}
	return err
}

// mayBePrivate reports whether a URL that somebody typed may be on a loopback or private address: as for start URLs, if it
// names the address, or a host without dots. Whoever owns a domain decides where it points.
func mayBePrivate(u dedup.URL) bool {
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}
