package app

import (
	"encoding/json"
	"fmt"

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
}

func (p *program) fingerprintCommand() *cobra.Command {
	var method, body, spider string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fingerprint URL [flags]",
		Short: "Show the canonical form of a URL, and what it is recognised by",
		Long: `Show the canonical form of a URL, and the fingerprint that says whether a request was
seen: 128 bits, the 64 of them that Redis keeps, and the number as which a crawl with the
filter intset or set holds these. Nothing is fetched.`,
		Example: `  lycosa fingerprint 'https://Example.com/a/../b?z=1&a=2#top'
  lycosa fingerprint https://example.com/search --method POST --body q=spiders
  lycosa fingerprint 'https://example.com/?utm_source=x' --spider shop.yaml`,
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
			canon, err := rules.Compile()
			if err != nil {
				return usage(err)
			}
			u, err := canon.Parse(args[0])
			if err != nil {
				return usage(err)
			}
			fp := dedup.Of(method, u.String(), []byte(body))
			out := fingerprintOf{
				URL: u.String(), Method: method, Fingerprint: fp.String(), Short: fmt.Sprintf("%016x", fp.Short()), Decimal: string(fp.AppendDecimal(nil)),
			}
			if asJSON {
				return json.NewEncoder(p.out).Encode(out)
			}
			_, err = fmt.Fprintf(p.out, "%s %s\n128 bits  %s\n 64 bits  %s\nnumber    %s\n", out.Method, out.URL, out.Fingerprint, out.Short, out.Decimal)
			return err
		},
	}
	cmd.Flags().StringVar(&method, "method", "GET", "method of the request")
	cmd.Flags().StringVar(&body, "body", "", "body of the request")
	cmd.Flags().StringVar(&spider, "spider", "", "take the canonical rules of this spider: its name, or the path of a YAML file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for scripts: JSON on standard output")
	return cmd
}
