package dedup

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/text/unicode/norm"
)

// parts are the parts of a parsed http or https URL that matter to its canonical form, delimiters
// off. Host is not yet in lower case and dot segments are not yet resolved when split made them.
type parts struct {
	scheme, host, port    []byte // port is empty when it is the scheme's default
	path, query, fragment []byte
}

// Two ways lead to the parts of a URL. split is a fast one for the plain URLs that make up nearly
// all of the web; it accepts only what it is certain about, and splitAny, which asks the WHATWG
// parser, does the rest. On what split accepts, both agree: FuzzFastPathAgreesWithParser.

// Classes of bytes that split accepts, and that no part of the standard treats in any special way.
const (
	inHost = 1 << iota
	inPath
	inQuery
	inFragment
)

var classes = func() (t [256]byte) {
	set := func(class byte, chars string) {
		for _, c := range []byte(chars) {
			t[c] |= class
		}
	}
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	set(inHost|inPath|inQuery|inFragment, alphanumeric+"-.")
	set(inPath|inQuery|inFragment, "_~!$&()*+,;=:@/%[]")
	set(inPath, "'")
	set(inQuery|inFragment, "?|")
	return t
}()

// split takes an absolute URL apart. It reports false for whatever it is not certain about.
func split(b []byte) (p parts, ok bool) {
	defaultPort := "80"
	switch {
	case bytes.HasPrefix(b, []byte("http://")):
		p.scheme, b = b[:4], b[7:]
	case bytes.HasPrefix(b, []byte("https://")):
		p.scheme, b = b[:5], b[8:]
		defaultPort = "443"
	default:
		return p, false
	}

	p.host, b = cutClass(b, inHost)
	if !plainHost(p.host) {
		return p, false
	}
	if len(b) > 0 && b[0] == ':' {
		p.port, b = cutDigits(b[1:])
		if !plainPort(p.port) {
			return p, false
		}
		if string(p.port) == defaultPort {
			p.port = nil
		}
	}
	if len(b) > 0 && b[0] == '/' {
		p.path, b = cutClass(b, inPath)
	}
	if len(b) > 0 && b[0] == '?' {
		p.query, b = cutClass(b[1:], inQuery)
	}
	if len(b) > 0 && b[0] == '#' {
		p.fragment, b = cutClass(b[1:], inFragment)
	}
	return p, len(b) == 0
}

