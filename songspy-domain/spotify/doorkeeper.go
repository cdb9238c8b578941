package spotify

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

const (
	// newsEvery is how often others' news is read while calls are made.
	syncEvery = 500 * time.Millisecond
	// newsOld is how old the news may be that a call goes by: who has made none
	// for a while reads it first.
	staleAfter = 2 * syncEvery
	// countEvery is the time between two writes of how many calls were made, and
	// countIdleEvery while none are: others' calls and refusals are read then.
	syncCallsEvery = 5 * time.Second
	countIdleEvery = 30 * time.Second
	// keepWithin bounds what sharing a door may take.
	storeTimeout = 2 * time.Second
	// swapsMost bounds how often a process gives way to others that write at once.
	swapAttemptsMax = 8
)

// Doors keeps the doors of an instance's apps, for all its processes.
type BreakerStore interface {
	// Door is what is kept of an app; the zero Kept if nothing is.
	Breakers(ctx context.Context, app string) (breaker.Stored, error)
	// SwapDoor replaces what is kept, if it is still of that version; it
	// reports false if another process was faster.
	SwapBreakers(ctx context.Context, app string, version int64, to breaker.SharedBreakers) (bool, error)
	// CountCalls adds to the calls of an account, and returns its buckets from since on.
	CountCalls(ctx context.Context, account string, calls []quota.Bucket, since time.Time) ([]quota.Bucket, error)
	// CountedSince returns the oldest bucket of an account; the zero time if it has none.
	CountedSince(ctx context.Context, account string) (time.Time, error)
	// SaveRefusal keeps an answer that the quota is exceeded; LastRefusal returns
	// the last one that taught something.
	SaveRefusal(ctx context.Context, account string, r quota.Refusal) error
	LastRefusal(ctx context.Context, account string) (quota.Refusal, error)
}

// doorkeeper holds the gate's state for one app, and shares it.
type breakerGuard struct {
	app   string
	now   func() time.Time
	log   *slog.Logger
	store BreakerStore // nil: this process is alone
	share func() float64
	// alone says that this process counts the calls for itself: see Config.
	countsAlone bool

	mu       sync.Mutex
	breakers breaker.Breakers
	quota    quota.Account
	// refusals are those of this process that are not stored yet; refused counts all of them.
	unsavedRefusals []quota.Refusal
	refusalCount    int64

	// loaded says that what is kept has been read once, and heard when it was
	// last, in nanoseconds since the Unix epoch.
	loaded          atomic.Bool
	readAt          atomic.Int64
	calledSinceRead atomic.Bool // since others' news was last read
	storeDown       atomic.Bool // the store could not be asked the last time
	// sharing is held while something is read or written; what is below is its own.
	storeMu   sync.Mutex
	stored    breaker.Stored
	countedAt time.Time // when calls were last written
}

func newBreakerGuard(c Config) *breakerGuard {
	k := &breakerGuard{
		app: c.App, now: c.Now, log: c.Logger, store: c.Breakers, share: c.Share, countsAlone: c.countLocally || c.Breakers == nil,
	}
	k.quota.DailyMax, k.quota.Calls.SingleProcess = c.DailyCalls, k.countsAlone
	k.loaded.Store(c.Breakers == nil)
	return k
}

// enter lets a call of an endpoint through or says why not. A probe leaves only
// once every other process can know of it. A call that has passed counts against
// the quota, whatever becomes of it; those of the token endpoint do not.
func (k *breakerGuard) acquire(ctx context.Context, circuit breaker.Circuit, u breaker.Urgency, e quota.Endpoint) (breaker.Permit, error) {
	if err := k.refresh(ctx); err != nil {
		return breaker.Permit{}, err
	}
	now, share := k.now(), k.rateShare()
	k.mu.Lock()
	k.breakers.Share = share
	v := k.decide(now, circuit, u, e)
	k.mu.Unlock()
	if !v.Allowed {
		return breaker.Permit{}, blockedError(circuit, v)
	}
	if v.Permit.Probe && k.store != nil && !k.claimProbe(ctx, circuit, v.Permit) {
		return breaker.Permit{}, blockedError(circuit, breaker.Decision{Cause: breaker.CauseProbing, RetryAfter: defaultRetryAfter})
	}
	return v.Permit, nil
}

