package redisfrontier

import (
	"context"
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Hold implements [scheduler.Frontier]. It calls hold.lua.
func (f *Frontier) Hold(ctx context.Context, host string, until time.Time) error {
	if err := f.checkHost(ctx, host); err != nil {
		return err
	}
	ms := until.UnixMilli()
	if until.Nanosecond()%1e6 > 0 {
		ms++
	}
	if ms <= 0 {
		return nil
	}
	return f.repeat(ctx, []*call{f.call(holdScript, f.partition(host), host, ms)})
}

// SetPace implements [scheduler.Frontier]. A Concurrency of 0 is the crawl's own. It calls setpace.lua.
func (f *Frontier) SetPace(ctx context.Context, host string, pace scheduler.Pace) error {
	if err := f.checkHost(ctx, host); err != nil {
		return err
	}
	if err := validatePace(pace); err != nil {
		return err
	}
	var delay, concurrency any = "", ""
	if pace != (scheduler.Pace{}) {
		delay = ceilMillis(pace.Delay)
	}
	if pace.Concurrency > 0 {
		concurrency = pace.Concurrency
	}
	c := f.call(setPaceScript, f.partition(host), host, delay, concurrency)
	if err := f.repeat(ctx, []*call{c}); err != nil {
		return err
	}
	if due, _ := c.reply.(int64); due >= 0 {
		f.wake.at(c.part, due)
	}
	return nil
}

func (f *Frontier) checkHost(ctx context.Context, host string) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	t := scheduler.Task{Host: host}
	return t.Check()
}

// setCrawlPace changes the pace of all hosts that have none of their own. It calls crawlpace.lua.
func (f *Frontier) setCrawlPace(ctx context.Context, pace scheduler.Pace) error {
	done, err := f.amend(ctx, "delay", pace.Delay.Milliseconds(), "concurrency", pace.Concurrency)
	if err != nil {
		return err
	}
	if !done {
		return scheduler.ErrNoCrawl
	}
	f.info.Pace = pace
	_, err = f.everywhere(ctx, func(p int) *call {
		return f.call(crawlPaceScript, p, pace.Delay.Milliseconds(), pace.Concurrency)
	})
	return err
}

// Pause implements [scheduler.Pauser].
func (f *Frontier) Pause(ctx context.Context) error { return f.setPaused(ctx, StatePaused, 1) }

// Resume implements [scheduler.Pauser].
func (f *Frontier) Resume(ctx context.Context) error { return f.setPaused(ctx, StateRunning, 0) }

// setPaused calls pause.lua.
func (f *Frontier) setPaused(ctx context.Context, state string, flag int) error {
	done, err := f.amend(ctx, "state", state)
	if err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("crawl %s: %w", f.crawl, scheduler.ErrNoCrawl)
	}
	_, err = f.everywhere(ctx, func(p int) *call { return f.call(pauseScript, p, flag) })
	f.wake.all()
	return err
}
