package declare

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxSize    = 1 << 20
	maxTokens  = 50_000  // the parser takes time that grows with the square of the keys of a mapping
	maxNesting = 64      // and stack with each level
	maxValues  = 100_000 // values read, aliases counted as often as they are used
)

// value is a value in the file, anchors and aliases resolved.
type value struct {
	node ast.Node
	path string
}

// entry is one of a mapping's.
type entry struct {
	key   value
	name  string
	value value
}

// reader takes a document apart. It keeps the first thing that is wrong, and gives zero values from then on.
type reader struct {
	file    string
	src     string
	anchors map[string]ast.Node
	values  int
	err     *Error
}

// parse reads the one document of a file.
func (r *reader) parse() (root value) {
	switch at := strings.IndexByte(r.src, 0); {
	case len(r.src) > maxSize:
		r.src = ""
		r.failAt(1, 1, "", "the file has more than %d bytes", maxSize)
		return root
	case !utf8.ValidString(r.src):
		r.failAt(r.invalidUTF8())
		return root
	case at >= 0:
		r.failAt(strings.Count(r.src[:at], "\n")+1, utf8.RuneCountInString(r.src[strings.LastIndexByte(r.src[:at], '\n')+1:at])+1, "", "a NUL byte")
		return root
	}
	file, err := parse(r.src)
	if err != nil {
		r.syntax(err)
		return root
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		r.failAt(1, 1, "", "the file is empty")
		return root
	case len(bodies) > 1:
		line, column := start(bodies[1])
		r.failAt(line, column, "", "a second document: a file holds one spider")
		return root
	}
	r.anchors = map[string]ast.Node{}
	ast.Walk(r, bodies[0])
	return r.value(bodies[0], "")
}

func (r *reader) invalidUTF8() (line, column int, path, message string) {
	line, column = 1, 1
	for i, c := range r.src {
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(r.src[i:]); size == 1 {
				break
			}
		}
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column, "", "not UTF-8"
}

// syntaxError is one of our own, about a token.
type syntaxError struct {
	token   *token.Token
	message string
}

func (e *syntaxError) Error() string { return e.message }

// parse has the library parse the source, within bounds that it lacks itself.
func parse(src string) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("cannot be parsed: %v", p)
		}
	}()
	tokens := lexer.Tokenize(src)
	if len(tokens) > maxTokens {
		return nil, &syntaxError{tokens[maxTokens], "the file is too large: long lists of URLs are given to lycosa seed"}
	}
	if deep := tooDeep(tokens); deep != nil {
		return nil, &syntaxError{deep, fmt.Sprintf("more than %d levels", maxNesting)}
	}
	return parser.Parse(tokens, 0)
}

// tooDeep returns a token that is nested too deeply, or nil. Levels of blocks are counted by what may open one: entries
// of lists on one line, and indentation.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, inLine, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			inLine, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inLine++
		}
		if flow > maxNesting || flow == 0 && (inLine > maxNesting || t.Position.IndentNum > 8*maxNesting) {
			return t
		}
	}
	return nil
}

// Visit implements ast.Visitor: it collects the anchors.
func (r *reader) Visit(node ast.Node) ast.Visitor {
	if anchor, ok := node.(*ast.AnchorNode); ok {
		name := anchor.Name.GetToken().Value
		if _, twice := r.anchors[name]; twice {
			line, column := start(anchor)
			r.failAt(line, column, "", "anchor &%s is defined twice", name)
		}
		r.anchors[name] = anchor.Value
	}
	return r
}

// syntax fails with what the parser says.
func (r *reader) syntax(err error) {
	var theirs yaml.Error
	var ours *syntaxError
	line, column, message := 1, 1, err.Error()
	switch {
	case errors.As(err, &theirs):
		message = theirs.GetMessage()
		line, column = position(theirs.GetToken())
	case errors.As(err, &ours):
		line, column = position(ours.token)
	}
	if line <= strings.Count(r.src, "\n")+1 && strings.HasPrefix(strings.TrimLeft(strings.Split(r.src, "\n")[line-1], " "), "\t") {
		message = "a tab: lines are indented with blanks"
	}
	r.failAt(line, column, "", "%s", strings.Join(strings.Fields(message), " "))
}

func position(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return max(t.Position.Line, 1), max(t.Position.Column, 1)
}

// start returns where a node begins.
func start(node ast.Node) (line, column int) {
	switch n := node.(type) {
	case nil:
		return 1, 1
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0])
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	}
	return position(node.GetToken())
}

// failAt keeps what is wrong at a place, if nothing was before.
func (r *reader) failAt(line, column int, path, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{r.file, line, column, path, oneLine(fmt.Sprintf(format, args...)), excerpt(r.src, line, column)}
	}
}

func (r *reader) fail(v value, format string, args ...any) {
	line, column := start(v.node)
	r.failAt(line, column, v.path, format, args...)
}

// value resolves a node.
func (r *reader) value(node ast.Node, path string) value {
	for range maxNesting {
		if r.values++; r.values > maxValues {
			r.fail(value{node, path}, "the file has more than %d values, aliases resolved", maxValues)
			return value{path: path}
		}
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			target, ok := r.anchors[name]
			if !ok {
				r.fail(value{n, path}, "alias *%s has no anchor: text that begins with * is put in quotes", name)
				return value{path: path}
			}
			node = target
		case *ast.TagNode:
			r.fail(value{n, path}, "tags (%.40s) have no meaning here: text that begins with ! is put in quotes", n.GetToken().Value)
			return value{path: path}
		default:
			return value{node, path}
		}
	}
	r.fail(value{node, path}, "an alias that stands for itself")
	return value{path: path}
}

