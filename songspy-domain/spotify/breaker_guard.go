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
	// syncEvery is how often, while calls are made, the circuit breaker's state
	// is exchanged with other processes through the database.
	syncEvery = 500 * time.Millisecond
	// staleAfter is how long a process uses the stored state that it has read. Before
	// a later call it reads the state again.
	staleAfter = 2 * syncEvery
	// syncCallsEvery is the time between two exchanges of the call counts with the
	// store while this process makes calls. syncCallsIdleEvery is that time while it
	// makes none, when it only reads the calls and refusals of other processes.
	syncCallsEvery     = 5 * time.Second
	syncCallsIdleEvery = 30 * time.Second
	// storeTimeout limits one exchange with the store.
	storeTimeout = 2 * time.Second
	// swapAttemptsMax is how often a write of the circuit breaker's state is tried.
	// An attempt fails if another process writes the state at the same time.
	swapAttemptsMax = 8
)

// BreakerStore stores the circuit breakers and call counts of the Spotify apps, and
// so shares them among all processes of an instance. Apps of one developer account
// share one state. For them, the argument app is the name of the account.
type BreakerStore interface {
	// Breakers returns the stored state of the circuit breakers of an app, or the
	// zero Stored if there is none.
	Breakers(ctx context.Context, app string) (breaker.Stored, error)
	// SwapBreakers replaces the stored state if it still has the given version
	// (compare and swap). It returns false if another process has replaced it since.
	SwapBreakers(ctx context.Context, app string, version int64, to breaker.SharedBreakers) (bool, error)
	// CountCalls adds calls to the stored counts of a developer account. If the same
	// batch is passed twice, its calls are added only once. CountCalls returns the
	// account's counts, in buckets of five minutes, since the given time.
	CountCalls(ctx context.Context, account string, batch quota.Batch, calls []quota.Bucket, since time.Time) ([]quota.Bucket, error)
	// CountedSince returns since when the calls of a developer account are
	// counted, or the zero time if none are.
	CountedSince(ctx context.Context, account string) (time.Time, error)
	// SaveRefusal stores an answer of Spotify that says that an account's quota of
	// calls is exceeded. LastRefusal returns the last such answer from which the size
	// of the quota was learned.
	SaveRefusal(ctx context.Context, account string, r quota.Refusal) error
	LastRefusal(ctx context.Context, account string) (quota.Refusal, error)
}

