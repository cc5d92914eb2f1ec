package dedup

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// trackingParams and sessionParams never change. All are in lower case.
var (
	trackingParams = []string{
		"utm_*", "mtm_*", "pk_*", "hsa_*", // campaigns: Google, Matomo, Piwik, HubSpot
		"gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "srsltid", "_ga", "_gl", // Google
		"fbclid", "fb_action_ids", "fb_action_types", "igsh", "igshid", // Facebook, Instagram
		"msclkid", "yclid", "ysclid", "_openstat", // Microsoft, Yandex
		"twclid", "ttclid", "li_fat_id", "rdt_cid", "epik", "sccid", // X, TikTok, LinkedIn, Reddit, Pinterest, Snapchat
		"mc_cid", "mc_eid", "mkt_tok", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", // Mailchimp, Marketo, HubSpot
		"vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "_branch_match_id", "wickedid", "s_kwcid", "ef_id",
	}
	sessionParams = []string{
		"phpsessid", "jsessionid", "aspsessionid*", "asp.net_sessionid", "cfid", "cftoken",
		"sid", "sessid", "sessionid", "session_id", "oscsid", "zenid", "xtcsid",
	}
)

// TrackingParams returns the query parameters that [Rules.DropTracking] drops, as globs. They are
// compared without regard to case. They say where a visitor came from and, nearly everywhere, change
// nothing about the page. The slice is the caller's.
func TrackingParams() []string { return slices.Clone(trackingParams) }

// SessionParams returns the query parameters that [Rules.DropSessions] drops, as globs. They are
// compared without regard to case. They tell visitors apart; on some site one of them is an ordinary
// id, so look before you drop them. The slice is the caller's.
func SessionParams() []string { return slices.Clone(sessionParams) }

// names is a set of globs, sorted by how fast they can be matched. In globs a slash stands as NUL,
// because path.Match lets * and ? match anything but a slash.
type names struct {
	exact    map[string]bool
	prefixes []string
	globs    []string
}

func compileNames(field string, globs []string) (names, error) {
	var n names
	for i, glob := range globs {
		if glob == "" {
			return names{}, fmt.Errorf("dedup: %s[%d] is empty", field, i)
		}
		if _, err := path.Match(glob, ""); err != nil {
			return names{}, fmt.Errorf("dedup: %s[%d] (%q): %w", field, i, glob, err)
		}
	}
	n.add(globs...)
	return n, nil
}

// add adds valid globs.
func (n *names) add(globs ...string) {
	const meta = `*?[\`
	for _, glob := range globs {
		prefix, star := strings.CutSuffix(glob, "*")
		switch {
		case !strings.ContainsAny(glob, meta):
			if n.exact == nil {
				n.exact = make(map[string]bool)
			}
			n.exact[glob] = true
		case star && !strings.ContainsAny(prefix, meta):
			n.prefixes = append(n.prefixes, prefix)
		default:
			n.globs = append(n.globs, strings.ReplaceAll(glob, "/", "\x00"))
		}
	}
}

func (n *names) empty() bool { return len(n.exact)+len(n.prefixes)+len(n.globs) == 0 }

func (n *names) match(name []byte) bool {
	if n.exact[string(name)] {
		return true
	}
	for _, prefix := range n.prefixes {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	if len(n.globs) == 0 {
		return false
	}
	flat := strings.ReplaceAll(string(name), "/", "\x00")
	for _, glob := range n.globs {
		if ok, _ := path.Match(glob, flat); ok {
			return true
		}
	}
	return false
}

// keeps reports whether the rules keep a query parameter; name is as it stands in the query.
func (c *Canonicalizer) keeps(name []byte) bool {
	if bytes.ContainsAny(name, "%+") {
		if decoded, err := url.QueryUnescape(string(name)); err == nil {
			name = []byte(decoded)
		}
	}
	if !c.keep.empty() && !c.keep.match(name) || c.drop.match(name) {
		return false
	}
	if c.dropFolded.empty() {
		return true
	}
	var room [64]byte
	return !c.dropFolded.match(appendLower(room[:0], name))
}