// describe says what a value is, for errors.
func describe(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	}
	return "something else"
}

// entries returns what is in a mapping, in order. It is never empty.
func (r *reader) entries(v value) []entry {
	var pairs []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.fail(v, "want a mapping (name: value), not %s", describe(v.node))
		return nil
	}
	if len(pairs) == 0 {
		r.fail(v, "is empty")
		return nil
	}
	var all []entry
	seen := map[string]bool{}
	for _, pair := range pairs {
		if r.err != nil {
			return nil
		}
		key := value{pair.Key, v.path}
		switch pair.Key.(type) {
		case *ast.MergeKeyNode:
			r.fail(key, "merge keys (<<) are not read: write the entries out")
			return nil
		case *ast.StringNode, *ast.LiteralNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NullNode:
		default:
			r.fail(key, "a name is plain text")
			return nil
		}
		name := text(pair.Key)
		if seen[name] {
			r.fail(key, "%.80q stands there twice", name)
			return nil
		}
		seen[name] = true
		all = append(all, entry{key, name, r.value(pair.Value, join(v.path, name))})
	}
	return all
}

var plainName = regexp.MustCompile(`^[\p{L}\p{Nd}_-]{1,64}$`)

func join(path, name string) string {
	if !plainName.MatchString(name) {
		name = fmt.Sprintf("%.40q", name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// object is a mapping whose names are known.
type object struct {
	r       *reader
	whole   value
	entries map[string]entry
}

// object reads a mapping that may have the names given and no others.
func (r *reader) object(v value, names ...string) object {
	o := object{r, v, map[string]entry{}}
	for _, e := range r.entries(v) {
		if !slices.Contains(names, e.name) {
			r.fail(e.key, "unknown key %.80q: want %s", e.name, or(names))
			return o
		}
		o.entries[e.name] = e
	}
	return o
}

// or lists words: "a, b or c".
func or(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// get returns the value under a name, and false if there is none.
func (o object) get(name string) (value, bool) {
	e, ok := o.entries[name]
	return e.value, ok && o.r.err == nil
}

// need is get for what must be there.
func (o object) need(name string) (value, bool) {
	v, ok := o.get(name)
	if !ok {
		o.r.fail(o.whole, "%s is missing", name)
	}
	return v, ok
}

func (o object) text(name string) string {
	if v, ok := o.get(name); ok {
		return o.r.text(v)
	}
	return ""
}

func (o object) bool(name string) bool {
	v, ok := o.get(name)
	return ok && o.r.bool(v)
}

func (o object) texts(name string) []string {
	var texts []string
	if v, ok := o.get(name); ok {
		for _, e := range o.r.list(v) {
			texts = append(texts, o.r.text(e))
		}
	}
	return texts
}

// list returns what is in a list. It is never empty.
func (r *reader) list(v value) []value {
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		r.fail(v, "want a list, not %s", describe(v.node))
		return nil
	}
	if len(n.Values) == 0 {
		r.fail(v, "is empty")
		return nil
	}
	all := make([]value, 0, len(n.Values))
	for i, node := range n.Values {
		if r.err != nil {
			return nil
		}
		all = append(all, r.value(node, fmt.Sprintf("%s[%d]", v.path, i)))
	}
	return all
}

// text reads text that is not empty.
func (r *reader) text(v value) string {
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		s := text(v.node)
		if strings.TrimSpace(s) == "" {
			r.fail(v, "is empty")
		}
		return s
	case nil, *ast.NullNode:
		line, _ := start(v.node)
		if lines := strings.Split(r.src, "\n"); line <= len(lines) && strings.Contains(lines[line-1], " #") {
			r.fail(v, "is empty: what follows # is a comment, unless it is put in quotes")
			return ""
		}
		r.fail(v, "is empty")
		return ""
	}
	r.fail(v, "want text, not %s: put it in quotes if it is meant as text", describe(v.node))
	return ""
}

// scalar reads text, a number, true or false, as it is written.
func (r *reader) scalar(v value) string {
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return text(v.node)
	}
	r.fail(v, "want text, not %s", describe(v.node))
	return ""
}

// text returns what a scalar says.
func text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return node.GetToken().Value
}

func (r *reader) bool(v value) bool {
	n, ok := v.node.(*ast.BoolNode)
	if !ok {
		r.fail(v, "want true or false, not %s", quoteOr(v.node))
		return false
	}
	return n.Value
}

// quoteOr quotes text, and describes anything else.
func quoteOr(node ast.Node) string {
	switch node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return fmt.Sprintf("%.80q", text(node))
	}
	return describe(node)
}

// whole reads a whole number of at least least.
func (r *reader) whole(v value, least int64) int64 {
	if n, ok := v.node.(*ast.IntegerNode); ok {
		number := int64(math.MaxInt64)
		switch x := n.GetValue().(type) {
		case int64:
			number = x
		case uint64:
			number = int64(min(x, math.MaxInt64))
		}
		if number < least {
			r.fail(v, "%d is less than %d", number, least)
		}
		return number
	}
	r.fail(v, "want a whole number, not %s", quoteOr(v.node))
	return 0
}
