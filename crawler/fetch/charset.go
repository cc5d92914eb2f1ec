package fetch

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// Evidence is why a body is taken to be in a charset.
type Evidence string

// The evidence, strongest first.
const (
	ByMark    Evidence = "bom"     // it begins with a byte order mark
	ByHeader  Evidence = "header"  // the Content-Type says so
	ByMeta    Evidence = "meta"    // a <meta> or XML declaration says so
	ByUTF8    Evidence = "utf-8"   // nothing says, and it is valid UTF-8 with characters beyond ASCII
	ByGuess   Evidence = "guess"   // nothing says, and its bytes look like that
	ByDefault Evidence = "default" // nothing says, and nothing is known: the web's default, windows-1252
)

const (
	// prescanLength is how far declarations are looked for. Browsers read 1,024 bytes ahead of parsing, but they also change
	// their mind when they come to a later <meta>.
	prescanLength = 64 << 10
	// guessLength is how much of a body is shown to the detector, from the first byte that says anything.
	guessLength = 16 << 10
)

// Text returns body in UTF-8, and the name that the WHATWG gives to the charset it was in. It never fails: what is
// invalid becomes U+FFFD. A byte order mark is left out. If body is valid UTF-8 already, the result shares its memory.
func Text(body []byte, contentType string) (text []byte, name string) {
	enc, name, _ := detect(body, contentType)
	switch name {
	case "utf-8":
		body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
		if utf8.Valid(body) {
			return body, name
		}
	case "utf-16le":
		body = bytes.TrimPrefix(body, []byte("\xFF\xFE"))
	case "utf-16be":
		body = bytes.TrimPrefix(body, []byte("\xFE\xFF"))
	case "windows-1252":
		if indexHigh(body) < 0 {
			return body, name
		}
	}
	text, err := enc.NewDecoder().Bytes(body)
	if err != nil { // decoders replace what is invalid, so this is not the web's doing
		return bytes.ToValidUTF8(body, []byte("\uFFFD")), name
	}
	return text, name
}

// Charset returns the name of the charset that [Text] would take body to be in, and why.
func Charset(body []byte, contentType string) (name string, why Evidence) {
	_, name, why = detect(body, contentType)
	return name, why
}

func detect(body []byte, contentType string) (encoding.Encoding, string, Evidence) {
	switch {
	case bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")):
		return named("utf-8", ByMark)
	case bytes.HasPrefix(body, []byte("\xFF\xFE")):
		return named("utf-16le", ByMark)
	case bytes.HasPrefix(body, []byte("\xFE\xFF")):
		return named("utf-16be", ByMark)
	}
	if enc, name := lookup(labelIn(contentType)); enc != nil {
		return enc, name, ByHeader
	}
	if label := prescan(body[:min(len(body), prescanLength)]); label != "" {
		return named(label, ByMeta)
	}
	if enc, name := guessWide(body); enc != nil {
		return enc, name, ByGuess
	}
	start := indexHigh(body)
	switch {
	case start < 0:
		if enc, name := guessEscaped(body); enc != nil {
			return enc, name, ByGuess
		}
		return named("windows-1252", ByDefault)
	case utf8.Valid(body[start:]):
		return named("utf-8", ByUTF8)
	}
	if enc, name := guess(body[start:]); enc != nil {
		return enc, name, ByGuess
	}
	return named("windows-1252", ByDefault)
}

// named returns the encoding of a name that is known to have one.
func named(name string, why Evidence) (encoding.Encoding, string, Evidence) {
	enc, name := lookup(name)
	return enc, name, why
}

// lookup returns the encoding that a page means by a label, and its name. It returns nil for labels that mean nothing,
// and for those that browsers refuse to decode, so that the body is looked at instead.
func lookup(label string) (encoding.Encoding, string) {
	enc, name := charset.Lookup(label)
	switch {
	case enc == nil || enc == encoding.Replacement:
		return nil, ""
	case name == "utf-8":
		return unicode.UTF8, name
	case name == "gbk":
		return simplifiedchinese.GB18030, name // as the WHATWG decodes it
	case name == "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), name
	case name == "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), name
	}
	return enc, name
}

// guessWide recognises UTF-16 and UTF-32 without a mark, by their zeros.
func guessWide(body []byte) (encoding.Encoding, string) {
	head := body[:min(len(body), guessLength)&^3]
	var zeros [4]int
	for i, c := range head {
		if c == 0 {
			zeros[i&3]++
		}
	}
	// Of four columns, those that hold the upper bytes of text that is at least in part Latin are zero more often
	// than not, and the lower bytes never are.
	most := len(head) / 4 / 2
	if most == 0 {
		return nil, ""
	}
	switch z := [4]bool{zeros[0] > most, zeros[1] > most, zeros[2] > most, zeros[3] > most}; {
	case z == [4]bool{false, true, true, true} && zeros[0] == 0:
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), "utf-32le"
	case z == [4]bool{true, true, true, false} && zeros[3] == 0:
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), "utf-32be"
	case z == [4]bool{false, true, false, true} && zeros[0]+zeros[2] == 0:
		return lookup("utf-16le")
	case z == [4]bool{true, false, true, false} && zeros[1]+zeros[3] == 0:
		return lookup("utf-16be")
	}
	return nil, ""
}

