package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// fingerprintOf is what fingerprint shows. Its JSON is a contract with scripts.
type fingerprintOf struct {
	URL         string `json:"url"` // canonical
	Method      string `json:"method"`
	Fingerprint string `json:"fingerprint"` // 128 bits, hexadecimal
	Short       string `json:"short"`       // 64 bits, hexadecimal
	Decimal     string `json:"decimal"`     // the same as a signed number: how Redis holds it in sets
	// Scheme and SHA1 are set if the fingerprint is that of another crawler: its name, and the whole of it, in hexadecimal.
	Scheme string `json:"scheme,omitempty"`
	SHA1   string `json:"sha1,omitempty"`
	// Header and Body are what of them is part of the fingerprint; the body in canonical form, if the spider has bodies
	// brought into it.
	Header http.Header `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
}

func (p *program) fingerprintCommand() *cobra.Command {
	var method, body, spider, scheme string
	var fields []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fingerprint URL [flags]",
		Short: "Show the canonical form of a URL, and what it is recognised by",
		Long: `Show the canonical form of a URL, and the fingerprint that says whether a request was
seen: 128 bits, the 64 of them that Redis keeps, and the number as which a crawl with the
filter intset or set holds these. Nothing is fetched.`,
		Example: `  lycosa fingerprint 'https://Example.com/a/../b?z=1&a=2#top'
  lycosa fingerprint https://example.com/search --method POST --body q=spiders
  lycosa fingerprint 'https://example.com/?utm_source=x' --spider shop.yaml
  lycosa fingerprint https://example.com/ --scheme scrapy-redis`,
		Args: argRange(1, 1, "URL"),
		RunE: func(_ *cobra.Command, args []string) error {
			var rules dedup.Rules
			if spider != "" {
				s, err := p.spider(spider)
				if err != nil {
					return err
				}
				rules = s.Canonical
			}
			if scheme != "" {
				var err error
				if rules.Scheme, err = dedup.ParseScheme(scheme); err != nil {
					return usagef("--scheme: %w", err)
				}
			}
			canon, err := rules.Compile()
			if err != nil {
				return usage(err)
			}
			u, err := canon.Parse(args[0])
			if err != nil {
				return usage(err)
			}
			header, err := parseHeader(fields)
			if err != nil {
				return err
			}
			fp := canon.Fingerprint(method, u.String(), header, []byte(body))
			out := fingerprintOf{
				URL: u.String(), Method: method, Fingerprint: fp.String(), Short: fmt.Sprintf("%016x", fp.Short()), Decimal: string(fp.AppendDecimal(nil)),
			}
			if rules.Scheme != dedup.SchemeLycosa {
				out.Scheme, out.SHA1 = rules.Scheme.String(), fmt.Sprintf("%x", rules.Scheme.SHA1(method, u.String(), []byte(body)))
			}
			for _, field := range canon.Headers(header) {
				if out.Header == nil {
					out.Header = http.Header{}
				}
				out.Header.Add(field[0], field[1])
			}
			out.Body = string(canon.Body(header, []byte(body)))
			if asJSON {
				return json.NewEncoder(p.out).Encode(out)
			}
			_, err = fmt.Fprintf(p.out, "%s %s\n128 bits  %s\n 64 bits  %s\nnumber    %s\n", out.Method, out.URL, out.Fingerprint, out.Short, out.Decimal)
			if err == nil && out.SHA1 != "" {
				_, err = fmt.Fprintf(p.out, "SHA-1     %s, as %s has it\n", out.SHA1, out.Scheme)
			}
			for _, field := range canon.Headers(header) {
				if err == nil {
					_, err = fmt.Fprintf(p.out, "header    %s: %q\n", field[0], field[1])
				}
			}
			if err == nil && out.Body != body {
				_, err = fmt.Fprintf(p.out, "body      %q\n", out.Body)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&method, "method", "GET", "method of the request")
	cmd.Flags().StringVar(&body, "body", "", "body of the request")
	cmd.Flags().StringArrayVar(&fields, "header", nil, "header of the request, 'Name: value'; may be given several times. Counts as far as the spider says so")
	cmd.Flags().StringVar(&spider, "spider", "", "take the canonical rules of this spider: its name, or the path of a YAML file")
	cmd.Flags().StringVar(&scheme, "scheme", "", "make the fingerprint as others do: scrapy-redis, scrapy or scrapy-old (default: as the spider says, or lycosa)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for scripts: JSON on standard output")
	return cmd
}

// parseHeader reads headers as they are given to --header.
func parseHeader(fields []string) (http.Header, error) {
	header := http.Header{}
	for _, field := range fields {
		name, value, ok := strings.Cut(field, ":")
		if _, err := (dedup.Rules{FingerprintHeaders: []string{name}}).Compile(); !ok || err != nil {
			return nil, usagef("--header %q: want 'Name: value'", field)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return header, nil
}
