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

// load reads what is kept before the first call: a process that restarts while
// a door is closed must not knock.
func (k *breakerGuard) load(ctx context.Context) error {
	if k.loaded.Load() {
		return nil
	}
	k.storeMu.Lock()
	defer k.storeMu.Unlock()
	if k.loaded.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := k.readStored(ctx); err != nil {
		return unavailable(err, 0)
	}
	if err := k.syncCalls(ctx); err != nil {
		return unavailable(err, 0)
	}
	k.loaded.Store(true)
	return nil
}

// fresh sees to it that a call goes by news that is not old. Where the store
// cannot be asked, it goes by what is known.
func (k *breakerGuard) refresh(ctx context.Context) error {
	if k.store == nil {
		return nil
	}
	if err := k.load(ctx); err != nil {
		return err
	}
	k.calledSinceRead.Store(true)
	if k.storeDown.Load() || k.storedAge() < staleAfter {
		return nil
	}
	k.storeMu.Lock()
	defer k.storeMu.Unlock()
	if k.storeDown.Load() || k.storedAge() < staleAfter {
		return nil
	}
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	k.noteStoreResult(ctx, k.readStored(ctx))
	return nil
}

// newsAge is how old the news is. News from before the clock was set back is old.
func (k *breakerGuard) storedAge() time.Duration {
	return k.now().Sub(time.Unix(0, k.readAt.Load())).Abs()
}

// claim makes a probe known before it leaves. It fails if another process was
// faster, or none could be told: then this process does not probe.
func (k *breakerGuard) claimProbe(ctx context.Context, circuit breaker.Circuit, p breaker.Permit) bool {
	k.storeMu.Lock()
	defer k.storeMu.Unlock()
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	swapped, err := k.swapStored(ctx, k.snapshot().Shared())
	if swapped {
		return true
	}
	k.mu.Lock()
	k.breakers = breaker.WithdrawProbe(k.breakers, circuit, p)
	k.mu.Unlock()
	if err == nil {
		err = k.readStored(ctx)
	}
	k.noteStoreResult(ctx, err)
	return false
}

// publish makes what this process knows everybody's.
func (k *breakerGuard) publish(ctx context.Context) {
	k.storeMu.Lock()
	defer k.storeMu.Unlock()
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	err := k.writeStored(ctx)
	if err == nil {
		err = k.saveRefusals(ctx)
	}
	k.noteStoreResult(ctx, err)
}

// keep exchanges news until ctx ends: at once while calls are made, now and
// then while none are.
func (k *breakerGuard) syncUntilDone(ctx context.Context) {
	if k.store == nil {
		return
	}
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	var lastCallSync time.Time
	counts := 0 // what is left to do after a call: writing it, and reading what others wrote meanwhile
	for {
		select {
		case <-ctx.Done():
			last, cancel := detachedContext(ctx)
			defer cancel()
			k.sync(last, true)
			return
		case <-ticker.C:
		}
		called := k.calledSinceRead.Swap(false)
		if called {
			counts = 2
		}
		now := k.now()
		passed := now.Sub(lastCallSync).Abs()
		due := (counts > 0 || k.storeDown.Load()) && passed >= syncCallsEvery || passed >= countIdleEvery
		if due {
			lastCallSync, counts = now, max(0, counts-1)
		}
		if !called && !due {
			continue // nobody goes by it
		}
		within, cancel := context.WithTimeout(ctx, storeTimeout)
		k.sync(within, due)
		cancel()
	}
}

// exchange reads what others know, writes what they do not, and, where it is
// time to, shares how many calls were made.
func (k *breakerGuard) sync(ctx context.Context, withCalls bool) {
	k.storeMu.Lock()
	defer k.storeMu.Unlock()
	err := k.readStored(ctx)
	if err == nil {
		err = k.writeStored(ctx)
	}
	if err == nil {
		err = k.saveRefusals(ctx)
	}
	if err == nil && withCalls {
		err = k.syncCalls(ctx)
	}
	if err == nil && withCalls {
		k.loaded.Store(true)
	}
	k.noteStoreResult(ctx, err)
}