// breakerGuard decides about every call of one Spotify app, or of all apps of one
// developer account: it holds their circuit breakers and quota of calls, and shares
// them with the other processes.
type breakerGuard struct {
	app   string // the app, or the developer account
	now   func() time.Time
	log   *slog.Logger
	store BreakerStore   // nil if this is the only process
	share func() float64 // see Config.Share
	// countsLocally says that this process does not share its call counts with
	// other processes. See Config.countLocally.
	countsLocally bool

	mu       sync.Mutex
	breakers breaker.Breakers
	quota    quota.Account
	// unsavedRefusals are the answers to calls of this process that say that the
	// quota is exceeded, and that are not stored yet. refusalCount counts all such
	// answers, stored or not.
	unsavedRefusals []quota.Refusal
	refusalCount    int64

	// loaded says that the stored state has been read at least once. readAt is
	// when it was last read, in nanoseconds since the Unix epoch.
	loaded          atomic.Bool
	readAt          atomic.Int64
	calledSinceRead atomic.Bool // a call was made or attempted since syncUntilDone last reset this field
	storeDown       atomic.Bool // the last access to the store failed
	// storeMu is held during reads and writes of the store. It protects the
	// fields below.
	storeMu   sync.Mutex
	stored    breaker.Stored
	countedAt time.Time // when syncCalls last exchanged the call counts
	// batch identifies the last write of call counts to the store. While it is unknown
	// whether that write succeeded, uncertainCalls are its calls; otherwise it is empty.
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

// acquire returns a nil error if a call to an endpoint may be made now, or else an
// error that says why not. A probe (the one call that tests a blocked app) is
// allowed only after the store has recorded it, so that no other process makes a
// probe. An allowed call of the Web API counts against the quota from the returned
// time on, also if it fails; calls of the token endpoint do not count. A caller that
// does not send the call must pass that time to uncount. It must pass the Permit to
// report in any case.
func (g *breakerGuard) acquire(ctx context.Context, circuit breaker.Circuit, u breaker.Urgency, e quota.Endpoint) (breaker.Permit, time.Time, error) {
	now, err := g.readIfStale(ctx)
	if err != nil {
		return breaker.Permit{}, time.Time{}, err
	}
	share := g.rateShare()
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

// uncount takes back a call that acquire counted against the quota at the given
// time, because it was not sent.
func (g *breakerGuard) uncount(circuit breaker.Circuit, countedAt time.Time, e quota.Endpoint) {
	if circuit != breaker.CircuitAPI {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.quota.Uncount(countedAt, e)
}

// decide decides whether a call may be made: by the quota of calls first, then by the
// circuit breaker and its rate limiter. It counts an allowed call. The quota does not
// limit urgent calls, because a user waits for them. mu must be held.
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

// rateShare returns the fraction of the app's call rate that this process may use.
func (g *breakerGuard) rateShare() float64 {
	if g.share == nil {
		return 1
	}
	return g.share()
}

// check returns the error that acquire would return for an urgent call now, or nil. It
// counts no call and claims no probe (see claimProbe).
func (g *breakerGuard) check(ctx context.Context, circuit breaker.Circuit) error {
	now, err := g.readIfStale(ctx)
	if err != nil {
		return err
	}
	if _, v := breaker.Decide(g.snapshot(), now, circuit, breaker.Urgent); !v.Allowed {
		return blockedError(circuit, v)
	}
	return nil
}

// report records the outcome of a call that acquire allowed with the permit p. If
// Spotify refused the call because the quota is exceeded, it learns the size of the
// quota. If the breaker opens or closes, it logs that and writes the new state to the
// store for the other processes.
func (g *breakerGuard) report(ctx context.Context, now time.Time, circuit breaker.Circuit, p breaker.Permit, e quota.Endpoint, o breaker.Outcome) {
	g.mu.Lock()
	if g.breakers.ChangesNothing(circuit, p, o) { // true for almost every call, and saves copying the breakers
		g.mu.Unlock()
		return
	}
	before := *g.breakers.For(circuit)
	g.breakers = breaker.Report(g.breakers, now, circuit, p, o)
	after := *g.breakers.For(circuit)
	if o.Result == breaker.QuotaExceeded && after.Epoch != before.Epoch {
		g.recordRefusal(ctx, now, e, o.RetryAfter, p.Probe)
	}
	g.mu.Unlock()
	g.logChange(ctx, circuit, before, after, "this process")
	// Write at once only when the breaker opens or closes. When it opens, hundreds of
	// calls that are under way may still be refused. If they extend the time for which
	// the breaker stays open, syncUntilDone writes that within a second.
	if after.Epoch != before.Epoch && g.store != nil {
		g.publish(ctx)
	}
}

// tripForbidden opens the breaker of the Web API (see breaker.TripForbidden), logs that
// and writes the new state to the store for the other processes.
func (g *breakerGuard) tripForbidden(ctx context.Context) {
	g.mu.Lock()
	before := *g.breakers.For(breaker.CircuitAPI)
	g.breakers = breaker.TripForbidden(g.breakers, g.now())
	after := *g.breakers.For(breaker.CircuitAPI)
	g.mu.Unlock()
	g.logChange(ctx, breaker.CircuitAPI, before, after, "this process")
	if after.Epoch != before.Epoch && g.store != nil {
		g.publish(ctx)
	}
}

// recordRefusal records an answer of Spotify that says that the quota of calls is
// exceeded. Its caller calls it only for the refusal that opens the circuit breaker,
// and not for other calls that were under way at that time. mu must be held.
func (g *breakerGuard) recordRefusal(ctx context.Context, now time.Time, e quota.Endpoint, retryAfter time.Duration, probe bool) {
	r := g.quota.NewRefusal(now, e, retryAfter, probe)
	g.quota.Learn(now, r)
	g.unsavedRefusals = append(g.unsavedRefusals, r)
	g.refusalCount++
	limit, _ := g.quota.Limit(now)
	g.log.WarnContext(ctx, "spotify refuses calls: the quota of the developer account is exceeded",
		"endpoint", e, "calls", r.Calls.Sum(), "calls_by_endpoint", r.Calls, "retry_after", retryAfter, "planned_calls", limit, "probe", probe)
}

// quotaStatus returns the state of the developer account's quota, and how often Spotify
// has answered this process that the quota is exceeded.
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

// logChange logs that a breaker has opened, stays open for longer, or has closed. The
// argument by says which process observed the change.
func (g *breakerGuard) logChange(ctx context.Context, circuit breaker.Circuit, before, after breaker.Breaker, by string) {
	switch {
	case before.Cause == after.Cause && !after.OpenUntil.After(before.OpenUntil):
	case after.Cause == "":
		g.log.InfoContext(ctx, "circuit breaker closed: calls pass again", logkey.Circuit, circuit, "observed_by", by)
	default:
		g.log.WarnContext(ctx, "circuit breaker is open: calls are blocked",
			logkey.Circuit, circuit, logkey.Cause, after.Cause, logkey.Until, after.OpenUntil.UTC(), "observed_by", by)
	}
}

func (g *breakerGuard) snapshot() breaker.Breakers {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breakers
}

// load reads the stored breakers and call counts before the first call, because a
// process that restarts while a breaker is open must not call Spotify. Later it does
// nothing.
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

// readIfStale reads the stored state if it was last read longer ago than
// staleAfter. If the store cannot be read, this process goes on with the state that
// it has in memory. readIfStale returns an error only if the state has never been
// read. It returns the current time, because its callers need the time too, and
// reading the clock takes as long as the rest of this function.
func (g *breakerGuard) readIfStale(ctx context.Context) (now time.Time, err error) {
	if g.store == nil {
		return g.now(), nil
	}
	if err := g.load(ctx); err != nil {
		return time.Time{}, err
	}
	g.calledSinceRead.Store(true)
	if now = g.now(); !g.isStale(now) {
		return now, nil
	}
	g.storeMu.Lock()
	defer g.storeMu.Unlock()
	if now = g.now(); !g.isStale(now) {
		return now, nil
	}
	ctx, cancel := detachedContext(ctx)
	defer cancel()
	g.noteStoreResult(ctx, g.readStored(ctx))
	return g.now(), nil
}

// isStale reports whether the stored state must be read again before a call. If the
// clock was set back by staleAfter or more after the state was read, it must be read
// again too. After an access to the store has failed, isStale returns false, so that
// calls do not wait for the store: syncUntilDone tries again.
func (g *breakerGuard) isStale(now time.Time) bool {
	return !g.storeDown.Load() && now.Sub(time.Unix(0, g.readAt.Load())).Abs() >= staleAfter
}

// claimProbe records in the store that this process makes the probe (the one call that
// tests a blocked app). It is called before the probe is sent. It returns false if
// another process has changed the stored state, for example because it makes the probe,
// or if the store cannot be written. Then this process must not send the probe.
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
	counts := 0 // how many exchanges of call counts are due after the last call: one writes it, the next reads what other processes wrote
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
			continue // no call has used the state, so it need not be current
		}
		within, cancel := context.WithTimeout(ctx, storeTimeout)
		g.sync(within, due)
		cancel()
	}
}

