package redisfrontier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// fate is what an error says about the command it came from.
type fate int

const (
	fine      fate = iota
	noScript       // not executed: the server does not know the script
	refused        // not executed, and may be later
	ambiguous      // executed or not
	noCrawl        // not executed: there is no such crawl
	broken         // an error that no repetition mends
)

// refusals are how Redis begins an answer that means: not now, or not here.
var refusals = []string{
	"OOM ", "LOADING ", "TRYAGAIN ", "MOVED ", "ASK ", "CLUSTERDOWN ", "READONLY ", "MASTERDOWN ", "NOREPLICAS ", "MISCONF ",
	"BUSY ", "ERR max number of clients",
}

func fateOf(err error) fate {
	if err == nil || errors.Is(err, redis.Nil) {
		return fine
	}
	if answer, ok := errors.AsType[redis.Error](err); ok {
		text := answer.Error()
		switch {
		case strings.HasPrefix(text, "NOSCRIPT"):
			return noScript
		case strings.HasPrefix(text, "NOCRAWL"):
			return noCrawl
		}
		for _, r := range refusals {
			if strings.HasPrefix(text, r) {
				return refused
			}
		}
		return broken
	}
	if errors.Is(err, errReply) {
		return broken
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return refused
	}
	return ambiguous
}

// isFull reports whether Redis has refused a command for lack of memory.
func isFull(err error) bool {
	answer, ok := errors.AsType[redis.Error](err)
	return ok && strings.HasPrefix(answer.Error(), "OOM ")
}

// isRedirect reports whether Redis has said that a slot is, or will soon be, on another server.
func isRedirect(err error) bool {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false
	}
	kind, _, _ := strings.Cut(answer.Error(), " ")
	return kind == "MOVED" || kind == "ASK" || kind == "TRYAGAIN"
}

// unavailable wraps what a person should read about err.
func unavailable(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: redis is out of memory (maxmemory is reached)", scheduler.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", scheduler.ErrUnavailable, err)
}

// An outage says once that something is wrong with Redis, and once that it is over. It is over when each key that
// had trouble lies on a server that has answered since: on a cluster one server may be away while others answer.
type outage struct {
	log           *slog.Logger
	begun, passed string                 // what the log says
	together      func(a, b string) bool // reports whether two keys lie on one server now

	on atomic.Bool // false: no outage, whatever stands below

	mu       sync.Mutex           // guards all below
	troubled map[string]time.Time // key -> when its last trouble came to light
	since    time.Time
	ended    time.Time
	quiet    bool // it follows so soon on the last one that the log does not tell of it
}

// begin notes the trouble of a command on key that was sent at the time, and reports whether it begins an outage. What was
// sent before the last one ended belongs to that.
func (o *outage) begin(key string, sent time.Time, err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if sent.Before(o.ended) {
		return false
	}
	now := time.Now()
	if o.troubled == nil {
		o.troubled = make(map[string]time.Time)
	}
	o.troubled[key] = now
	if o.on.Load() {
		if o.quiet && now.Sub(o.since) >= settling {
			o.quiet = false
			o.log.Warn(o.begun, "error", err)
		}
		return false
	}
	o.on.Store(true)
	o.since = now
	if o.quiet = now.Sub(o.ended) < settling; !o.quiet {
		o.log.Warn(o.begun, "error", err)
	}
	return true
}

// end notes that a command on key, sent at the time, was answered, and reports whether that ends an outage.
func (o *outage) end(key string, sent time.Time) bool {
	if !o.on.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on.Load() {
		return false
	}
	for other, at := range o.troubled {
		if sent.After(at) && (other == key || o.together(other, key)) {
			delete(o.troubled, other)
		}
	}
	if len(o.troubled) > 0 {
		return false
	}
	o.on.Store(false)
	o.ended = time.Now()
	if !o.quiet {
		o.log.Info(o.passed, "after", o.ended.Sub(o.since).Round(time.Millisecond))
	}
	return true
}

// together reports whether two keys lie on one server, as far as the client knows.
func (f *Frontier) together(a, b string) bool {
	cluster, ok := f.client.(*redis.ClusterClient)
	if !ok {
		return true
	}
	ctx := context.Background() // asks nobody: the client knows its slots
	x, err1 := cluster.MasterForKey(ctx, a)
	y, err2 := cluster.MasterForKey(ctx, b)
	return err1 == nil && err2 == nil && x == y
}

// settling is how long after an outage trouble belongs to it still: the client's pool answers with its last error of
// dialling for up to a second after the server is back.
const settling = 1500 * time.Millisecond

// movedFor is how long a slot may be on its way to another server before that counts as an outage.
const movedFor = 2 * time.Second

// troubled notes what went wrong with a command on key, sent at the time, that has had trouble since.
func (f *Frontier) troubled(key string, sent, since time.Time, err error) {
	switch {
	case isFull(err):
		f.full.begin(key, sent, err)
		f.answered(key, sent, false)
		return
	case isRedirect(err) && time.Since(since) < movedFor:
	default:
		if f.away.begin(key, sent, err) {
			f.known.reset()
		}
	}
	if cluster, ok := f.client.(*redis.ClusterClient); ok {
		cluster.ReloadState(context.Background()) // in the background, and not too often
	}
}

