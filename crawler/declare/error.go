package declare

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error says what is wrong with a spider, and where.
type Error struct {
	File         string
	Line, Column int    // from 1; columns are counted in characters
	Path         string // "routes.detail.items[0].fields.price"; empty where the file as a whole or its syntax is wrong
	Message      string

	excerpt string
}

// Error returns the [Error.Summary] and, from the second line on, the place in the file with a pointer to it.
func (e *Error) Error() string {
	if e.excerpt == "" {
		return e.Summary()
	}
	return e.Summary() + "\n" + e.excerpt
}

// Summary returns the error in one line: "books.yaml:12:7: routes.detail: unknown key ...".
func (e *Error) Summary() string {
	place := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		place += e.Path + ": "
	}
	return place + e.Message
}

const (
	linesBefore = 2   // lines shown before the one that is wrong
	excerptWide = 100 // characters shown of a line
)

// excerpt shows a place of the source: the line, some before it, and a caret under the column.
func excerpt(src string, line, column int) string {
	lines := strings.Split(src, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	from := 0 // of a long line, what is around the column
	if column > excerptWide {
		from = column - 1 - excerptWide/2
	}
	var b strings.Builder
	for n := max(line-linesBefore, 1); n <= line; n++ {
		mark := ' '
		if n == line {
			mark = '>'
		}
		fmt.Fprintf(&b, "%c %3d | %s\n", mark, n, clip(lines[n-1], from))
	}
	b.WriteString(strings.Repeat(" ", len("> 123 | ")+column-1-from) + "^")
	return b.String()
}

// maxMessage bounds messages that repeat what stands in the file.
const maxMessage = 400

// oneLine makes a message one line of bounded length.
func oneLine(message string) string {
	message = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, message)
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}

// clip returns up to excerptWide characters of a line, each of them one column wide and harmless to a terminal.
func clip(line string, from int) string {
	var b strings.Builder
	column := 0
	for _, r := range strings.TrimRight(line, "\r") {
		switch column++; {
		case column <= from:
			continue
		case column > from+excerptWide:
			return b.String() + "…"
		case r == '\t':
			r = ' '
		case !unicode.IsPrint(r):
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}
