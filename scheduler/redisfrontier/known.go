package redisfrontier

import "sync"

// known is a bounded memory of fingerprints that Redis is sure to have. It holds two generations: when the young
// one is full it becomes the old one, and what was asked for meanwhile is young again.
type known struct {
	limit int // of a generation

	mu         sync.Mutex
	young, old map[uint64]struct{} // guarded by mu
	resets     int                 // guarded by mu
}

func newKnown(entries int) *known { return &known{limit: entries / 2} }

// has reports whether fp is known.
func (k *known) has(fp uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.young[fp]; ok {
		return true
	}
	_, ok := k.old[fp]
	if ok {
		k.put(fp)
	}
	return ok
}

// era changes whenever all is forgotten.
func (k *known) era() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.resets
}

// add remembers what was pushed in an era, if it lasts still: what Redis had before an outage it may have lost.
func (k *known) add(era int, fps []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if era != k.resets {
		return
	}
	for _, fp := range fps {
		k.put(fp)
	}
}

func (k *known) put(fp uint64) {
	if k.limit <= 0 {
		return
	}
	if len(k.young) >= k.limit {
		k.old, k.young = k.young, nil
	}
	if k.young == nil {
		k.young = make(map[uint64]struct{})
	}
	k.young[fp] = struct{}{}
}

func (k *known) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.young, k.old = nil, nil
	k.resets++
}
