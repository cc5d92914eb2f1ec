package near_test

import (
	"context"
	"testing"

	"github.com/lycosa-crawl/lycosa/dedup/near"
	"github.com/lycosa-crawl/lycosa/dedup/near/neartest"
)

// inProcess is an Index with the signatures of one in Redis.
type inProcess struct{ *near.Index }

func (x inProcess) Lookup(_ context.Context, s near.Sim) (id string, distance int, ok bool, err error) {
	id, distance, ok = x.Index.Lookup(s)
	return id, distance, ok, nil
}

func (x inProcess) LookupOrAdd(_ context.Context, s near.Sim, id string) (of string, distance int, ok bool, err error) {
	of, distance, ok = x.Index.LookupOrAdd(s, id)
	return of, distance, ok, nil
}

func (x inProcess) Len(context.Context) (int, error) { return x.Index.Len(), nil }

func TestSuite(t *testing.T) {
	t.Parallel()
	neartest.Run(t, func(t *testing.T, limit int) neartest.Index { return inProcess{newIndex(t, limit)} })
}
