package redisfrontier_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/internal/servers"
	"github.com/lycosa-crawl/lycosa/scheduler/redisfrontier"
)

// scriptHead is what the head of a script promises about its caller.
type scriptHead struct {
	name       string
	keys, args int
	more       bool // the last argument may be followed by any number
}

// scriptDeclarations finds how the scripts are declared in Go: variable, kind, file. seenDeclarations finds those that there
// are for each kind of filter: field, file.
var (
	scriptDeclarations = regexp.MustCompile(`(\w+Script)\s+= (partition|plain)Script\("(\w+)"\)`)
	seenDeclarations   = regexp.MustCompile(`(\w+): seenPartitionScript\("(\w+)", kind\)`)
)

// goSources returns the package's Go text without its tests.
func goSources() string {
	files, _ := filepath.Glob("*.go")
	var text strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			b, err := os.ReadFile(file)
			if err != nil {
				panic(err)
			}
			text.Write(b)
		}
	}
	return text.String()
}

// heads reads the heads of all scripts, by the name that Redis gives them.
var heads = sync.OnceValue(func() map[string]scriptHead {
	var partition, plain []string
	for _, m := range scriptDeclarations.FindAllStringSubmatch(goSources(), -1) {
		if m[2] == "partition" {
			partition = append(partition, m[3])
		} else {
			plain = append(plain, m[3])
		}
	}
	files := redisfrontier.ScriptFiles()
	all := map[string]scriptHead{}
	for name, sources := range redisfrontier.Composed(partition, plain) {
		text := headOf(files[name])
		if !slices.Contains(plain, name) {
			text += headOf(files["prelude"])
		}
		for _, source := range sources {
			sum := sha1.Sum([]byte(source))
			all[hex.EncodeToString(sum[:])] = scriptHead{
				name: name, keys: highest(text, "KEYS"), args: highest(text, "ARGV"), more: regexp.MustCompile(`ARGV\[\d+\.\.\]`).MatchString(text),
			}
		}
	}
	return all
})

// headOf returns the comment that a file begins with.
func headOf(source string) string {
	var head strings.Builder
	for line := range strings.Lines(source) {
		if !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "#!") {
			break
		}
		head.WriteString(line)
	}
	return head.String()
}

// subscript is an index, or a range of them, open at the end or not.
var subscript = regexp.MustCompile(`(KEYS|ARGV)\[(\d+)(?:(\.\.)(\d*))?\]`)

// highest returns the greatest index of the table that the text names.
func highest(text, table string) (n int) {
	for _, m := range subscript.FindAllStringSubmatch(text, -1) {
		if m[1] == table {
			first, _ := strconv.Atoi(m[2])
			last, _ := strconv.Atoi(m[4])
			n = max(n, first, last)
		}
	}
	return n
}

// names reports whether the text names an index of the table, by itself or within a range.
func names(text, table string, i int) bool {
	for _, m := range subscript.FindAllStringSubmatch(text, -1) {
		first, _ := strconv.Atoi(m[2])
		last, err := strconv.Atoi(m[4])
		switch {
		case m[3] == "":
			last = first
		case err != nil: // no end
			last = i
		}
		if m[1] == table && first <= i && i <= last {
			return true
		}
	}
	return false
}

// headChecker compares each call of a script, in whatever test, with the head of the script.
type headChecker struct{ t testing.TB }

func (h headChecker) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h headChecker) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h headChecker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if args := cmd.Args(); len(args) > 2 && args[0] == "evalsha" {
				h.check(args)
			}
		}
		return next(ctx, cmds)
	}
}

func (h headChecker) check(args []any) {
	sha, _ := args[1].(string)
	keys, _ := args[2].(int)
	head, ok := heads()[sha]
	n := len(args) - 3 - keys
	switch {
	case !ok:
		h.t.Errorf("a script that is no file is called: %s", sha)
	case keys != head.keys:
		h.t.Errorf("%s.lua is called with %d keys, its head names %d", head.name, keys, head.keys)
	case n != head.args && (!head.more || n < head.args-1):
		h.t.Errorf("%s.lua is called with %d arguments, its head names %d", head.name, n, head.args)
	}
}

func TestEveryScriptIsUsedAndItsHeadIsTrue(t *testing.T) {
	t.Parallel()
	source, files := goSources(), redisfrontier.ScriptFiles()
	used := map[string]bool{"prelude": true}
	prelude := headOf(files["prelude"])
	declared := scriptDeclarations.FindAllStringSubmatch(source, -1)
	for _, m := range seenDeclarations.FindAllStringSubmatch(source, -1) {
		declared = append(declared, []string{"", m[1], "partition", m[2]})
		used["seen"] = true // a file of redisdedup
	}
	for _, m := range declared {
		variable, kind, name := m[1], m[2], m[3]
		used[name] = true
		if len(regexp.MustCompile(`\b`+variable+`\b`).FindAllString(source, 2)) < 2 {
			t.Errorf("%s.lua is never called", name)
		}
		if !strings.HasPrefix(files[name], "#!lua") {
			t.Errorf("%s.lua does not begin with its flags", name)
		}
		if !strings.Contains(headOf(files[name]), "-- "+name+": ") || !strings.Contains(headOf(files[name]), "-- returns ") {
			t.Errorf("the head of %s.lua does not say what it does and returns", name)
		}
		for _, include := range regexp.MustCompile(`(?m)^--@ (\w+)$`).FindAllStringSubmatch(files[name], -1) {
			used[include[1]] = true
		}
		head, body := headOf(files[name]), strings.TrimPrefix(files[name], headOf(files[name]))
		if kind == "partition" {
			head += prelude
			body += strings.TrimPrefix(files["prelude"], prelude)
		}
		for _, table := range []string{"KEYS", "ARGV"} {
			for i := 1; i <= highest(head, table) || i <= highest(body, table); i++ {
				index := table + "[" + strconv.Itoa(i)
				inHead, inBody := names(head, table, i), strings.Contains(body, index+"]")
				if !inHead && inBody {
					t.Errorf("%s.lua uses %s], which its head does not name", name, index)
				}
				loops := strings.Contains(head, index+"..]") || strings.Contains(body, "#"+table)
				guard := table == "KEYS" && kind == "partition" // "!" is declared, not used
				if inHead && !inBody && !loops && !guard {
					t.Errorf("the head of %s.lua names %s], which is never used", name, index)
				}
			}
		}
	}
	for name := range files {
		if !used[name] {
			t.Errorf("%s.lua is not used", name)
		}
	}
}

func TestRedisAcceptsEveryScript(t *testing.T) {
	t.Parallel()
	client := dial(t, servers.Redis(t).URL)
	var partition, plain []string
	for _, m := range scriptDeclarations.FindAllStringSubmatch(goSources(), -1) {
		if m[2] == "partition" {
			partition = append(partition, m[3])
		} else {
			plain = append(plain, m[3])
		}
	}
	if len(partition) == 0 || len(plain) == 0 {
		t.Fatal("no scripts are declared")
	}
	for name, sources := range redisfrontier.Composed(partition, plain) {
		for _, source := range sources {
			if err := client.ScriptLoad(context.Background(), source).Err(); err != nil {
				t.Errorf("%s.lua: %v", name, err)
			}
		}
	}
}
