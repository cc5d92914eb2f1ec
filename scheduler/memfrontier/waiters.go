package memfrontier

// waiter is the place of a goroutine that waits; it has room for one wake-up.
type waiter chan struct{}

// waiters are woken in the order they came.
type waiters struct {
	list []waiter
}

func (q *waiters) empty() bool { return len(q.list) == 0 }

func (q *waiters) add(w waiter) { q.list = append(q.list, w) }

// remove takes w out and reports whether it was in: whether it has not been woken.
func (q *waiters) remove(w waiter) bool {
	for i, x := range q.list {
		if x == w {
			q.list = append(q.list[:i], q.list[i+1:]...)
			return true
		}
	}
	return false
}

// one wakes the first.
func (q *waiters) one() {
	if len(q.list) > 0 {
		q.list[0] <- struct{}{}
		q.list = append(q.list[:0], q.list[1:]...)
	}
}

// all wakes everybody.
func (q *waiters) all() {
	for len(q.list) > 0 {
		q.one()
	}
}