// read adopts what is kept. sharing is held.
func (k *breakerGuard) readStored(ctx context.Context) error {
	started := k.now()
	stored, err := k.store.Breakers(ctx, k.app)
	if err != nil {
		return err
	}
	k.readAt.Store(started.UnixNano())
	if stored.Version == k.stored.Version && k.loaded.Load() {
		return nil
	}
	k.stored = stored
	now := k.now()
	k.mu.Lock()
	before := k.breakers
	k.breakers = breaker.Adopt(before, now, stored.Shared)
	after := k.breakers
	k.mu.Unlock()
	for _, circuit := range breaker.Circuits() {
		k.logChange(ctx, circuit, breakerOf(before, circuit), breakerOf(after, circuit), "another process")
	}
	return nil
}

// write keeps what this process knows better, after what others know. sharing is held.
func (k *breakerGuard) writeStored(ctx context.Context) error {
	for range swapAttemptsMax {
		known := breaker.Merge(k.snapshot().Shared(), k.stored.Shared)
		if known == k.stored.Shared {
			return nil
		}
		if swapped, err := k.swapStored(ctx, known); swapped || err != nil {
			return err
		}
		if err := k.readStored(ctx); err != nil {
			return err
		}
	}
	return nil // keep tries again
}

// swap replaces what is kept, if nobody else has. sharing is held.
func (k *breakerGuard) swapStored(ctx context.Context, to breaker.SharedBreakers) (bool, error) {
	swapped, err := k.store.SwapBreakers(ctx, k.app, k.stored.Version, to)
	if swapped {
		k.stored = breaker.Stored{Version: k.stored.Version + 1, Shared: to}
	}
	return swapped, err
}

// count adds what this process has called to what all have, and takes over what
// others have called and learned. sharing is held.
func (k *breakerGuard) syncCalls(ctx context.Context) error {
	now := k.now()
	last, err := k.store.LastRefusal(ctx, k.app)
	if err != nil {
		return err
	}
	if k.countsAlone {
		k.mu.Lock()
		k.quota.Learn(last)
		k.mu.Unlock()
		return nil
	}
	// Others may be late with a bucket that is over. Buckets before that are
	// read once.
	since, known := quota.BucketOf(now.Add(-quota.Window)), time.Time{}
	if recent := quota.BucketOf(k.countedAt).Add(-quota.BucketLength); !k.countedAt.IsZero() && !k.countedAt.After(now) && recent.After(since) {
		since = recent
	} else if known, err = k.store.CountedSince(ctx, k.app); err != nil {
		return err
	}
	k.mu.Lock()
	isUserApp := k.quota.Calls.Unsaved()
	k.mu.Unlock()
	all, err := k.store.CountCalls(ctx, k.app, isUserApp, since)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quota.Calls.Sync(now, since, isUserApp, all)
	k.quota.Learn(last)
	if !known.IsZero() && (k.quota.CountedSince.IsZero() || known.Before(k.quota.CountedSince)) {
		k.quota.CountedSince = known
	}
	k.countedAt = now
	return nil
}

// saveRefusals keeps the refusals that are not stored yet. sharing is held.
func (k *breakerGuard) saveRefusals(ctx context.Context) error {
	k.mu.Lock()
	waiting := k.unsavedRefusals
	k.mu.Unlock()
	for _, r := range waiting {
		if err := k.store.SaveRefusal(ctx, k.app, r); err != nil {
			return err
		}
		k.mu.Lock()
		k.unsavedRefusals = k.unsavedRefusals[1:]
		k.mu.Unlock()
	}
	return nil
}

// hear logs once that the doors cannot be shared, and once that they can again.
// sharing is held.
func (k *breakerGuard) noteStoreResult(ctx context.Context, err error) {
	switch {
	case err != nil && !k.storeDown.Load():
		k.log.WarnContext(ctx, "the state of spotify's doors cannot be shared; calls go on under what this process knows", "err", err)
	case err == nil && k.storeDown.Load():
		k.log.InfoContext(ctx, "the state of spotify's doors is shared again")
	}
	k.storeDown.Store(err != nil)
}

// detached outlives the call that brought the news, but not for long.
func detachedContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
