package pipelines

import (
	"cmp"
	"slices"
	"time"
)

// The rules by which trackers decide, so that all stores decide alike. They are pure: a store reads what it knows, asks, and writes
// the answer if what it knew still stands.

// Seen is when the page was fetched, or now if the visit does not say so, to the millisecond as stores keep it.
func (v *Visit) Seen(now time.Time) time.Time {
	at := v.Source.FetchedAt
	if at.IsZero() {
		at = now
	}
	return at.UTC().Truncate(time.Millisecond)
}

// PageState is what a tracker knows of a page.
type PageState struct {
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"` // the latest visit
	ChangedAt time.Time `json:"changed_at"`
	GoneAt    time.Time `json:"gone_at,omitzero"` // zero while it is there
	Status    int       `json:"status"`
	Signature string    `json:"signature,omitempty"`
	Revision  int64     `json:"revision"`
}

// Next returns what is known of the page after the visit, and what the feed has to say of it. ok is false if the visit changes nothing: it is
// older than the latest, or that visit itself; or it finds that a page is gone that never was there. known is nil for
// a page not known yet.
func (v *Visit) Next(known *PageState, now time.Time) (next PageState, news News, ok bool) {
	at := v.Seen(now)
	if known == nil {
		if v.News == NewsGone {
			return PageState{}, NewsUnchanged, false
		}
		return PageState{FirstSeen: at, LastSeen: at, ChangedAt: at, Status: v.Status, Signature: v.Signature, Revision: 1}, NewsNew, true
	}
	if !at.After(known.LastSeen) {
		return *known, NewsUnchanged, false
	}
	next, news = *known, v.pageNews(known)
	next.LastSeen, next.Status = at, v.Status
	next.Signature = cmp.Or(v.Signature, known.Signature)
	switch news {
	case NewsGone:
		next.GoneAt = at
	case NewsBack:
		next.GoneAt = time.Time{}
	}
	if news != NewsUnchanged {
		next.ChangedAt = at
		next.Revision++
	}
	return next, news, true
}

// pageNews is what a visit says of a page that is known. The visit's own word is about the visit that was finished before; what a worker
// that crashed has recorded since counts here.
func (v *Visit) pageNews(known *PageState) News {
	differs := v.Signature != "" && known.Signature != "" && v.Signature != known.Signature
	switch {
	case v.News == NewsGone && !known.GoneAt.IsZero():
		return NewsUnchanged
	case v.News == NewsGone:
		return NewsGone
	case !known.GoneAt.IsZero():
		return NewsBack
	case v.News == NewsChanged && (differs || v.Signature == "" || known.Signature == ""):
		return NewsChanged
	case v.News != NewsUnchanged && differs: // new or back, says one that does not know what is known here
		return NewsChanged
	}
	return NewsUnchanged
}

// ItemState is what a tracker knows of an item, beside its fields.
type ItemState struct {
	URL       string    `json:"url"`   // the page it was last seen on
	Crawl     string    `json:"crawl"` // and its crawl
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	ChangedAt time.Time `json:"changed_at"`
	GoneAt    time.Time `json:"gone_at,omitzero"` // zero while it is there
	Hash      string    `json:"hash"`
	Revision  int64     `json:"revision"`
}

// Shown returns what is known of the item after the page at url has shown it, and what the feed has to say. ok is false if that changes
// nothing: something newer is known, or just this. Of two versions fetched in the same millisecond the one with the greater hash
// counts, in whatever order and however often they come. known is nil for an item not known yet.
func (known *ItemState) Shown(url, crawl, hash string, at time.Time) (next ItemState, news News, ok bool) {
	if known == nil {
		return ItemState{URL: url, Crawl: crawl, FirstSeen: at, LastSeen: at, ChangedAt: at, Hash: hash, Revision: 1}, NewsNew, true
	}
	next = *known
	next.URL, next.Crawl, next.LastSeen, next.Hash, next.GoneAt = url, crawl, at, hash, time.Time{}
	if next.FirstSeen.IsZero() {
		next.FirstSeen = at
	}
	switch {
	case at.Before(known.LastSeen), at.Before(known.GoneAt):
		return *known, NewsUnchanged, false
	case !known.GoneAt.IsZero():
		news = NewsBack
	case at.Equal(known.LastSeen) && hash <= known.Hash:
		return *known, NewsUnchanged, false
	case hash == known.Hash:
		return next, NewsUnchanged, true
	default:
		news = NewsChanged
	}
	next.ChangedAt = at
	next.Revision++
	return next, news, true
}

// Missed returns what is known of the item after the page at url was found without it, or gone. ok is false if that changes
// nothing: the item is gone already, or was last seen on another page or later.
func (known *ItemState) Missed(url, crawl string, at time.Time) (next ItemState, ok bool) {
	if known == nil || !known.GoneAt.IsZero() || known.URL != url || known.Crawl != crawl || !at.After(known.LastSeen) {
		return ItemState{}, false
	}
	next = *known
	next.GoneAt, next.ChangedAt = at, at
	next.Revision++
	return next, true
}

// Returned returns what is known of the item after the page at url is back as it was, without being sent. ok is false if the item
// did not go with the page, at gone.
func (known *ItemState) Returned(url, crawl string, gone, at time.Time) (next ItemState, ok bool) {
	if known == nil || known.GoneAt.IsZero() || !known.GoneAt.Equal(gone) || known.URL != url || known.Crawl != crawl || at.Before(gone) {
		return ItemState{}, false
	}
	next = *known
	next.GoneAt, next.LastSeen, next.ChangedAt = time.Time{}, at, at
	next.Revision++
	return next, true
}

// Waves sorts visits by time and cuts them where a page or an item comes for the second time: what a wave brings can be
// written in any order.
func Waves(visits []Visit) [][]Visit {
	visits = slices.Clone(visits)
	slices.SortStableFunc(visits, func(a, b Visit) int { return a.Source.FetchedAt.Compare(b.Source.FetchedAt) })
	type page struct{ crawl, url string }
	var waves [][]Visit
	var pages map[page]bool
	var items map[ID]bool
	start := 0
	for i := range visits {
		v := &visits[i]
		at := page{v.Source.Crawl, v.Source.URL}
		again := pages[at] || slices.ContainsFunc(v.Items, func(item Item) bool { return items[item.ID()] })
		if i == 0 || again {
			if i > 0 {
				waves = append(waves, visits[start:i])
			}
			start, pages, items = i, make(map[page]bool), make(map[ID]bool)
		}
		pages[at] = true
		for j := range v.Items {
			items[v.Items[j].ID()] = true
		}
	}
	if len(visits) > 0 {
		waves = append(waves, visits[start:])
	}
	return waves
}