// decide asks the quota, then the gate. mu is held. A call for which a person
// waits is not bounded by the quota.
func (k *breakerGuard) decide(now time.Time, circuit breaker.Circuit, u breaker.Urgency, e quota.Endpoint) (v breaker.Decision) {
	if circuit == breaker.CircuitAPI && u != breaker.Urgent {
		if wait := k.quota.Wait(now, k.breakers.Share); wait > 0 {
			return breaker.Decision{Cause: breaker.CauseDailyCalls, RetryAfter: wait}
		}
	}
	k.breakers, v = breaker.Decide(k.breakers, now, circuit, u)
	if v.Allowed && circuit == breaker.CircuitAPI {
		k.quota.Count(now, e)
	}
	return v
}

// part is the share of the app's pace that this process may use.
func (k *breakerGuard) rateShare() float64 {
	if k.share == nil {
		return 1
	}
	return k.share()
}

// look is enter for somebody who only asks.
func (k *breakerGuard) check(ctx context.Context, circuit breaker.Circuit) error {
	if err := k.refresh(ctx); err != nil {
		return err
	}
	if _, v := breaker.Decide(k.snapshot(), k.now(), circuit, breaker.Urgent); !v.Allowed {
		return blockedError(circuit, v)
	}
	return nil
}

// report enters what became of a call at that time, and tells the operator and
// the other processes of a door that opens or closes by it.
func (k *breakerGuard) report(ctx context.Context, now time.Time, circuit breaker.Circuit, p breaker.Permit, e quota.Endpoint, o breaker.Outcome) {
	k.mu.Lock()
	before := breakerOf(k.breakers, circuit)
	k.breakers = breaker.Report(k.breakers, now, circuit, p, o)
	after := breakerOf(k.breakers, circuit)
	if o.Result == breaker.QuotaExceeded && after.Epoch != before.Epoch {
		k.recordRefusal(ctx, now, e, o.RetryAfter, p.Probe)
	}
	k.mu.Unlock()
	k.logChange(ctx, circuit, before, after, "this process")
	// Hundreds of calls that were out come back refused when a door closes; if
	// they lengthen the closing, keep says so within a moment.
	if after.Epoch != before.Epoch && k.store != nil {
		k.publish(ctx)
	}
}

// forbid closes the Web API's door, see gate.Forbid, and tells the operator and
// the other processes.
func (k *breakerGuard) tripForbidden(ctx context.Context) {
	k.mu.Lock()
	before := breakerOf(k.breakers, breaker.CircuitAPI)
	k.breakers = breaker.TripForbidden(k.breakers, k.now())
	after := breakerOf(k.breakers, breaker.CircuitAPI)
	k.mu.Unlock()
	k.logChange(ctx, breaker.CircuitAPI, before, after, "this process")
	if after.Epoch != before.Epoch && k.store != nil {
		k.publish(ctx)
	}
}

// learn takes over that the quota is exceeded. mu is held. Of many calls that
// come back refused the first one closes the door, and it alone counts.
func (k *breakerGuard) recordRefusal(ctx context.Context, now time.Time, e quota.Endpoint, retryAfter time.Duration, probe bool) {
	r := k.quota.NewRefusal(now, e, retryAfter, probe)
	k.quota.Learn(r)
	k.unsavedRefusals = append(k.unsavedRefusals, r)
	k.refusalCount++
	limit, _ := k.quota.Limit(now)
	k.log.WarnContext(ctx, "spotify refuses calls: the quota of the developer account is exceeded",
		"endpoint", e, "calls", r.Calls.Sum(), "calls_by_endpoint", r.Calls, "retry_after", retryAfter, "planned_calls", limit, "probe", probe)
}

// standing is how the account stands to its quota, and room what it may still call.
func (k *breakerGuard) quotaStatus(now time.Time) (quota.Status, int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quota.Status(now), k.refusalCount
}

func (k *breakerGuard) quotaHeadroom(now time.Time) quota.Headroom {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quota.Headroom(now)
}

// tell logs what has happened to a door, and who saw it.
func (k *breakerGuard) logChange(ctx context.Context, circuit breaker.Circuit, before, after breaker.Breaker, by string) {
	switch {
	case before.Cause == after.Cause && !after.OpenUntil.After(before.OpenUntil):
	case after.Cause == "":
		k.log.InfoContext(ctx, "spotify door opened", "door", circuit, "seen_by", by)
	default:
		k.log.WarnContext(ctx, "spotify door closed: no call passes before the time given",
			"door", circuit, "why", after.Cause, "until", after.OpenUntil.UTC(), "seen_by", by)
	}
}

func (k *breakerGuard) snapshot() breaker.Breakers {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.breakers
}

func breakerOf(s breaker.Breakers, circuit breaker.Circuit) breaker.Breaker {
	if circuit == breaker.CircuitAccounts {
		return s.Accounts
	}
	return s.API
}
