package redisfrontier

import (
	"context"
	"crypto/sha1" //nolint:gosec // what Redis names scripts by
	"embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/dedup/near/redisnear"
	"github.com/lycosa-crawl/lycosa/dedup/redisdedup"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// A script is one file of lua/, composed with what it includes.
type script struct {
	name, source, sha string
	takesMemory       bool // it is refused when Redis is out of memory
}

// The scripts. Each has one Go function that calls it.
var (
	claimScript      = partitionScript("claim")
	finishScript     = partitionScript("finish")
	extendScript     = partitionScript("extend")
	holdScript       = partitionScript("hold")
	setPaceScript    = partitionScript("setpace")
	crawlPaceScript  = partitionScript("crawlpace")
	pauseScript      = partitionScript("pause")
	statsScript      = partitionScript("stats")
	parkedScript     = partitionScript("parked")
	unparkScript     = partitionScript("unpark")
	deadScript       = partitionScript("dead")
	lettersScript    = partitionScript("letters")
	hostListScript   = partitionScript("hostlist")
	relevelScript    = partitionScript("relevel")
	purgeHostScript  = partitionScript("purgehost")
	givenScript      = partitionScript("given")
	planScript       = partitionScript("plan")
	replanScript     = partitionScript("replan")
	calendarScript   = partitionScript("calendarpage")
	linkScript       = partitionScript("link")
	hostSumsScript   = partitionScript("hostsums")
	memoLoadScript   = partitionScript("memoload")
	memoSaveScript   = partitionScript("memosave")
	heartbeatScript  = partitionScript("heartbeat")
	leaveScript      = partitionScript("leave")
	workersScript    = partitionScript("workers")
	compareScript    = partitionScript("compare")
	duplicatesScript = partitionScript("duplicates")
	initScript       = partitionScript("init")
	sweepScript      = partitionScript("sweep")

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

type seenScript struct{ push, know, check, info, inspect, confirm *script }

func newSeenScript(kind redisdedup.Kind) *seenScript {
	return &seenScript{
		push: seenPartitionScript("push", kind), know: seenPartitionScript("know", kind), check: seenPartitionScript("check", kind), info: seenPartitionScript("filterinfo", kind),
		inspect: seenPartitionScript("inspect", kind), confirm: seenPartitionScript("confirm", kind),
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
		case "near":
			return redisnear.Snippet()
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
	flags, _, _ := strings.Cut(source, "\n")
	return &script{name: name, source: source, sha: hex.EncodeToString(sum[:]), takesMemory: !strings.Contains(flags, "allow-oom")}
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

	spare bool // it is not worth waiting for memory

	reply any
	err   error     // why it is not known whether the script ran, or that it did not
	done  bool      // the reply is there
	again bool      // it was sent before, and may have run then
	sent  time.Time // the last time
	noted bool      // the outages know that it was done
	added int64     // what an earlier try of a push answered that was not confirmed
}

// loadScripts makes the scripts of the calls known to the servers that are to run them.
func loadScripts(ctx context.Context, client redis.UniversalClient, calls []*call) error {
	type place struct {
		at     redis.Cmdable
		script *script
	}
	loaded := map[place]bool{}
	for _, c := range calls {
		to := place{client, c.script}
		if cluster, ok := client.(*redis.ClusterClient); ok {
			master, err := cluster.MasterForKey(ctx, c.keys[0])
			if err != nil {
				return err
			}
			to.at = master
		}
		if loaded[to] {
			continue
		}
		loaded[to] = true
		sha, err := to.at.ScriptLoad(ctx, c.script.source).Result()
		if err != nil {
			return err
		}
		if sha != c.script.sha {
			return fmt.Errorf("script %s got the name %s, want %s", c.script.name, sha, c.script.sha)
		}
	}
	return nil
}
