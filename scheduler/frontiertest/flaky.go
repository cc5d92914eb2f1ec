package frontiertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Flaky returns f behind a connection that fails: about one call in every is lost before f sees it, and another
// after f did what was asked. Both return an error that wraps scheduler.ErrUnavailable, so the caller knows as little
// as in life. The failures follow from seed and the order of the calls. Close, WaitDone and the optional
// interfaces are not touched; the latter are not passed on.
func Flaky(f scheduler.Frontier, every int, seed uint64) scheduler.Frontier {
	return &flaky{Frontier: f, faults: faults{every: every, rand: rand.New(rand.NewPCG(seed, 1))}}
}

type flaky struct {
	scheduler.Frontier
	faults faults
}

var _ scheduler.Frontier = (*flaky)(nil)

// faults draws the fate of one call after another.
type faults struct {
	every int
	mu    sync.Mutex
	rand  *rand.Rand
}

func (s *faults) draw() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.rand.IntN(s.every) {
	case 0:
		return []Fault{FaultBefore, FaultAfter}[s.rand.IntN(2)]
	default:
		return NoFault
	}
}

// try calls do, or loses it, or loses its answer.
func (f *flaky) try(do func() error) error {
	fault := f.faults.draw()
	if fault == FaultBefore {
		return fmt.Errorf("%w: connection refused", scheduler.ErrUnavailable)
	}
	err := do()
	if fault == FaultAfter {
		return fmt.Errorf("%w: connection reset", scheduler.ErrUnavailable)
	}
	return err
}

func (f *flaky) Push(ctx context.Context, tasks ...scheduler.Task) (added int, err error) {
	err = f.try(func() error {
		n, err := f.Frontier.Push(ctx, tasks...)
		added = n
		return err
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

func (f *flaky) Claim(ctx context.Context, n int) (leases []*scheduler.Lease, err error) {
	err = f.try(func() error {
		got, err := f.Frontier.Claim(ctx, n)
		leases = got
		return err
	})
	if err != nil {
		return nil, err
	}
	return leases, nil
}

func (f *flaky) Extend(ctx context.Context, leases ...*scheduler.Lease) error {
	return f.try(func() error { return f.Frontier.Extend(ctx, leases...) })
}

func (f *flaky) Finish(ctx context.Context, results ...scheduler.Result) error {
	return f.try(func() error { return f.Frontier.Finish(ctx, results...) })
}

func (f *flaky) Hold(ctx context.Context, host string, until time.Time) error {
	return f.try(func() error { return f.Frontier.Hold(ctx, host, until) })
}

func (f *flaky) SetPace(ctx context.Context, host string, p scheduler.Pace) error {
	return f.try(func() error { return f.Frontier.SetPace(ctx, host, p) })
}

func (f *flaky) Stats(ctx context.Context) (s scheduler.Stats, err error) {
	err = f.try(func() error {
		s, err = f.Frontier.Stats(ctx)
		return err
	})
	return s, err
}

func (f *flaky) Done(ctx context.Context) (done bool, err error) {
	err = f.try(func() error {
		done, err = f.Frontier.Done(ctx)
		return err
	})
	return done && err == nil, err
}
