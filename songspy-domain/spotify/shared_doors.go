package spotify

import (
	"context"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

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