// sync reads the state of other processes, writes the state and the refusals of
// this one, and, if withCalls is set, exchanges the call counts.
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

// readStored reads the stored state and takes over what other processes have
// changed. storeMu must be held.
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
		g.logChange(ctx, circuit, *before.For(circuit), *after.For(circuit), "another process")
	}
	return nil
}

// writeStored merges the state of this process into the stored state and writes
// the result. storeMu must be held.
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
	return nil // every attempt met a newer state; syncUntilDone tries again
}

// swapStored replaces the stored state if no other process has changed it since
// this one read it. storeMu must be held.
func (g *breakerGuard) swapStored(ctx context.Context, to breaker.SharedBreakers) (bool, error) {
	swapped, err := g.store.SwapBreakers(ctx, g.app, g.stored.Version, to)
	if swapped {
		g.stored = breaker.Stored{Version: g.stored.Version + 1, Shared: to}
	}
	return swapped, err
}

// syncCalls adds the unsaved calls of this process to the stored counts. It takes over
// the calls that other processes have counted, and the quota that they have learned.
// If countsLocally is set, it takes over the learned quota only. storeMu must be held.
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
	// Read the last finished five-minute bucket again, because other processes
	// may write to it late. Older buckets do not change and are read only once.
	since, known := quota.BucketOf(now.Add(-quota.Window)), time.Time{}
	if recent := quota.BucketOf(g.countedAt).Add(-quota.BucketLength); !g.countedAt.IsZero() && !g.countedAt.After(now) && recent.After(since) {
		since = recent
	} else if known, err = g.store.CountedSince(ctx, g.app); err != nil {
		return err
	}
	for again := true; again; {
		// If it is unknown whether the last write succeeded, write the same batch
		// again: the store adds it only once. Then calls that were made in the meantime
		// are written as the next batch, in a second round.
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

// noteStoreResult logs when access to the store begins to fail, and when it
// works again, but not each failure in between. storeMu must be held.
func (g *breakerGuard) noteStoreResult(ctx context.Context, err error) {
	switch {
	case err != nil && !g.storeDown.Load():
		g.log.WarnContext(ctx, "sharing the circuit breakers failed; this process uses its own state", logkey.Error, err)
	case err == nil && g.storeDown.Load():
		g.log.InfoContext(ctx, "the circuit breakers are shared again")
	}
	g.storeDown.Store(err != nil)
}

// detachedContext returns a context that does not end when ctx does, but after
// storeTimeout.
func detachedContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
