package redisfrontier

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// confirmed is repeat, but that a call is done only when so many replicas as Config.Confirm have what it did.
func (f *Frontier) confirmed(ctx context.Context, calls []*call) error {
	if f.confirm == 0 {
		return f.repeat(ctx, calls)
	}
	until := time.Now().Add(f.patience)
	return f.repeatBy(ctx, calls, func(ctx context.Context, calls []*call) { f.onceConfirmed(ctx, calls, until) })
}

// onceConfirmed sends the calls that are not done to their servers, and has each server's replicas confirm them.
func (f *Frontier) onceConfirmed(ctx context.Context, calls []*call, until time.Time) {
	var servers sync.WaitGroup
	for server, some := range f.byServer(ctx, calls) {
		servers.Go(func() { f.confirmAt(ctx, server, some, until) })
	}
	servers.Wait()
}

// byServer sorts the calls that are not done by the server they go to.
func (f *Frontier) byServer(ctx context.Context, calls []*call) map[*redis.Client][]*call {
	sorted := map[*redis.Client][]*call{}
	for _, c := range calls {
		if c.done {
			continue
		}
		server, err := f.serverOf(ctx, c.keys[0])
		if err != nil {
			c.sent, c.err = time.Now(), err
			continue
		}
		sorted[server] = append(sorted[server], c)
	}
	return sorted
}

func (f *Frontier) serverOf(ctx context.Context, key string) (*redis.Client, error) {
	switch client := f.client.(type) {
	case *redis.ClusterClient:
		return client.MasterForKey(ctx, key)
	case *redis.Client:
		return client, nil
	default: // checkClient has refused it
		return nil, fmt.Errorf("client %T", client)
	}
}

// confirmAt runs the calls on one server and waits until enough replicas have caught up. WAIT counts what was written before
// it on its own connection's server, whoever wrote it: so the duplicates of a push that is repeated are covered as
// well. As long as the connection holds, the server is the one that ran the scripts, and asking again is enough; when it
// breaks, another server may have taken over without them, and they must run again.
func (f *Frontier) confirmAt(ctx context.Context, server *redis.Client, calls []*call, until time.Time) {
	conn := server.Conn()
	defer conn.Close()
	wait := redis.NewIntCmd(ctx, "wait", f.confirm, f.confirmTimeout.Milliseconds())
	for range 3 {
		unknown := exchange(ctx, conn.Pipeline(), calls, wait)
		if len(unknown) == 0 {
			break
		}
		if !f.load(ctx, unknown) {
			break
		}
	}
	ran := make([]*call, 0, len(calls))
	for _, c := range calls {
		if c.done {
			ran = append(ran, c)
		}
	}
	if len(ran) == 0 {
		return
	}
	n, err := wait.Result()
	sent := ran[0].sent
	for err == nil && n < int64(f.confirm) && time.Now().Before(until) && f.usable(ctx) == nil {
		f.troubled(ran[0].keys[0], sent, sent, &unconfirmedError{n, f.confirm})
		sent = time.Now()
		n, err = conn.Wait(ctx, f.confirm, f.confirmTimeout).Result()
	}
	switch {
	case err != nil:
		err = fmt.Errorf("confirm: %w", lostAnswerError{err})
	case n < int64(f.confirm):
		err = &unconfirmedError{n, f.confirm}
	}
	for _, c := range ran {
		c.sent = sent
		if err == nil {
			continue
		}
		if n, _, ok := pushed(c.reply); ok {
			c.added = max(c.added, n)
		}
		c.done, c.again, c.noted, c.reply, c.err = false, true, false, nil, err
	}
}

// lostAnswerError makes any error of a WAIT one that says nothing about the scripts before it: a server that is no master any more
// answers with an error, too.
type lostAnswerError struct{ error }

// unconfirmedError says that too few replicas have what was written.
type unconfirmedError struct {
	have int64
	want int
}

func (e *unconfirmedError) Error() string {
	return fmt.Sprintf("%d of %d replicas have confirmed what was written", e.have, e.want)
}

// checkConfirm refuses a wait that the client would not sit out.
func checkConfirm(client redis.UniversalClient, c Config) error {
	read := time.Duration(0)
	switch client := client.(type) {
	case *redis.Client:
		read = client.Options().ReadTimeout
	case *redis.ClusterClient:
		read = client.Options().ReadTimeout
	}
	if c.Confirm > 0 && read > 0 && c.ConfirmTimeout >= read {
		return fmt.Errorf("redisfrontier: ConfirmTimeout (%v) must be shorter than the client's ReadTimeout (%v)", c.ConfirmTimeout, read)
	}
	return nil
}