// answered notes that Redis has done a command on key, sent at the time; took says that it would have been refused for lack of
// memory. After an outage nobody knows what a failover lost, so nothing is taken as known.
func (f *Frontier) answered(key string, sent time.Time, took bool) {
	if took {
		f.full.end(key, sent)
	}
	if f.away.end(key, sent) {
		f.known.reset()
		f.wake.all()
	}
}

// pause is how long to wait before the n-th repetition: 25 ms, doubling up to 2 s, less up to a half.
func pause(n int) time.Duration {
	d := min(25*time.Millisecond<<min(n, 10), 2*time.Second)
	return d - rand.N(d/2) //nolint:gosec // jitter
}

// sleep waits for d. It returns early, with an error, when ctx ends or the frontier is closed.
func (f *Frontier) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return scheduler.ErrClosed
	}
}

// once sends the calls that are not done in one round trip, and records what came of each. It repeats nothing, but for
// scripts that the server did not know.
func (f *Frontier) once(ctx context.Context, calls []*call) {
	for range 3 {
		if unknown := exchange(ctx, f.client.Pipeline(), calls); len(unknown) == 0 {
			return
		} else if !f.load(ctx, unknown) {
			return
		}
	}
}

// exchange sends the calls that are not done, and what else is in the pipeline behind them. It returns those whose script the
// server does not know.
func exchange(ctx context.Context, pipe redis.Pipeliner, calls []*call, behind ...redis.Cmder) (unknown []*call) {
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		if !c.done {
			cmds[i] = pipe.EvalSha(ctx, c.script.sha, c.keys, c.args...)
		}
	}
	for _, cmd := range behind {
		_ = pipe.Process(ctx, cmd)
	}
	if pipe.Len() == len(behind) {
		return nil
	}
	sent := time.Now()
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, c := range calls {
		if cmds[i] == nil {
			continue
		}
		c.sent, c.reply, c.err = sent, cmds[i].Val(), cmds[i].Err()
		switch fateOf(c.err) {
		case fine:
			c.done, c.err = true, nil
		case ambiguous:
			c.again = true
		case noScript:
			unknown = append(unknown, c)
		}
	}
	return unknown
}

// load makes the scripts of the calls known to the servers that did not know them, and reports whether it could.
func (f *Frontier) load(ctx context.Context, calls []*call) bool {
	if err := loadScripts(ctx, f.client, calls); err != nil {
		for _, c := range calls {
			c.err = err
		}
		return false
	}
	return true
}

// repeat sends the calls until all are done, ctx ends or patience does. They must be safe to repeat.
func (f *Frontier) repeat(ctx context.Context, calls []*call) error {
	return f.repeatBy(ctx, calls, f.once)
}

// repeatBy is repeat with another way to send calls.
func (f *Frontier) repeatBy(ctx context.Context, calls []*call, send func(context.Context, []*call)) error {
	begin := time.Now()
	for n := 0; ; n++ {
		if err := f.usable(ctx); err != nil {
			return err
		}
		send(ctx, calls)
		trouble, err := f.judge(calls, begin)
		if err != nil || trouble == nil {
			return err
		}
		if err := f.usable(ctx); err != nil {
			return err
		}
		d := pause(n)
		if time.Since(begin)+d > f.patience {
			return unavailable(trouble)
		}
		if err := f.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// judge notes what came of the calls, the first of which were sent at begin, and returns one's trouble that may pass, or
// the error of one that no repetition mends.
func (f *Frontier) judge(calls []*call, begin time.Time) (trouble, err error) {
	for _, c := range calls {
		switch fateOf(c.err) {
		case fine:
			if !c.noted {
				c.noted = true
				f.answered(c.keys[0], c.sent, c.script.takesMemory)
			}
		case noCrawl:
			err = scheduler.ErrNoCrawl
		case broken:
			err = cmp.Or(err, fmt.Errorf("%s of crawl %s: %w", c.script.name, f.crawl, c.err))
		case refused, ambiguous, noScript:
			trouble = c.err
			if c.spare && isFull(c.err) {
				return nil, unavailable(c.err)
			}
			f.troubled(c.keys[0], c.sent, begin, c.err)
		}
	}
	return trouble, err
}

// command runs other commands than scripts, which must be safe to repeat, as repeat does. keys are those it is about; an
// error may be an [keyError].
func (f *Frontier) command(ctx context.Context, do func() error, keys ...string) error {
	begin := time.Now()
	for n := 0; ; n++ {
		if err := f.usable(ctx); err != nil {
			return err
		}
		sent := time.Now()
		err := do()
		switch fateOf(err) {
		case fine:
			for _, key := range keys {
				f.answered(key, sent, false)
			}
			return nil
		case noCrawl:
			return scheduler.ErrNoCrawl
		case broken:
			return fmt.Errorf("crawl %s: %w", f.crawl, err)
		}
		if err := f.usable(ctx); err != nil {
			return err
		}
		key := keys[0]
		if at, ok := errors.AsType[*keyError](err); ok {
			key = at.key
		}
		f.troubled(key, sent, begin, err)
		d := pause(n)
		if time.Since(begin)+d > f.patience {
			return unavailable(err)
		}
		if err := f.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// keyError says which of several keys an error is about.
type keyError struct {
	key string
	error
}

func (e *keyError) Unwrap() error { return e.error }

// usable returns why no call can be made.
func (f *Frontier) usable(ctx context.Context) error {
	select {
	case <-f.closed:
		return scheduler.ErrClosed
	default:
		return ctx.Err()
	}
}
