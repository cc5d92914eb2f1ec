package redisfrontier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
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
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return refused
	}
	return ambiguous
}

// unavailable wraps what a person should read about err.
func unavailable(err error) error {
	if text := err.Error(); strings.HasPrefix(text, "OOM ") {
		return fmt.Errorf("%w: redis is out of memory (maxmemory is reached)", scheduler.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", scheduler.ErrUnavailable, err)
}

// outage says once that Redis is away, and once that it is back.
type outage struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time // zero: no outage; guarded by mu
}

func (o *outage) begin(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
		o.log.Warn("redis is unavailable, waiting for it", "error", err)
	}
}

// end reports whether there was an outage.
func (o *outage) end() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return false
	}
	o.log.Info("redis is back", "after", time.Since(o.since).Round(time.Millisecond))
	o.since = time.Time{}
	return true
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
		pipe := f.client.Pipeline()
		cmds := make(map[*call]*redis.Cmd, len(calls))
		for _, c := range calls {
			if !c.done {
				cmds[c] = pipe.EvalSha(ctx, c.script.sha, c.keys, c.args...)
			}
		}
		if len(cmds) == 0 {
			return
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		unknown := false
		for c, cmd := range cmds {
			c.reply, c.err = cmd.Val(), cmd.Err()
			switch fateOf(c.err) {
			case fine:
				c.done, c.err = true, nil
			case ambiguous:
				c.again = true
			case noScript:
				unknown = true
			}
		}
		if !unknown {
			return
		}
		if err := loadScripts(ctx, f.client, calls); err != nil {
			for _, c := range calls {
				if fateOf(c.err) == noScript {
					c.err = err
				}
			}
			return
		}
	}
}

// repeat sends the calls until all are done, ctx ends or patience does. They must be safe to repeat.
func (f *Frontier) repeat(ctx context.Context, calls []*call) error {
	var begin time.Time
	for n := 0; ; n++ {
		if err := f.usable(ctx); err != nil {
			return err
		}
		f.once(ctx, calls)
		var trouble error
		for _, c := range calls {
			switch fateOf(c.err) {
			case noCrawl:
				return scheduler.ErrNoCrawl
			case broken:
				return fmt.Errorf("%s of crawl %s: %w", c.script.name, f.crawl, c.err)
			case refused, ambiguous, noScript:
				trouble = c.err
			}
		}
		if trouble == nil {
			f.back()
			return nil
		}
		if err := f.usable(ctx); err != nil {
			return err
		}
		f.outage.begin(trouble)
		if n == 0 {
			begin = time.Now()
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

// command runs other commands than scripts, which must be safe to repeat, as repeat does.
func (f *Frontier) command(ctx context.Context, do func() error) error {
	var begin time.Time
	for n := 0; ; n++ {
		if err := f.usable(ctx); err != nil {
			return err
		}
		err := do()
		switch fateOf(err) {
		case fine:
			f.back()
			return nil
		case noCrawl:
			return scheduler.ErrNoCrawl
		case broken:
			return fmt.Errorf("crawl %s: %w", f.crawl, err)
		}
		if err := f.usable(ctx); err != nil {
			return err
		}
		f.outage.begin(err)
		if n == 0 {
			begin = time.Now()
		}
		d := pause(n)
		if time.Since(begin)+d > f.patience {
			return unavailable(err)
		}
		if err := f.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// back notes that Redis answered. After an outage nobody knows what a failover lost, so nothing is taken as known.
func (f *Frontier) back() {
	if f.outage.end() {
		f.known.reset()
		f.wake.all()
	}
}

// usable returns why no call can be made.
func (f *Frontier) usable(ctx context.Context) error {
	select {
	case <-f.closed:
		return scheduler.ErrClosed
	default:
		return ctx.Err()
	}
}