// guessEscaped recognises the charsets that write other scripts in ASCII.
func guessEscaped(body []byte) (encoding.Encoding, string) {
	at := bytes.IndexByte(body, 0x1B)
	if at < 0 {
		at = bytes.Index(body, []byte("~{"))
	}
	if at < 0 {
		return nil, ""
	}
	switch ask(body[at:]) {
	case "ISO-2022-JP":
		return lookup("iso-2022-jp")
	case "HZ-GB-2312":
		return simplifiedchinese.HZGB2312, "hz-gb-2312"
	}
	return nil, ""
}

// guess asks the detector. The names it uses are not all labels of the web.
func guess(body []byte) (encoding.Encoding, string) {
	switch name := ask(body); name {
	case "", "Ascii":
		return nil, ""
	case "CP949":
		return lookup("euc-kr")
	case "CP932":
		return lookup("shift_jis")
	case "GB2312":
		return lookup("gb2312")
	case "MacRoman":
		return lookup("macintosh")
	case "MacCyrillic":
		return lookup("x-mac-cyrillic")
	case "IBM855":
		return charmap.CodePage855, "ibm855"
	default:
		return lookup(name)
	}
}

// ask returns what the detector says. Its tables are large and the bytes are the web's: should it panic, the
// guess is lost, and nothing else.
func ask(body []byte) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	return chardet.Detect(body[:min(len(body), guessLength)]).Encoding
}

