package near

import (
	"fmt"
	"iter"
	"sync"
)

// MaxDistance is the greatest number of bits in which a Sim may differ from one that an index finds for it.
const MaxDistance = 3

const bands = MaxDistance + 1

// band returns the bits of a band, 0 to bands-1, the highest bits first.
func (s Sim) band(i int) uint16 { return uint16(s >> (64 - 16*(i+1))) } //nolint:gosec // the band is cut out

// Index finds the Sims near another one, of the last ones that were stored. It lives in the process, and may be used from many
// goroutines. Make one with [NewIndex].
//
// A Sim takes some 160 bytes beside its id. A look-up compares what shares a band: a few dozens among a million
// of different texts, more where a site's texts are alike by design.
type Index struct {
	mu    sync.RWMutex // guards the following
	texts map[Sim]text
	bands [bands]map[uint16][]Sim // what has the band in common, oldest first
	order []Sim                   // a ring, once it is full
	next  int                     // the place in order of the oldest, once it is full
	limit int
	added uint64 // ever
}

type text struct {
	id  string
	age uint64 // less is older
}

// NewIndex returns an empty index of at most limit Sims, at least one. When it is full, the oldest goes for each new one.
func NewIndex(limit int) (*Index, error) {
	if limit < 1 {
		return nil, fmt.Errorf("near: an index of %d entries: want at least 1", limit)
	}
	x := &Index{texts: make(map[Sim]text), limit: limit}
	for i := range x.bands {
		x.bands[i] = make(map[uint16][]Sim)
	}
	return x, nil
}

// Lookup returns the id of the stored Sim nearest to s, the oldest of several, and in how many bits it differs; ok is false
// if none is within [MaxDistance].
func (x *Index) Lookup(s Sim) (id string, distance int, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.lookup(s)
}

// Add stores a Sim under the id of its text. One that is stored already keeps the id and the age it has; the zero Sim is not
// stored.
func (x *Index) Add(s Sim, id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.add(s, id)
}

// LookupOrAdd is [Index.Lookup], and [Index.Add] if that finds nothing, as one step: of near texts that come at once, one is stored
// and the others find it.
func (x *Index) LookupOrAdd(s Sim, id string) (of string, distance int, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if of, distance, ok = x.lookup(s); !ok {
		x.add(s, id)
	}
	return of, distance, ok
}

// Len returns the number of stored Sims.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.order)
}

// All returns the stored Sims and the ids of their texts, oldest first: what [Index.Add] makes the same index of. Nothing may be
// added before it has ended.
func (x *Index) All() iter.Seq2[Sim, string] {
	return func(yield func(Sim, string) bool) {
		x.mu.RLock()
		defer x.mu.RUnlock()
		for i := range x.order {
			s := x.order[(x.next+i)%len(x.order)]
			if !yield(s, x.texts[s].id) {
				return
			}
		}
	}
}

func (x *Index) lookup(s Sim) (id string, distance int, ok bool) {
	if same, ok := x.texts[s]; ok {
		return same.id, 0, true
	}
	if s == 0 {
		return "", 0, false
	}
	var nearest Sim
	distance = MaxDistance + 1
	for i := range x.bands {
		for _, other := range x.bands[i][s.band(i)] {
			d := s.Distance(other)
			if d < distance || d == distance && nearest != 0 && x.texts[other].age < x.texts[nearest].age {
				nearest, distance = other, d
			}
		}
	}
	if nearest == 0 {
		return "", 0, false
	}
	return x.texts[nearest].id, distance, true
}

func (x *Index) add(s Sim, id string) {
	if _, stored := x.texts[s]; stored || s == 0 {
		return
	}
	if len(x.order) < x.limit {
		x.order = append(x.order, s)
	} else {
		x.forget(x.order[x.next])
		x.order[x.next] = s
		x.next = (x.next + 1) % x.limit
	}
	x.added++
	x.texts[s] = text{id, x.added}
	for i := range x.bands {
		x.bands[i][s.band(i)] = append(x.bands[i][s.band(i)], s)
	}
}

// forget removes the oldest Sim, which is therefore the first in each of its bands.
func (x *Index) forget(s Sim) {
	delete(x.texts, s)
	for i := range x.bands {
		band := s.band(i)
		if rest := x.bands[i][band][1:]; len(rest) > 0 {
			x.bands[i][band] = rest
		} else {
			delete(x.bands[i], band)
		}
	}
}
