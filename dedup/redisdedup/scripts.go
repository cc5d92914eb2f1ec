package redisdedup

import (
	"embed"
	"regexp"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

var includeLine = regexp.MustCompile(`(?m)^--@ (\w+)\n`)

// Snippet returns the Lua text of a file of lua/ with what it includes: "seen_intset", "seen_bloom", "sweep" and so on. A frontier's
// push script has it in its own body, so that seeing a task and queueing it are one step. The line "--@ seen" stands for the
// snippet of the kind.
func Snippet(name string, kind Kind) string {
	if name == "seen" {
		name += "_" + string(kind)
	}
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return includeLine.ReplaceAllStringFunc(string(text), func(line string) string {
		return Snippet(includeLine.FindStringSubmatch(line)[1], kind)
	})
}

// scripts are those of one kind.
type scripts struct{ create, add, has, info, check, confirm, purge *redis.Script }

func scriptsOf(kind Kind) scripts {
	of := func(name string) *redis.Script { return redis.NewScript(Snippet(name, kind)) }
	return scripts{
		create: of("create"), add: of("add"), has: of("has"), info: of("info"), check: of("check"), confirm: of("confirm"), purge: of("purge"),
	}
}
