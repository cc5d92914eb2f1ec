package redisfrontier

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// maxFinish is the most results or leases that one script gets.
const maxFinish = 500

// Finish implements [scheduler.Frontier].
func (f *Frontier) Finish(ctx context.Context, results ...scheduler.Result) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	for i := range results {
		if err := checkResult(&results[i]); err != nil {
			return err
		}
	}
	byPart := map[int][]*scheduler.Result{}
	for i := range results {
		p := f.partition(results[i].Lease.Host)
		byPart[p] = append(byPart[p], &results[i])
	}
	var calls []*call
	var sent [][]*scheduler.Result
	for p, list := range byPart {
		// What is released goes to the front of its queue: the oldest last, so that it ends up first.
		slices.SortStableFunc(list, func(a, b *scheduler.Result) int { return cmp.Compare(b.Lease.Token, a.Lease.Token) })
		for chunk := range slices.Chunk(list, maxFinish) {
			calls = append(calls, f.finish(p, chunk))
			sent = append(sent, chunk)
		}
	}
	err := f.repeat(ctx, calls)
	var lost []*scheduler.Lease
	emptied := false
	for i, c := range calls {
		if !c.done {
			continue
		}
		effects, due, empty, ok := parseFinish(c.reply, len(sent[i]))
		if !ok {
			return fmt.Errorf("finish in partition %d: %w", c.part, errReply)
		}
		for j, r := range sent[i] {
			// When an earlier try may have taken effect, nobody can tell a lease that was lost from one that is
			// finished; it is over either way.
			if effects[j] == '0' && !c.again {
				lost = append(lost, r.Lease)
			}
		}
		if due >= 0 {
			f.wake.at(c.part, due)
		}
		emptied = emptied || empty
	}
	if emptied {
		f.wake.emptied()
	}
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return &scheduler.LostError{Leases: lost}
	}
	return nil
}

// finish calls finish.lua.
func (f *Frontier) finish(part int, results []*scheduler.Result) *call {
	args := make([]any, 0, 1+6*len(results))
	args = append(args, f.duplicates.Swap(0))
	for _, r := range results {
		var text any = ""
		verdict, number := "", ""
		switch v := r.Verdict; v.Kind {
		case scheduler.KindDone:
			verdict = "d"
		case scheduler.KindRetry:
			verdict, number = "y", strconv.FormatInt(ceilMillis(v.After), 10)
		case scheduler.KindRevisit:
			verdict, number = "v", strconv.FormatInt(v.At.UnixMilli(), 10)
		case scheduler.KindRelease:
			verdict = "r"
		case scheduler.KindDrop:
			verdict, text = "x", shorten(v.Why)
		case scheduler.KindGone:
			verdict, text = "g", shorten(v.Why)
		case scheduler.KindPark:
			verdict, text = "k", v.Why
		}
		if p := r.Verdict.Payload; p != nil {
			verdict, text = strings.ToUpper(verdict), p
		}
		args = append(args, int64(r.Lease.Token), verdict, number, text, r.Outcome, figures(r))
	}
	return f.call(finishScript, part, args...)
}

func parseFinish(reply any, n int) (effects string, due int64, empty, ok bool) {
	list, _ := reply.([]any)
	if len(list) != 3 {
		return "", 0, false, false
	}
	effects, ok1 := list[0].(string)
	due, ok2 := list[1].(int64)
	flag, ok3 := list[2].(int64)
	return effects, due, flag == 1, ok1 && ok2 && ok3 && len(effects) == n
}

// checkResult refuses what the script cannot take.
func checkResult(r *scheduler.Result) error {
	switch {
	case r.Lease == nil:
		return errors.New("finish: a result without a lease")
	case r.Verdict.Kind < scheduler.KindDone || r.Verdict.Kind > scheduler.KindPark:
		return fmt.Errorf("finish: the lease of %s has no verdict", r.Lease.Host)
	case len(r.Outcome) > 64 || strings.Trim(r.Outcome, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return fmt.Errorf("finish: outcome %.80q: at most 64 of a-z, 0-9 and _ are allowed", r.Outcome)
	case r.Verdict.Kind == scheduler.KindPark && len(r.Verdict.Why) > 1024:
		return fmt.Errorf("finish: the label to park under has %d bytes, at most 1024 are allowed", len(r.Verdict.Why))
	}
	if err := r.Check(); err != nil {
		return fmt.Errorf("finish: the lease of %s: %w", r.Lease.Host, err)
	}
	return nil
}

// figures packs the numbers of a result; see finish.lua.
func figures(r *scheduler.Result) []byte {
	if r.Sent <= 0 && r.Status == 0 && r.Items == 0 && r.Bytes == 0 && len(r.Sums) == 0 {
		return nil
	}
	b := make([]byte, 0, 18+8*len(r.Sums))
	b = binary.BigEndian.AppendUint32(b, uint32(min(ceilMillis(max(r.Sent, 0)), math.MaxUint32))) //nolint:gosec // clamped
	b = binary.BigEndian.AppendUint16(b, uint16(max(0, min(r.Status, math.MaxUint16))))           //nolint:gosec // clamped
	b = binary.BigEndian.AppendUint32(b, uint32(max(0, min(r.Items, math.MaxUint32))))            //nolint:gosec // clamped
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(float64(max(r.Bytes, 0))))
	return appendSums(b, r.Sums)
}

// ceilMillis returns d in milliseconds, rounded up: never early.
func ceilMillis(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return ms
}

// shorten cuts a reason to what a dead letter holds: a stack trace, not a page.
func shorten(why string) string { return why[:min(len(why), 16<<10)] }

func float64FromBits(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }

// Extend implements [scheduler.Frontier].
func (f *Frontier) Extend(ctx context.Context, leases ...*scheduler.Lease) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	byPart := map[int][]*scheduler.Lease{}
	for _, l := range leases {
		if l == nil {
			return errors.New("extend: no lease")
		}
		p := f.partition(l.Host)
		byPart[p] = append(byPart[p], l)
	}
	var calls []*call
	var sent [][]*scheduler.Lease
	for p, list := range byPart {
		for chunk := range slices.Chunk(list, maxFinish) {
			calls = append(calls, f.extend(p, chunk))
			sent = append(sent, chunk)
		}
	}
	deadline := time.Now().Add(f.lease)
	err := f.repeat(ctx, calls)
	var lost []*scheduler.Lease
	for i, c := range calls {
		if !c.done {
			continue
		}
		effects, _ := c.reply.(string)
		if len(effects) != len(sent[i]) {
			return fmt.Errorf("extend in partition %d: %w", c.part, errReply)
		}
		for j, l := range sent[i] {
			if effects[j] == '0' {
				lost = append(lost, l)
			} else {
				l.Deadline = deadline
			}
		}
	}
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return &scheduler.LostError{Leases: lost}
	}
	return nil
}

// extend calls extend.lua.
func (f *Frontier) extend(part int, leases []*scheduler.Lease) *call {
	args := make([]any, 0, 1+len(leases))
	args = append(args, f.lease.Milliseconds())
	for _, l := range leases {
		args = append(args, int64(l.Token))
	}
	return f.call(extendScript, part, args...)
}