func cutClass(b []byte, class byte) (head, tail []byte) {
	for i, c := range b {
		if classes[c]&class == 0 {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

func cutDigits(b []byte) (head, tail []byte) {
	i := 0
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return b[:i], b[i:]
}

// plainPort accepts 1 to 65535 without zeros in front.
func plainPort(port []byte) bool {
	return len(port) > 0 && port[0] != '0' && (len(port) < 5 || len(port) == 5 && string(port) <= "65535")
}

// plainHost accepts names that are only put in lower case by the standard (no Punycode, no trailing
// dot), and IPv4 addresses as they are usually written. Whatever else could be read as an address
// is not plain.
func plainHost(host []byte) bool {
	last := host
	for rest, more := host, true; more; {
		last, rest, more = bytes.Cut(rest, []byte("."))
		if len(last) == 0 || len(last) > maxLabel || isPunycode(last) {
			return false
		}
	}
	return len(host) <= maxHost && isLetter(last[0]) || plainIPv4(host)
}

// plainIPv4 accepts four decimal numbers up to 255 without zeros in front: the form in which the
// standard writes an address.
func plainIPv4(host []byte) bool {
	numbers := 0
	for rest, more := host, true; more; numbers++ {
		var n []byte
		n, rest, more = bytes.Cut(rest, []byte("."))
		digits, tail := cutDigits(n)
		switch {
		case len(digits) == 0 || len(tail) > 0 || len(digits) > 1 && digits[0] == '0':
			return false
		case len(digits) > 3 || len(digits) == 3 && string(digits) > "255":
			return false
		}
	}
	return numbers == 4
}

func isPunycode(label []byte) bool {
	return len(label) >= 4 && label[0]|0x20 == 'x' && label[1]|0x20 == 'n' && label[2] == '-' && label[3] == '-'
}

// appendJoined appends ref made absolute by joining it to base as text. That is all there is to
// resolving as long as ref is plain: split refuses what is not, and dot segments fall later. It
// appends nothing when it takes more than that.
func appendJoined(dst []byte, base, ref string) []byte {
	if strings.HasPrefix(ref, "https://") || strings.HasPrefix(ref, "http://") {
		return append(dst, ref...)
	}
	if base == "" {
		return dst
	}
	b := URL{s: base}
	kept := b.requestEnd()
	switch {
	case ref == "" || ref[0] == '#':
	case strings.HasPrefix(ref, "//"):
		kept = len(b.Scheme()) + len(":")
	case ref[0] == '/':
		kept = b.pathStart()
	case ref[0] == '?':
		kept = b.pathStart() + len(b.Path())
	case mayHaveScheme(ref):
		return dst
	default:
		kept = b.pathStart() + strings.LastIndexByte(b.Path(), '/') + 1
	}
	dst = append(dst, base[:kept]...)
	return append(dst, ref...)
}

func mayHaveScheme(ref string) bool {
	i := strings.IndexAny(ref, ":/?#")
	return i >= 0 && ref[i] == ':'
}

// Limits of DNS (RFC 1035 section 2.3.4).
const (
	maxLabel = 63
	maxHost  = 253
)

// maxUserinfo is the longest user name and password accepted, though they are dropped: the parser
// takes 0.2 seconds over ten thousand at signs.
const maxUserinfo = 1 << 10

// userinfoLength returns the length of what the parser takes for user name and password, or a little
// more.
func userinfoLength(ref, scheme string) int {
	if scheme != "" {
		_, ref, _ = strings.Cut(ref, ":")
	}
	const slashes = "/\\"
	authority := strings.TrimLeft(ref, slashes+"\t\n\r")
	if scheme == "" && len(authority) == len(ref) {
		return 0 // a path
	}
	if end := strings.IndexAny(authority, slashes+"?#"); end >= 0 {
		authority = authority[:end]
	}
	return strings.LastIndexByte(authority, '@')
}

// whatwgParser never changes.
var whatwgParser = whatwg.NewParser(whatwg.WithPreParseHostFunc(strictHost))

// splitAny takes any URL or reference apart, as the WHATWG URL standard has it, and refuses what
// cannot be crawled.
func (c *Canonicalizer) splitAny(base URL, ref string) (parts, error) {
	scheme := schemeOf(ref)
	if scheme != "" && scheme != "http" && scheme != "https" {
		return parts{}, refuseScheme(ref, scheme)
	}
	if len(ref) > c.maxLength+slack || userinfoLength(ref, scheme) > maxUserinfo {
		return parts{}, refuse(ref, ReasonTooLong)
	}
	if strings.ContainsFunc(ref, isForbiddenControl) {
		return parts{}, refuse(ref, ReasonControl)
	}
	if !utf8.ValidString(ref) {
		return parts{}, refuse(ref, ReasonEncoding)
	}

	u, err := parseWHATWG(base.s, ref)
	if err != nil && scheme == "" && base.IsZero() {
		return parts{}, refuse(ref, ReasonRelative)
	}
	if err != nil {
		return parts{}, refuse(ref, ReasonInvalid)
	}
	if u.Scheme() != "http" && u.Scheme() != "https" { // a longer one than schemeOf reads
		return parts{}, refuseScheme(ref, u.Scheme())
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	if !fitsDNS(host) {
		return parts{}, refuse(ref, ReasonHost)
	}
	return parts{
		scheme:   []byte(u.Scheme()),
		host:     []byte(host),
		port:     []byte(u.Port()),
		path:     []byte(u.Pathname()),
		query:    []byte(u.Query()),
		fragment: []byte(u.Fragment()),
	}, nil
}

// parseWHATWG resolves ref against base, which may be empty, by the letter of the standard.
func parseWHATWG(base, ref string) (*whatwg.Url, error) {
	if base == "" {
		return whatwgParser.Parse(ref)
	}
	return whatwgParser.ParseRef(base, ref)
}

// strictHost turns hosts that the parser wrongly accepts into one that it refuses: "[[::1]]",
// addresses with signed numbers ("-1.2.3.4", "0x+7f"), and Punycode of nothing ("www.xn--", which
// would come out as "www.").
func strictHost(_ *whatwg.Url, host string) string {
	const refused = "["
	if strings.HasPrefix(host, "[") {
		if strings.Count(host, "[") > 1 || strings.Count(host, "]") > 1 {
			return refused
		}
		return host
	}
	plain := host
	if decoded, err := url.PathUnescape(host); err == nil {
		plain = decoded
	}
	plain = strings.ToLower(norm.NFKC.String(strings.Map(withoutInvisible, plain)))
	labels := strings.FieldsFunc(plain, func(r rune) bool { return r == '.' || r == '。' })
	if slices.Contains(labels, "xn--") {
		return refused
	}
	if len(labels) == 0 {
		return host
	}
	if _, isAddress := readNumber(labels[len(labels)-1]); !isAddress {
		return host
	}
	for _, label := range labels {
		if signed, number := readNumber(label); signed && number {
			return refused
		}
	}
	return host
}

// withoutInvisible drops what IDNA ignores, such as soft hyphens.
func withoutInvisible(r rune) rune {
	if unicode.In(r, unicode.Cf, unicode.Variation_Selector) || r == '\u034f' {
		return -1
	}
	return r
}

// readNumber reports whether the parser reads a label as a number of an IPv4 address, and whether it
// does so in spite of a sign.
func readNumber(label string) (signed, number bool) {
	digits, valid := label, "0123456789"
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		digits, valid = hex, "0123456789abcdef"
	} else if octal, ok := strings.CutPrefix(label, "0"); ok {
		digits = octal
	}
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		signed = len(digits) > 1
		digits = digits[1:]
	}
	return signed, strings.Trim(digits, valid) == ""
}

// schemeOf returns the scheme of ref in lower case as the WHATWG parser would find it, or "" if it
// has none or a very long one. It reads no further than it must: a data: URL can be megabytes long.
func schemeOf(ref string) string {
	var room [maxRefusedScheme]byte
	scheme := room[:0]
	for _, c := range []byte(ref) {
		switch {
		case c == '\t' || c == '\n' || c == '\r': // the parser drops them wherever they stand
		case c == ':':
			return string(scheme)
		case len(scheme) == cap(scheme):
			return ""
		case isLetter(c):
			scheme = append(scheme, c|0x20)
		case len(scheme) > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
			scheme = append(scheme, c)
		default:
			return ""
		}
	}
	return ""
}

// fitsDNS reports whether DNS can carry the host; an IPv6 address in brackets passes.
func fitsDNS(host string) bool {
	if len(host) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > maxLabel {
			return false
		}
	}
	return true
}

// isControlOrSpace says what browsers trim off the ends of a reference.
func isControlOrSpace(r rune) bool { return r <= ' ' }

// isForbiddenControl leaves out tab and line ends, which browsers drop wherever they stand.
func isForbiddenControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