// indexHigh returns where the first byte beyond ASCII is, or -1.
func indexHigh(body []byte) int {
	i := 0
	for ; i+8 <= len(body); i += 8 { // pages are ASCII for the most part
		if binary.LittleEndian.Uint64(body[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for ; i < len(body); i++ {
		if body[i] >= utf8.RuneSelf {
			return i
		}
	}
	return -1
}

// prescan returns the label of the encoding that the beginning of a document declares, "" if it declares none that is
// known: https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding.
func prescan(head []byte) string {
	if !containsFold(head, "charset") {
		return xmlLabel(head) // most pages that declare nothing end here, without a look at their tags
	}
	s := scanner{rest: head}
	for len(s.rest) > 0 {
		at := bytes.IndexByte(s.rest, '<')
		if at < 0 {
			break
		}
		s.rest = s.rest[at:]
		switch {
		case bytes.HasPrefix(s.rest, []byte("<!--")):
			end := bytes.Index(s.rest[2:], []byte("-->")) // which may share the dashes: <!-->
			if end < 0 {
				return xmlLabel(head)
			}
			s.rest = s.rest[2+end+3:]
		case len(s.rest) > 5 && bytes.EqualFold(s.rest[:5], []byte("<meta")) && isSpaceOrSlash(s.rest[5]):
			s.rest = s.rest[5:]
			label, ok := s.meta()
			if label != "" {
				return label
			}
			if !ok {
				return xmlLabel(head)
			}
		case s.atTag():
			if !s.skipTag() {
				return xmlLabel(head)
			}
		case len(s.rest) > 1 && (s.rest[1] == '!' || s.rest[1] == '/' || s.rest[1] == '?'):
			end := bytes.IndexByte(s.rest, '>')
			if end < 0 {
				return xmlLabel(head)
			}
			s.rest = s.rest[end+1:]
		default:
			s.rest = s.rest[1:]
		}
	}
	return xmlLabel(head)
}

// scanner reads tags the way the prescan does.
type scanner struct{ rest []byte }

func (s *scanner) atTag() bool {
	rest := s.rest[1:]
	if len(rest) > 0 && rest[0] == '/' {
		rest = rest[1:]
	}
	return len(rest) > 0 && isAlpha(rest[0])
}

// skipTag reports whether the tag ends.
func (s *scanner) skipTag() bool {
	end := bytes.IndexAny(s.rest, " \t\n\f\r>")
	if end < 0 {
		return false
	}
	s.rest = s.rest[end:]
	for {
		name, _, ok := s.attribute()
		if !ok {
			return false
		}
		if name == "" {
			return true
		}
	}
}

// meta reads the attributes of a <meta>. ok is false if the document ends in it.
func (s *scanner) meta() (label string, ok bool) {
	var seenEquiv, seenContent, seenCharset, pragma, needsPragma bool
	for {
		name, value, ok := s.attribute()
		if !ok {
			return "", false
		}
		switch {
		case name == "":
			if label == "" || needsPragma && !pragma {
				return "", true
			}
			return declared(label), true
		case name == "http-equiv" && !seenEquiv:
			seenEquiv = true
			pragma = strings.EqualFold(value, "content-type")
		case name == "content" && !seenContent:
			seenContent = true
			if found := labelIn(value); found != "" && label == "" {
				label, needsPragma = found, true
			}
		case name == "charset" && !seenCharset:
			seenCharset = true
			label, needsPragma = value, false
		}
	}
}

// attribute returns the next attribute of a tag, "" at its end. ok is false if the document ends first.
func (s *scanner) attribute() (name, value string, ok bool) {
	s.rest = bytes.TrimLeft(s.rest, " \t\n\f\r/")
	if len(s.rest) == 0 {
		return "", "", false
	}
	if s.rest[0] == '>' {
		return "", "", true // left for the caller's loop, to which it means nothing
	}
	end := 1 // a name may begin with "="
	for end < len(s.rest) && !isSpaceOrSlash(s.rest[end]) && s.rest[end] != '>' && s.rest[end] != '=' {
		end++
	}
	name = strings.ToLower(string(s.rest[:end]))
	s.rest = bytes.TrimLeft(s.rest[end:], " \t\n\f\r")
	if len(s.rest) == 0 {
		return "", "", false
	}
	if s.rest[0] != '=' {
		return name, "", true
	}
	s.rest = bytes.TrimLeft(s.rest[1:], " \t\n\f\r")
	if len(s.rest) == 0 {
		return "", "", false
	}
	if quote := s.rest[0]; quote == '"' || quote == '\'' {
		end := bytes.IndexByte(s.rest[1:], quote)
		if end < 0 {
			return "", "", false
		}
		value, s.rest = string(s.rest[1:1+end]), s.rest[end+2:]
		return name, value, true
	}
	end = bytes.IndexAny(s.rest, " \t\n\f\r>")
	if end < 0 {
		return "", "", false
	}
	value, s.rest = string(s.rest[:end]), s.rest[end:]
	return name, value, true
}

// declared returns what a label within a document means: it cannot be in UTF-16, or it could not have been read.
func declared(label string) string {
	enc, name := lookup(label)
	switch {
	case enc == nil:
		return ""
	case name == "utf-16le", name == "utf-16be":
		return "utf-8"
	case name == "x-user-defined":
		return "windows-1252"
	}
	return name
}

// xmlLabel returns what an XML declaration at the very beginning says.
func xmlLabel(head []byte) string {
	if !bytes.HasPrefix(head, []byte("<?xml")) {
		return ""
	}
	declaration, _, ok := bytes.Cut(head, []byte(">"))
	if !ok {
		return ""
	}
	_, rest, ok := bytes.Cut(declaration, []byte("encoding"))
	if !ok {
		return ""
	}
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\n\r"), []byte("="))
	rest = bytes.TrimLeft(rest, " \t\n\r")
	if !ok || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	label, _, ok := bytes.Cut(rest[1:], rest[:1])
	if !ok {
		return ""
	}
	return declared(string(label))
}

// labelIn returns the charset that the value of a Content-Type names, "" if there is none:
// https://html.spec.whatwg.org/#algorithm-for-extracting-a-character-encoding-from-a-meta-element.
func labelIn(contentType string) string {
	const space = " \t\n\f\r"
	for rest := contentType; ; {
		at := indexFold(rest, "charset")
		if at < 0 {
			return ""
		}
		rest = strings.TrimLeft(rest[at+len("charset"):], space)
		value, ok := strings.CutPrefix(rest, "=")
		if !ok {
			continue
		}
		value = strings.TrimLeft(value, space)
		if value == "" {
			return ""
		}
		if quote := value[:1]; quote == `"` || quote == "'" {
			label, _, ok := strings.Cut(value[1:], quote)
			if !ok {
				return ""
			}
			return label
		}
		if end := strings.IndexAny(value, space+";"); end >= 0 {
			value = value[:end]
		}
		return value
	}
}

// indexFold is strings.Index for a lower-case ASCII word in whatever case.
func indexFold(s, word string) int {
	for i := 0; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return i
		}
	}
	return -1
}

// containsFold is bytes.Contains for a lower-case ASCII word in whatever case.
func containsFold(b []byte, word string) bool {
	for i := 0; i+len(word) <= len(b); i++ {
		if b[i]|0x20 == word[0] && b[i+1]|0x20 == word[1] && bytes.EqualFold(b[i:i+len(word)], []byte(word)) {
			return true
		}
	}
	return false
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isSpaceOrSlash(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == '/'
}
