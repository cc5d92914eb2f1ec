package mongopipe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

const (
	firstPause = 50 * time.Millisecond
	// patience is how often a request is tried again after an error that says neither that MongoDB is away nor what
	// is wrong.
	patience = 3
)

// refusedError says that the server refuses a request as a whole, and goes on doing so.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// retry calls do until it succeeds or ctx ends, while errors say that MongoDB is away. After other errors it does so
// only as often as patience says, and then returns a *refusedError.
func (p *Pipeline) retry(ctx context.Context, patience int, do func(context.Context) error) error {
	pause, odd := firstPause, 0
	for {
		err := p.once(ctx, do)
		if err == nil {
			p.weather.fine()
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (%s)", ctx.Err(), brief(err))
		}
		switch {
		case away(err) && (!hungUp(err) || !p.answers(ctx)):
			p.weather.bad(err)
		case hasCode(err, forbidden):
			return err
		default:
			if odd++; odd > patience {
				return &refusedError{err}
			}
		}
		if err := wait(ctx, pause/2+rand.N(pause/2)); err != nil {
			return err
		}
		pause = min(2*pause, p.config.MaxPause)
	}
}

func (p *Pipeline) once(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.RequestTimeout)
	defer cancel()
	return do(ctx)
}

// hungUp reports whether the connection broke in the middle of a request. That is a network that fails, a server that ends;
// or one that a document makes fail, again and again.
func hungUp(err error) bool { return mongo.IsNetworkError(err) && !mongo.IsTimeout(err) }

// answers reports whether the server is there.
func (p *Pipeline) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return p.client.Ping(ctx, readpref.Primary()) == nil
}

// yield lets other writers of the same keys finish, if there are any left to compete for.
func (p *Pipeline) yield(ctx context.Context, left int) error {
	if left == 0 {
		return nil
	}
	return wait(ctx, rand.N(20*time.Millisecond))
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// away reports whether an error may pass without anybody changing the request.
func away(err error) bool {
	var unselected topology.ServerSelectionError
	var broken topology.ConnectionError
	var labeled mongo.LabeledError
	var bulk mongo.BulkWriteException
	switch {
	case errors.As(err, &unselected), errors.As(err, &broken), mongo.IsNetworkError(err), mongo.IsTimeout(err):
		return true
	case errors.As(err, &labeled) && (labeled.HasErrorLabel("RetryableWriteError") || labeled.HasErrorLabel("RetryableError")):
		return true
	case errors.As(err, &bulk) && bulk.WriteConcernError != nil: // written, and perhaps not by a majority
		return true
	}
	return hasCode(err, transientCodes)
}

var (
	// transientCodes are those of a server that starts, stops, steps down, is overloaded or has no room.
	transientCodes = []int{
		6,     // HostUnreachable
		7,     // HostNotFound
		24,    // LockTimeout
		43,    // CursorNotFound: a read met a restart
		50,    // MaxTimeMSExpired
		64,    // WriteConcernTimeout
		89,    // NetworkTimeout
		91,    // ShutdownInProgress
		112,   // WriteConflict
		133,   // FailedToSatisfyReadPreference: no primary yet
		134,   // ReadConcernMajorityNotAvailableYet
		189,   // PrimarySteppedDown
		202,   // NetworkInterfaceExceededTimeLimit
		262,   // ExceededTimeLimit
		462,   // IngressRequestRateLimitExceeded
		9001,  // SocketException
		10107, // NotWritablePrimary
		11600, // InterruptedAtShutdown
		11601, // Interrupted
		11602, // InterruptedDueToReplStateChange
		13388, // StaleConfig
		13435, // NotPrimaryNoSecondaryOk
		13436, // NotPrimaryOrSecondary
		14031, // OutOfDiskSpace
	}
	// forbidden are those of a server that knows us and wants nothing from us; no item is to blame.
	forbidden = []int{
		11,   // UserNotFound
		13,   // Unauthorized
		18,   // AuthenticationFailed
		8000, // AtlasError
	}
)

func transient(code int) bool { return slices.Contains(transientCodes, code) }

func hasCode(err error, codes []int) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && slices.ContainsFunc(e.ErrorCodes(), func(code int) bool { return slices.Contains(codes, code) })
}

// brief returns the cause of an error in one short line: the driver's own text describes the whole cluster.
func brief(err error) string {
	if unselected, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		err = errors.New("no answer")
		for _, server := range unselected.Desc.Servers {
			if server.LastError != nil {
				err = server.LastError
			}
		}
	}
	var broken topology.ConnectionError
	if errors.As(err, &broken) && broken.Wrapped != nil {
		err = broken.Wrapped
	}
	return fmt.Sprintf("%.300s", err.Error())
}

// weather says in the log when MongoDB goes away and when it is back.
type weather struct {
	logger *slog.Logger

	mu   sync.Mutex // guards the following
	gone time.Time  // zero while MongoDB is there
}

func (w *weather) bad(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone.IsZero() {
		w.gone = time.Now()
		w.logger.Warn("MongoDB is away, items wait", "error", brief(err))
	}
}

func (w *weather) fine() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.gone.IsZero() {
		w.logger.Info("MongoDB is back", "away", time.Since(w.gone).Round(time.Millisecond))
		w.gone = time.Time{}
	}
}
