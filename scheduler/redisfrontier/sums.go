package redisfrontier

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/lycosa-crawl/lycosa/scheduler"
)

// appendSums packs sums; see lua/sums.lua.
func appendSums(b []byte, sums []float64) []byte {
	for _, s := range sums {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(s))
	}
	return b
}

// addPacked adds packed sums to those given, and returns them.
func addPacked(sums []float64, packed string) ([]float64, error) {
	if len(packed)%8 != 0 || len(packed) > 8*scheduler.MaxSums {
		return sums, errReply
	}
	for i := range len(packed) / 8 {
		if i == len(sums) {
			sums = append(sums, 0)
		}
		sums[i] += float64FromBits([]byte(packed[8*i:]))
	}
	return sums, nil
}

// Sums implements [scheduler.Ledger].
func (f *Frontier) Sums(ctx context.Context, host string) (sums []float64, err error) {
	parts := make([]int, 0, len(f.keys))
	if host != "" {
		if err := f.checkHost(ctx, host); err != nil {
			return nil, err
		}
		parts = append(parts, f.partition(host))
	} else {
		for p := range f.keys {
			parts = append(parts, p)
		}
	}
	calls := make([]*call, len(parts))
	for i, p := range parts {
		calls[i] = f.hostSums(p, "", host)
	}
	if err := f.repeat(ctx, calls); err != nil {
		return nil, err
	}
	for _, c := range calls {
		_, list, err := parseHostSums(c.reply)
		if err != nil {
			return nil, err
		}
		for i := 1; i < len(list); i += 2 {
			if sums, err = addPacked(sums, list[i]); err != nil {
				return nil, err
			}
		}
	}
	return sums, nil
}

// HostSums implements [scheduler.Ledger].
func (f *Frontier) HostSums(ctx context.Context, yield func(host string, sums []float64) bool) error {
	if err := f.usable(ctx); err != nil {
		return err
	}
	var sums []float64
	for p := range f.keys {
		for cursor := "0"; ; {
			c := f.hostSums(p, cursor, "")
			if err := f.repeat(ctx, []*call{c}); err != nil {
				return err
			}
			next, list, err := parseHostSums(c.reply)
			if err != nil {
				return err
			}
			for i := 0; i < len(list); i += 2 {
				if sums, err = addPacked(sums[:0], list[i+1]); err != nil {
					return err
				}
				if !yield(list[i], sums) {
					return nil
				}
			}
			if cursor = next; cursor == "0" {
				break
			}
		}
	}
	return nil
}

// hostSums calls hostsums.lua.
func (f *Frontier) hostSums(part int, cursor, host string) *call {
	return f.call(hostSumsScript, part, cursor, host)
}

// parseHostSums returns the next cursor, and pairs of host and packed sums.
func parseHostSums(reply any) (next string, list []string, err error) {
	text, err := stringsOf(reply)
	if err != nil || len(text)%2 != 1 {
		return "", nil, errReply
	}
	return text[0], text[1:], nil
}
