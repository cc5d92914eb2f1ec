package redisfrontier

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/lycosa-crawl/lycosa/dedup"
	"github.com/lycosa-crawl/lycosa/scheduler"
)

// elementHead is what stands before the payload in an element of a queue whose task never failed; see lua/tasks.lua.
const elementHead = 10

func appendElement(b []byte, attempts, expired byte, t *scheduler.Task) []byte {
	if b == nil {
		b = make([]byte, 0, elementHead+len(t.Payload))
	}
	b = append(b, attempts, expired)
	b = binary.BigEndian.AppendUint64(b, t.ID.Short())
	return append(b, t.Payload...)
}

// parseElement reads an element into the lease of a task whose host and level are known.
func parseElement(l *scheduler.Lease, host, level, element string) error {
	_, err := parseFirst(l, host, level, element)
	return err
}

// parseFirst is parseElement, and returns when the task first failed or expired; the zero time if it never did.
func parseFirst(l *scheduler.Lease, host, level, element string) (first time.Time, err error) {
	l.Host = host
	rest := element
	if len(element) >= elementHead && len(level) == 1 {
		l.Priority = scheduler.PriorityOf(hexDigit(level[0]))
		l.Attempt, l.Expired = int(element[0])+1, int(element[1])
		if rest = element[2:]; l.Attempt > 1 || l.Expired > 0 {
			first, rest = firstTime([]byte(rest[:4])), rest[4:]
		}
	}
	if len(rest) < 8 || len(level) != 1 {
		return first, fmt.Errorf("%w: a task of %q with %d bytes at level %q", errReply, host, len(element), level)
	}
	l.ID = dedup.FromShort(binary.BigEndian.Uint64([]byte(rest[:8])))
	l.Payload = []byte(rest[8:])
	return first, nil
}

// firstTime reads when a task first failed or expired; 0 is never.
func firstTime(b []byte) time.Time {
	s := binary.BigEndian.Uint32(b)
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}

// parseLetter reads what bury in lua/tasks.lua wrote.
func parseLetter(raw string, gone bool) (scheduler.DeadLetter, error) {
	b := []byte(raw)
	const head = 8 + 2 + 1 + 1 + 4 + 1 + 1 // at, status, attempts, expired, first, level, length of host
	bad := fmt.Errorf("%w: a dead letter of %d bytes", errReply, len(raw))
	if len(b) < head {
		return scheduler.DeadLetter{}, bad
	}
	d := scheduler.DeadLetter{
		At:     time.UnixMilli(int64(float64FromBits(b))),
		Status: int(binary.BigEndian.Uint16(b[8:])), Attempt: int(b[10]) + 1, Expired: int(b[11]), First: firstTime(b[12:]), Gone: gone,
	}
	d.Priority = scheduler.PriorityOf(hexDigit(b[16]))
	host := int(b[17])
	if b = b[head:]; len(b) < host+2 {
		return d, bad
	}
	d.Host, b = string(b[:host]), b[host:]
	why := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < why+8 {
		return d, bad
	}
	d.Why, b = string(b[:why]), b[why:]
	d.ID = dedup.FromShort(binary.BigEndian.Uint64(b))
	d.Payload = b[8:]
	return d, nil
}

func hexDigit(c byte) int {
	if c >= 'a' {
		return int(c-'a') + 10
	}
	return int(c - '0')
}
