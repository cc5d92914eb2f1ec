package redisdedup

import (
	"context"

	"github.com/lycosa-crawl/lycosa/dedup"
)

// What seen_add says of a fingerprint.
const (
	Seen    = '0' // it was seen
	New     = '1' // it was not, and is now
	Maybe   = '2' // it looks seen: the exact store must say
	Pending = '3' // it was seen, but the exact store may not know it yet
)

// maxAsked is how often the exact store is asked about a fingerprint while others go on putting theirs into it. Then it is taken
// as new: at worst a page is fetched twice.
const maxAsked = 16

// Settle finishes a step of a two-tier filter: what looks seen is asked for in the exact store, and sent again if it is not
// there; then the store is told what is new, before the step counts as done. Answers is what a script said of each fingerprint, and is
// brought up to date; counter is m.cn as the script saw it.
//
// A crash at any point loses nothing. What a script took as new stands in the set of the pending until the exact
// store has it, and whoever meets it there puts it into the store.
func Settle(ctx context.Context, exact dedup.Exact, fps []dedup.Fingerprint, answers []byte, counter string,
	again func(ctx context.Context, args []any) ([]byte, string, error), confirm func(ctx context.Context, args []any) error,
) error {
	for asked := 1; ; asked++ {
		retry, err := Ask(ctx, exact, fps, answers)
		if err != nil {
			return err
		}
		if len(retry) == 0 {
			break
		}
		args := make([]any, 0, len(retry)*TwoTier.Args())
		for _, i := range retry {
			args = AppendInsist(args, fps[i], counter, asked)
		}
		replies, now, err := again(ctx, args)
		if err != nil {
			return err
		}
		counter = now
		for j, i := range retry {
			answers[i] = replies[j]
		}
	}
	return Confirm(ctx, exact, fps, answers, confirm)
}

// Ask asks the exact store about the fingerprints that look seen: the answer of those that were becomes Seen, and the
// indices of the others are returned.
func Ask(ctx context.Context, exact dedup.Exact, fps []dedup.Fingerprint, answers []byte) (unseen []int, err error) {
	var ask []dedup.Fingerprint
	var at []int
	for i, a := range answers {
		if a == Maybe {
			ask, at = append(ask, fps[i]), append(at, i)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	known, err := exact.Has(ctx, ask...)
	if err != nil {
		return nil, err
	}
	for j, i := range at {
		if known[j] {
			answers[i] = Seen
		} else {
			unseen = append(unseen, i)
		}
	}
	return unseen, nil
}

// AppendInsist appends a fingerprint that the exact store does not have, as a script takes it; counter is what the script said before
// the store was asked.
func AppendInsist(args []any, fp dedup.Fingerprint, counter string, asked int) []any {
	if asked >= maxAsked {
		counter = "!"
	}
	return append(args, append(appendBits(nil, fp), counter...), "", "", "")
}

// Confirm puts what is new or pending into the exact store, and then tells Redis by confirm.
func Confirm(ctx context.Context, exact dedup.Exact, fps []dedup.Fingerprint, answers []byte, confirm func(ctx context.Context, args []any) error) error {
	var record []dedup.Fingerprint
	var args []any
	for i, a := range answers {
		if a == New || a == Pending {
			record = append(record, fps[i])
			args = append(args, fps[i][:8])
		}
	}
	if len(record) == 0 {
		return nil
	}
	if err := exact.Record(ctx, record...); err != nil {
		return err
	}
	return confirm(ctx, args)
}
