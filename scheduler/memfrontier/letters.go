package memfrontier

import (
	"context"
	"slices"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// Replay implements scheduler.Undertaker.
func (f *Frontier) Replay(ctx context.Context, which scheduler.Letters) (int, error) {
	if err := f.writable(); err != nil {
		return 0, err
	}
	now, err := f.enter(ctx)
	if err != nil {
		return 0, err
	}
	n := f.s.replay(&which, now)
	return n, f.commit()
}

// Forget implements scheduler.Undertaker.
func (f *Frontier) Forget(ctx context.Context, which scheduler.Letters) (int, error) {
	if _, err := f.enter(ctx); err != nil {
		return 0, err
	}
	n := 0
	for _, gone := range []bool{false, true} {
		if places := f.s.letters(gone).find(&which); len(places) > 0 {
			n += len(places)
			f.s.journal.forgot(gone, places)
			f.s.takeLetters(gone, places)
		}
	}
	return n, f.commit()
}

// letters returns the dead links, or else the dead letters.
func (s *state) letters(gone bool) *ring {
	if gone {
		return &s.gone
	}
	return &s.dead
}

// find returns the places of the letters that are meant, the oldest first.
func (r *ring) find(which *scheduler.Letters) (places []int) {
	for i := range r.list {
		if which.Match(&r.list[(r.start+i)%len(r.list)]) {
			places = append(places, i)
		}
	}
	return places
}

// takeLetters takes letters off their list and out of the numbers.
func (s *state) takeLetters(gone bool, places []int) []scheduler.DeadLetter {
	list := s.letters(gone).take(places)
	if gone {
		s.stats.Gone -= int64(len(list))
	} else {
		s.stats.Dead -= int64(len(list))
	}
	return list
}

// replay queues the tasks of the letters that are meant, and returns their number.
func (s *state) replay(which *scheduler.Letters, now int64) (n int) {
	for _, gone := range []bool{false, true} {
		places := s.letters(gone).find(which)
		if len(places) == 0 {
			continue
		}
		s.journal.replayed(gone, places)
		for _, d := range s.takeLetters(gone, places) {
			s.enqueue(s.revive(&d), now)
			n++
		}
	}
	return n
}

// revive makes a task of a letter, as if it were pushed now.
func (s *state) revive(d *scheduler.DeadLetter) *task {
	s.number++
	return &task{
		id: d.ID, payload: string(d.Payload), number: s.number, host: s.host(d.Host),
		level: uint8(scheduler.Level(d.Priority)), //nolint:gosec // 0 to 15
	}
}

// newest returns the newest letter of a task, or nil.
func (r *ring) newest(host string, id dedup.Fingerprint) *scheduler.DeadLetter {
	for i := range slices.Backward(r.list) {
		if d := &r.list[(r.start+i)%len(r.list)]; d.ID == id && d.Host == host {
			return d
		}
	}
	return nil
}
