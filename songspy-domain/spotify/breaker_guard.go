package spotify

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// syncEvery is how often the state of other processes is read while calls
	// are made.
	syncEvery = 500 * time.Millisecond
	// staleAfter is the age at which the stored state is read again before a
	// call.
	staleAfter = 2 * syncEvery
	// syncCallsEvery is the time between two writes of the call counts while
	// calls are made. syncCallsIdleEvery applies while none are made; then only the
	// calls and refusals of other processes are read.
	syncCallsEvery     = 5 * time.Second
	syncCallsIdleEvery = 30 * time.Second
	// storeTimeout limits one exchange with the store.
	storeTimeout = 2 * time.Second
	// swapAttemptsMax limits how often a write is repeated because other
	// processes write at the same time.
	swapAttemptsMax = 8
)

// BreakerStore stores the breakers of an instance's apps, for all its
// processes.
type BreakerStore interface {
	// Breakers returns the stored state of an app, or the zero Stored if there
	// is none.
	Breakers(ctx context.Context, app string) (breaker.Stored, error)
	// SwapBreakers replaces the stored state if it still has that version. It
	// returns false if another process was faster.
	SwapBreakers(ctx context.Context, app string, version int64, to breaker.SharedBreakers) (bool, error)
	// CountCalls adds a batch to the calls of an account, once, and returns the
	// account's buckets since the given time.
	CountCalls(ctx context.Context, account string, batch quota.Batch, calls []quota.Bucket, since time.Time) ([]quota.Bucket, error)
	// CountedSince returns the time of the oldest bucket of an account, or the
	// zero time if it has none.
	CountedSince(ctx context.Context, account string) (time.Time, error)
	// SaveRefusal stores an answer that the quota is exceeded. LastRefusal
	// returns the last one from which a quota was learned.
	SaveRefusal(ctx context.Context, account string, r quota.Refusal) error
	LastRefusal(ctx context.Context, account string) (quota.Refusal, error)
}

// breakerGuard holds the breakers and the quota of one app, and shares them
// with the other processes.
type breakerGuard struct {
	app   string
	now   func() time.Time
	log   *slog.Logger
	store BreakerStore // nil if this is the only process
	share func() float64
	// countsLocally says that this process does not share its call counts. See
	// Config.
	countsLocally bool

	mu       sync.Mutex
	breakers breaker.Breakers
	quota    quota.Account
	// unsavedRefusals are the refusals of this process that are not stored yet.
	// refusalCount counts all of them.
	unsavedRefusals []quota.Refusal
	refusalCount    int64

	// loaded says that the stored state has been read at least once. readAt is
	// when it was last read, in nanoseconds since the Unix epoch.
	loaded          atomic.Bool
	readAt          atomic.Int64
	calledSinceRead atomic.Bool // since the stored state was last read
	storeDown       atomic.Bool // the last access to the store failed
	// storeMu is held during reads and writes of the store. It protects the
	// fields below.
	storeMu   sync.Mutex
	stored    breaker.Stored
	countedAt time.Time // when calls were last written
	// batch is the last batch of calls that was written. uncertainCalls are its calls
	// while it is not known whether the store contains them.
	batch          quota.Batch
	uncertainCalls []quota.Bucket
}

func newBreakerGuard(c Config) *breakerGuard {
	g := &breakerGuard{
		app: c.App, now: c.Now, log: c.Logger, store: c.Breakers, share: c.Share, countsLocally: c.countLocally || c.Breakers == nil,
	}
	g.quota.DailyMax, g.quota.Calls.SingleProcess = c.DailyCalls, g.countsLocally
	g.batch.Process = rand.Text()
	g.loaded.Store(c.Breakers == nil)
	return g
}

// acquire lets a call of an endpoint pass, or returns why it is blocked. A
// probe passes only after all other processes can see it. A call that has
// passed counts against the quota from the returned time on, with any result.
// Calls of the token endpoint do not count. If the call is not sent, the caller
// must uncount it.
func (g *breakerGuard) acquire(ctx context.Context, circuit breaker.Circuit, u breaker.Urgency, e quota.Endpoint) (breaker.Permit, time.Time, error) {
	if err := g.refresh(ctx); err != nil {
		return breaker.Permit{}, time.Time{}, err
	}
	now, share := g.now(), g.rateShare()
	g.mu.Lock()
	g.breakers.Share = share
	v := g.decide(now, circuit, u, e)
	g.mu.Unlock()
	if !v.Allowed {
		return breaker.Permit{}, time.Time{}, blockedError(circuit, v)
	}
	if v.Permit.Probe && g.store != nil && !g.claimProbe(ctx, circuit, v.Permit) {
		g.uncount(circuit, now, e)
		return breaker.Permit{}, time.Time{}, blockedError(circuit, breaker.Decision{Cause: breaker.CauseProbing, RetryAfter: defaultRetryAfter})
	}
	return v.Permit, now, nil
}

