package redisfrontier

import (
	"context"
	"crypto/sha1" //nolint:gosec // what Redis names scripts by
	"embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// A script is one file of lua/, composed with what it includes.
type script struct {
	name, source, sha string
}

// The scripts. Each has one Go function that calls it.
var (
	claimScript     = partitionScript("claim")
	finishScript    = partitionScript("finish")
	extendScript    = partitionScript("extend")
	holdScript      = partitionScript("hold")
	setPaceScript   = partitionScript("setpace")
	crawlPaceScript = partitionScript("crawlpace")
	pauseScript     = partitionScript("pause")
	statsScript     = partitionScript("stats")
	parkedScript    = partitionScript("parked")
	unparkScript    = partitionScript("unpark")
	deadScript      = partitionScript("dead")
	memoLoadScript  = partitionScript("memoload")
	memoSaveScript  = partitionScript("memosave")
	heartbeatScript = partitionScript("heartbeat")
	leaveScript     = partitionScript("leave")
	workersScript   = partitionScript("workers")
	initScript      = partitionScript("init")
	sweepScript     = partitionScript("sweep")

	createScript = plainScript("create")
	amendScript  = plainScript("amend")
	purgeScript  = plainScript("purge")
	lockScript   = plainScript("lock")
	takenScript  = plainScript("taken")
	rejectScript = plainScript("reject")

	// Those that differ by the kind of filter.
	seenScripts = map[redisdedup.Kind]*seenScript{
		redisdedup.IntSet:  newSeenScript(redisdedup.IntSet),
		redisdedup.Set:     newSeenScript(redisdedup.Set),
		redisdedup.Bloom:   newSeenScript(redisdedup.Bloom),
		redisdedup.TwoTier: newSeenScript(redisdedup.TwoTier),
	}
)

type seenScript struct{ push, check, info, confirm *script }

func newSeenScript(kind redisdedup.Kind) *seenScript {
	return &seenScript{
		push: seenPartitionScript("push", kind), check: seenPartitionScript("check", kind), info: seenPartitionScript("filterinfo", kind),
		confirm: seenPartitionScript("confirm", kind),
	}
}

var includeLine = regexp.MustCompile(`(?m)^--@ (\w+)\n`)

// partitionScript composes a script on a partition: its first line (the flags), the prelude, its text with the
// files it includes.
func partitionScript(name string) *script { return seenPartitionScript(name, "") }

// seenPartitionScript composes a script that may include what redisdedup has for a kind of filter.
func seenPartitionScript(name string, kind redisdedup.Kind) *script {
	flags, body, _ := strings.Cut(luaFile(name), "\n")
	body = includeLine.ReplaceAllStringFunc(body, func(line string) string {
		switch file := includeLine.FindStringSubmatch(line)[1]; file {
		case "seen":
			return redisdedup.Snippet("seen", kind)
		case "sweepseen":
			return redisdedup.Snippet("sweep", kind)
		default:
			return luaFile(file)
		}
	})
	return newScript(name, flags+"\n"+luaFile("prelude")+body)
}

// plainScript is a script on other keys.
func plainScript(name string) *script { return newScript(name, luaFile(name)) }

func newScript(name, source string) *script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // as above
	return &script{name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

func luaFile(name string) string {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(text)
}

// A call is one script to be run once, and what came of it.
type call struct {
	script *script
	part   int // of a partition script
	keys   []string
	args   []any

	reply any
	err   error // why it is not known whether the script ran, or that it did not
	done  bool  // the reply is there
	again bool  // it was sent before, and may have run then
}

// loadScripts makes the scripts of the calls known to every server that may run them.
func loadScripts(ctx context.Context, client redis.UniversalClient, calls []*call) error {
	load := func(ctx context.Context, c redis.Cmdable) error {
		loaded := map[*script]bool{}
		for _, call := range calls {
			if loaded[call.script] || call.done {
				continue
			}
			loaded[call.script] = true
			sha, err := c.ScriptLoad(ctx, call.script.source).Result()
			if err != nil {
				return err
			}
			if sha != call.script.sha {
				return fmt.Errorf("script %s got the name %s, want %s", call.script.name, sha, call.script.sha)
			}
		}
		return nil
	}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return load(ctx, c) })
	}
	return load(ctx, client)
}
