package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/lycosa-crawl/lycosa/pipelines"
)

// ErrRefused is wrapped by errors of a [Sink] that will not pass by themselves.
var ErrRefused = errors.New("refused")

// Sink takes entries of a feed.
type Sink interface {
	// Send returns nil when all entries have arrived. An error that does not wrap [ErrRefused] has the same batch sent again. It
	// does not keep or change the slice.
	Send(ctx context.Context, batch []pipelines.Change) error
}

// DelayError is wrapped by errors of a [Sink] that know when to try again.
type DelayError struct {
	Err   error
	After time.Duration
}

func (e *DelayError) Error() string { return e.Err.Error() }
func (e *DelayError) Unwrap() error { return e.Err }

// Config says what to send. Feed and Sink are needed.
type Config struct {
	Feed pipelines.Feed
	Sink Sink
	// From is where to begin if there is no bookmark yet. Default: at the beginning.
	From pipelines.Cursor
	// Bookmarks keep how far it came, under Name. nil: it is not kept.
	Bookmarks pipelines.Bookmarks
	Name      string
	// Keep chooses what is sent. Default: everything.
	Keep func(*pipelines.Change) bool
	// Batch is the largest number of entries sent at once. Default 100.
	Batch int
	// Follow waits for more at the end of the feed, until ctx ends.
	Follow bool
	// MinPause and MaxPause are the first and the longest pause before a batch is sent again. Default 1s and 1m.
	MinPause, MaxPause time.Duration
	// Logger hears when the sink does not take a batch, and when it does again. Default: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.Batch = cmp.Or(c.Batch, 100)
	c.MinPause = cmp.Or(c.MinPause, time.Second)
	c.MaxPause = cmp.Or(c.MaxPause, time.Minute)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Keep == nil {
		c.Keep = func(*pipelines.Change) bool { return true }
	}
	switch {
	case c.Feed == nil || c.Sink == nil:
		return c, errors.New("forward: Feed or Sink is missing")
	case c.Bookmarks != nil && c.Name == "":
		return c, errors.New("forward: Bookmarks need a Name")
	case c.Batch < 0 || c.MinPause < 0 || c.MaxPause < c.MinPause:
		return c, fmt.Errorf("forward: Batch (%d) and MinPause (%v) must not be negative, nor MaxPause (%v) less than MinPause", c.Batch, c.MinPause, c.MaxPause)
	}
	return c, nil
}

// Run sends what is in the feed, and with Follow what comes, and returns how many entries the sink has taken. Its error is one of the feed,
// of the bookmarks, one of the sink that wraps [ErrRefused], or that of ctx.
func Run(ctx context.Context, c Config) (sent int, err error) {
	c, err = c.withDefaults()
	if err != nil {
		return 0, err
	}
	at, kept := c.From, c.From
	if c.Bookmarks != nil {
		if kept, err = c.Bookmarks.Bookmark(ctx, c.Name); err != nil {
			return 0, fmt.Errorf("read the cursor %s: %w", c.Name, err)
		}
		if kept > 0 {
			at = kept
		}
	}
	for {
		batch := make([]pipelines.Change, 0, c.Batch)
		err := c.Feed.Changes(ctx, at, func(change pipelines.Change) bool {
			at = change.Cursor
			if c.Keep(&change) {
				batch = append(batch, change)
			}
			return len(batch) < c.Batch
		})
		if err != nil {
			return sent, err
		}
		if len(batch) > 0 {
			if err := c.send(ctx, batch); err != nil {
				return sent, err
			}
			sent += len(batch)
		}
		if c.Bookmarks != nil && at != kept {
			if err := c.Bookmarks.SetBookmark(ctx, c.Name, at); err != nil {
				return sent, fmt.Errorf("keep the cursor %s: %w", c.Name, err)
			}
			kept = at
		}
		if len(batch) == c.Batch {
			continue
		}
		if !c.Follow {
			return sent, nil
		}
		if err := c.Feed.Wait(ctx, at); err != nil {
			return sent, err
		}
	}
}

// send gives a batch to the sink until it has taken it.
func (c Config) send(ctx context.Context, batch []pipelines.Change) error {
	for pause, failed := c.MinPause, false; ; pause = min(2*pause, c.MaxPause) {
		err := c.Sink.Send(ctx, batch)
		switch {
		case err == nil && failed:
			c.Logger.Info("changes are taken again", "cursor", batch[len(batch)-1].Cursor)
			return nil
		case err == nil, errors.Is(err, ErrRefused):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !failed:
			c.Logger.Warn("changes are not taken, and wait", "cursor", batch[0].Cursor, "error", err)
			failed = true
		}
		wait := pause/2 + rand.N(pause/2+1)
		if delay, ok := errors.AsType[*DelayError](err); ok {
			wait = max(wait, min(delay.After, 10*c.MaxPause))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
