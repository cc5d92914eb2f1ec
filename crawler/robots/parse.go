package robots

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// MaxSize is how much of a robots.txt is read, in bytes: the least that RFC 9309 section 2.5 allows.
const MaxSize = 500 << 10

// maxLine is how much of a line is read, as in Google's parser: eight times the longest URL that the
// Internet Explorer knew.
const maxLine = 2083*8 - 1

// Parse reads a robots.txt. It never fails: what is no rule is skipped. Of a body longer than [MaxSize] it
// reads the lines that end within. It keeps nothing of body.
func Parse(body []byte) *Rules {
	if len(body) > MaxSize {
		body = body[:MaxSize]
		body = body[:bytes.LastIndexAny(body, "\r\n")+1] // half a rule may mean the opposite
	}
	p := parser{rules: new(Rules)}
	text := decode(body)
	for text != "" {
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			end = len(text)
		}
		p.line(text[:min(end, maxLine)])
		text = text[min(end+1, len(text)):]
	}
	return p.rules
}

// decode returns body without its byte order mark, or with what is there of it. The format is UTF-8, but
// files saved as UTF-16 exist; a mark alone does not make one.
func decode(body []byte) string {
	if len(body) >= 4 && (body[2] == 0) != (body[3] == 0) {
		switch {
		case body[0] == 0xFF && body[1] == 0xFE:
			return decode16(body[2:], binary.LittleEndian)
		case body[0] == 0xFE && body[1] == 0xFF:
			return decode16(body[2:], binary.BigEndian)
		}
	}
	for _, c := range []byte("\xEF\xBB\xBF") {
		if len(body) == 0 || body[0] != c {
			break
		}
		body = body[1:]
	}
	return string(body)
}

func decode16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// parser collects lines into groups.
type parser struct {
	rules *Rules
	open  bool // the last group takes further agents: no rule has come yet
}

func (p *parser) line(line string) {
	key, value, ok := split(line)
	if !ok {
		return
	}
	switch keyOf(key) {
	case userAgent:
		p.agent(value)
	case allow:
		p.rule(value, true)
	case disallow:
		p.rule(value, false)
	case crawlDelay:
		p.delay(value)
	case sitemap:
		p.rules.sitemaps = append(p.rules.sitemaps, value)
	case unknown:
	}
}

func (p *parser) agent(value string) {
	if !p.open {
		p.rules.groups = append(p.rules.groups, section{})
		p.open = true
	}
	last := p.last()
	last.agents = append(last.agents, value)
}

func (p *parser) rule(pattern string, allow bool) {
	last := p.last()
	if last == nil {
		return // before any User-agent
	}
	p.open = false
	last.rules = appendRule(last.rules, pattern, allow)
}

func (p *parser) delay(value string) {
	last := p.last()
	d, ok := parseDelay(value)
	if last == nil || !ok {
		return
	}
	last.delays = append(last.delays, delay{agents: len(last.agents), value: d})
}

func (p *parser) last() *section {
	if len(p.rules.groups) == 0 {
		return nil
	}
	return &p.rules.groups[len(p.rules.groups)-1]
}

// split takes a line apart at its colon, or, as some forget it, at the white space between exactly two words.
func split(line string) (key, value string, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	line = strings.Trim(line, space)
	at := strings.IndexByte(line, ':')
	if at < 0 {
		at = strings.IndexAny(line, " \t")
		if at < 0 || strings.ContainsAny(strings.Trim(line[at:], space), " \t") {
			return "", "", false
		}
	}
	key = strings.Trim(line[:at], space)
	return key, strings.Trim(line[at+1:], space), key != ""
}

const space = " \t\v\f"

type key int

const (
	unknown key = iota
	userAgent
	allow
	disallow
	crawlDelay
	sitemap
)

// spellings of the keys. As in Google's parser the key of a line need only begin with one of them.
var spellings = []struct {
	prefix string
	key    key
}{
	{"user-agent", userAgent},
	{"useragent", userAgent},
	{"user agent", userAgent},
	{"allow", allow},
	{"disallow", disallow},
	{"dissallow", disallow},
	{"dissalow", disallow},
	{"disalow", disallow},
	{"diasllow", disallow},
	{"disallaw", disallow},
	{"crawl-delay", crawlDelay},
	{"crawldelay", crawlDelay},
	{"crawl delay", crawlDelay},
	{"sitemap", sitemap},
	{"site-map", sitemap},
}

func keyOf(s string) key {
	for _, known := range spellings {
		if len(s) >= len(known.prefix) && strings.EqualFold(s[:len(known.prefix)], known.prefix) {
			return known.key
		}
	}
	return unknown
}