// uncount removes a call from the quota that passed at the given time and was not
// sent.
func (g *breakerGuard) uncount(circuit breaker.Circuit, passed time.Time, e quota.Endpoint) {
	if circuit != breaker.CircuitAPI {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quota.Uncount(passed, e)
}

// decide asks the quota first, then the breaker. mu must be held. The quota
// does not limit urgent calls, because a user waits for them.
func (g *breakerGuard) decide(now time.Time, circuit breaker.Circuit, u breaker.Urgency, e quota.Endpoint) (v breaker.Decision) {
	if circuit == breaker.CircuitAPI && u != breaker.Urgent {
		if wait := g.quota.Wait(now, g.breakers.Share); wait > 0 {
			return breaker.Decision{Cause: breaker.CauseDailyCalls, RetryAfter: wait}
		}
	}
	g.breakers, v = breaker.Decide(g.breakers, now, circuit, u)
	if v.Allowed && circuit == breaker.CircuitAPI {
		g.quota.Count(now, e)
	}
	return v
}

// rateShare returns the part of the app's call rate that this process may use.
func (g *breakerGuard) rateShare() float64 {
	if g.share == nil {
		return 1
	}
	return g.share()
}

// check returns the error that acquire would return for an urgent call, without
// making a call.
func (g *breakerGuard) check(ctx context.Context, circuit breaker.Circuit) error {
	if err := g.refresh(ctx); err != nil {
		return err
	}
	if _, v := breaker.Decide(g.snapshot(), g.now(), circuit, breaker.Urgent); !v.Allowed {
		return blockedError(circuit, v)
	}
	return nil
}

// report records the outcome of a call. If a breaker opens or closes, it logs
// that and informs the other processes.
func (g *breakerGuard) report(ctx context.Context, now time.Time, circuit breaker.Circuit, p breaker.Permit, e quota.Endpoint, o breaker.Outcome) {
	g.mu.Lock()
	before := breakerOf(g.breakers, circuit)
	g.breakers = breaker.Report(g.breakers, now, circuit, p, o)
	after := breakerOf(g.breakers, circuit)
	if o.Result == breaker.QuotaExceeded && after.Epoch != before.Epoch {
		g.recordRefusal(ctx, now, e, o.RetryAfter, p.Probe)
	}
	g.mu.Unlock()
	g.logChange(ctx, circuit, before, after, "this process")
	// When a breaker opens, hundreds of calls may still be refused. If they
	// extend the open time, syncUntilDone writes that within a second.
	if after.Epoch != before.Epoch && g.store != nil {
		g.publish(ctx)
	}
}

// tripForbidden opens the breaker of the Web API (see breaker.TripForbidden),
// logs that and informs the other processes.
func (g *breakerGuard) tripForbidden(ctx context.Context) {
	g.mu.Lock()
	before := breakerOf(g.breakers, breaker.CircuitAPI)
	g.breakers = breaker.TripForbidden(g.breakers, g.now())
	after := breakerOf(g.breakers, breaker.CircuitAPI)
	g.mu.Unlock()
	g.logChange(ctx, breaker.CircuitAPI, before, after, "this process")
	if after.Epoch != before.Epoch && g.store != nil {
		g.publish(ctx)
	}
}

// recordRefusal records that the quota is exceeded. mu must be held. If many
// calls are refused, the first one opens the breaker, and only that one counts.
func (g *breakerGuard) recordRefusal(ctx context.Context, now time.Time, e quota.Endpoint, retryAfter time.Duration, probe bool) {
	r := g.quota.NewRefusal(now, e, retryAfter, probe)
	g.quota.Learn(now, r)
	g.unsavedRefusals = append(g.unsavedRefusals, r)
	g.refusalCount++
	limit, _ := g.quota.Limit(now)
	g.log.WarnContext(ctx, "spotify refuses calls: the quota of the developer account is exceeded",
		"endpoint", e, "calls", r.Calls.Sum(), "calls_by_endpoint", r.Calls, "retry_after", retryAfter, "planned_calls", limit, "probe", probe)
}

// quotaStatus returns the state of the account's quota, and how many refusals
// this process has received.
func (g *breakerGuard) quotaStatus(now time.Time) (quota.Status, int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.quota.Status(now), g.refusalCount
}

func (g *breakerGuard) quotaHeadroom(now time.Time) quota.Headroom {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.quota.Headroom(now)
}

// logChange logs that a breaker has opened or closed, and which process
// observed it.
func (g *breakerGuard) logChange(ctx context.Context, circuit breaker.Circuit, before, after breaker.Breaker, by string) {
	switch {
	case before.Cause == after.Cause && !after.OpenUntil.After(before.OpenUntil):
	case after.Cause == "":
		g.log.InfoContext(ctx, "circuit breaker closed: calls pass again", logkey.Circuit, circuit, "observed_by", by)
	default:
		g.log.WarnContext(ctx, "circuit breaker opened: calls are blocked until the given time",
			logkey.Circuit, circuit, logkey.Cause, after.Cause, logkey.Until, after.OpenUntil.UTC(), "observed_by", by)
	}
}

func (g *breakerGuard) snapshot() breaker.Breakers {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breakers
}

func breakerOf(s breaker.Breakers, circuit breaker.Circuit) breaker.Breaker {
	if circuit == breaker.CircuitAccounts {
		return s.Accounts
	}
	return s.API
}

// load reads the stored state before the first call, because a process that
// restarts while a breaker is open must not call.
func (g *breakerGuard) load(ctx context.Context) error {
	if g.loaded.Load() {
		return nil
	}
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	if g.loaded.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := g.readStored(ctx); err != nil {
		return unavailable(err, 0)
	}
	if err := g.syncCalls(ctx); err != nil {
		return unavailable(err, 0)
	}
	g.loaded.Store(true)
	return nil
}

// refresh reads the stored state if it is older than staleAfter. If the store
// cannot be read, calls use the state that this process knows.
func (g *breakerGuard) refresh(ctx context.Context) error {
	if g.store == nil {
		return nil
	}
	if err := g.load(ctx); err != nil {
		return err
	}
	g.calledSinceRead.Store(true)
	if g.storeDown.Load() || g.storedAge() < staleAfter {
		return nil
	}
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	if g.storeDown.Load() || g.storedAge() < staleAfter {
		return nil
	}
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	g.noteStoreResult(ctx, g.readStored(ctx))
	return nil
}

// storedAge returns the age of the stored state. State from before the clock
// was set back counts as old.
func (g *breakerGuard) storedAge() time.Duration {
	return g.now().Sub(time.Unix(0, g.readAt.Load())).Abs()
}

// claimProbe stores a probe before it is made. It returns false if another
// process was faster or the store cannot be written. Then this process does not
// probe.
func (g *breakerGuard) claimProbe(ctx context.Context, circuit breaker.Circuit, p breaker.Permit) bool {
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	swapped, err := g.swapStored(ctx, g.snapshot().Shared())
	if swapped {
		return true
	}
	g.mu.Lock()
	g.breakers = breaker.WithdrawProbe(g.breakers, circuit, p)
	g.mu.Unlock()
	if err == nil {
		err = g.readStored(ctx)
	}
	g.noteStoreResult(ctx, err)
	return false
}

// publish writes the state of this process to the store.
func (g *breakerGuard) publish(ctx context.Context) {
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	err := g.writeStored(ctx)
	if err == nil {
		err = g.saveRefusals(ctx)
	}
	g.noteStoreResult(ctx, err)
}

// syncUntilDone exchanges state with the store until ctx ends: often while
// calls are made, rarely while none are.
func (g *breakerGuard) syncUntilDone(ctx context.Context) {
	if g.store == nil {
		return
	}
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	var lastCallSync time.Time
	counts := 0 // the exchanges to make after a call: one writes it, the next reads what others wrote meanwhile
	for {
		select {
		case <-ctx.Done():
			last, cancel := detachedContext(ctx)
			defer cancel()
			g.sync(last, true)
			return
		case <-ticker.C:
		}
		called := g.calledSinceRead.Swap(false)
		if called {
			counts = 2
		}
		now := g.now()
		passed := now.Sub(lastCallSync).Abs()
		due := (counts > 0 || g.storeDown.Load()) && passed >= syncCallsEvery || passed >= syncCallsIdleEvery
		if due {
			lastCallSync, counts = now, max(0, counts-1)
		}
		if !called && !due {
			continue // no call uses the state
		}
		within, cancel := context.WithTimeout(ctx, storeTimeout)
		g.sync(within, due)
		cancel()
	}
}

// sync reads the state of other processes, writes that of this one, and, if
// withCalls is set, exchanges the call counts.
func (g *breakerGuard) sync(ctx context.Context, withCalls bool) {
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	err := g.readStored(ctx)
	if err == nil {
		err = g.writeStored(ctx)
	}
	if err == nil {
		err = g.saveRefusals(ctx)
	}
	if err == nil && withCalls {
		err = g.syncCalls(ctx)
	}
	if err == nil && withCalls {
		g.loaded.Store(true)
	}
	g.noteStoreResult(ctx, err)
}

// readStored adopts the stored state. storeMu must be held.
func (g *breakerGuard) readStored(ctx context.Context) error {
	started := g.now()
	stored, err := g.store.Breakers(ctx, g.app)
	if err != nil {
		return err
	}
	g.readAt.Store(started.UnixNano())
	if stored.Version == g.stored.Version && g.loaded.Load() {
		return nil
	}
	g.stored = stored
	now := g.now()
	g.mu.Lock()
	before := g.breakers
	g.breakers = breaker.Adopt(before, now, stored.Shared)
	after := g.breakers
	g.mu.Unlock()
	for _, circuit := range breaker.Circuits() {
		g.logChange(ctx, circuit, breakerOf(before, circuit), breakerOf(after, circuit), "another process")
	}
	return nil
}

// writeStored merges the state of this process with the stored state and writes
// it. storeMu must be held.
func (g *breakerGuard) writeStored(ctx context.Context) error {
	for range swapAttemptsMax {
		known := breaker.Merge(g.snapshot().Shared(), g.stored.Shared)
		if known == g.stored.Shared {
			return nil
		}
		if swapped, err := g.swapStored(ctx, known); swapped || err != nil {
			return err
		}
		if err := g.readStored(ctx); err != nil {
			return err
		}
	}
	return nil // syncUntilDone tries again
}

// swapStored replaces the stored state unless another process has changed it.
// storeMu must be held.
func (g *breakerGuard) swapStored(ctx context.Context, to breaker.SharedBreakers) (bool, error) {
	swapped, err := g.store.SwapBreakers(ctx, g.app, g.stored.Version, to)
	if swapped {
		g.stored = breaker.Stored{Version: g.stored.Version + 1, Shared: to}
	}
	return swapped, err
}

// syncCalls adds the calls of this process to the stored counts, and adopts
// what other processes have counted and learned. storeMu must be held.
func (g *breakerGuard) syncCalls(ctx context.Context) error {
	now := g.now()
	last, err := g.store.LastRefusal(ctx, g.app)
	if err != nil {
		return err
	}
	if g.countsLocally {
		g.mu.Lock()
		g.quota.Learn(now, last)
		g.mu.Unlock()
		return nil
	}
	// Other processes may write a finished bucket late. Older buckets are read
	// only once.
	since, known := quota.BucketOf(now.Add(-quota.Window)), time.Time{}
	if recent := quota.BucketOf(g.countedAt).Add(-quota.BucketLength); !g.countedAt.IsZero() && !g.countedAt.After(now) && recent.After(since) {
		since = recent
	} else if known, err = g.store.CountedSince(ctx, g.app); err != nil {
		return err
	}
	for again := true; again; {
		// If the answer of a write was lost, the same batch is written again.
		// Later calls are another batch.
		again = len(g.uncertainCalls) > 0
		if !again {
			g.mu.Lock()
			g.uncertainCalls = g.quota.Calls.Unsaved()
			g.mu.Unlock()
			g.batch.Number++
		}
		all, err := g.store.CountCalls(ctx, g.app, g.batch, g.uncertainCalls, since)
		if err != nil {
			return err
		}
		g.mu.Lock()
		g.quota.Calls.Sync(now, since, g.uncertainCalls, all)
		g.mu.Unlock()
		g.uncertainCalls = nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quota.Learn(now, last)
	if !known.IsZero() && (g.quota.CountedSince.IsZero() || known.Before(g.quota.CountedSince)) {
		g.quota.CountedSince = known
	}
	g.countedAt = now
	return nil
}

// saveRefusals stores the refusals that are not stored yet. storeMu must be
// held.
func (g *breakerGuard) saveRefusals(ctx context.Context) error {
	g.mu.Lock()
	waiting := g.unsavedRefusals
	g.mu.Unlock()
	for _, r := range waiting {
		if err := g.store.SaveRefusal(ctx, g.app, r); err != nil {
			return err
		}
		g.mu.Lock()
		g.unsavedRefusals = g.unsavedRefusals[1:]
		g.mu.Unlock()
	}
	return nil
}

// noteStoreResult logs once when the store fails, and once when it works again.
// storeMu must be held.
func (g *breakerGuard) noteStoreResult(ctx context.Context, err error) {
	switch {
	case err != nil && !g.storeDown.Load():
		g.log.WarnContext(ctx, "sharing the circuit breakers failed; this process uses its own state", logkey.Error, err)
	case err == nil && g.storeDown.Load():
		g.log.InfoContext(ctx, "the circuit breakers are shared again")
	}
	g.storeDown.Store(err != nil)
}

// detachedContext returns a context that survives the caller's, for at most
// storeTimeout.
func detachedContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
