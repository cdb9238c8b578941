package spotify

import (
	"context"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// load reads what is kept before the first call: a process that restarts while
// a door is closed must not knock.
func (k *doorkeeper) load(ctx context.Context) error {
	if k.loaded.Load() {
		return nil
	}
	k.sharing.Lock()
	defer k.sharing.Unlock()
	if k.loaded.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	if err := k.read(ctx); err != nil {
		return unavailable(err, 0)
	}
	if err := k.count(ctx); err != nil {
		return unavailable(err, 0)
	}
	k.loaded.Store(true)
	return nil
}

// fresh sees to it that a call goes by news that is not old. Where the store
// cannot be asked, it goes by what is known.
func (k *doorkeeper) fresh(ctx context.Context) error {
	if k.doors == nil {
		return nil
	}
	if err := k.load(ctx); err != nil {
		return err
	}
	k.called.Store(true)
	if k.deaf.Load() || k.newsAge() < newsOld {
		return nil
	}
	k.sharing.Lock()
	defer k.sharing.Unlock()
	if k.deaf.Load() || k.newsAge() < newsOld {
		return nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	k.hear(ctx, k.read(ctx))
	return nil
}

// newsAge is how old the news is. News from before the clock was set back is old.
func (k *doorkeeper) newsAge() time.Duration {
	return k.now().Sub(time.Unix(0, k.heard.Load())).Abs()
}

// claim makes a probe known before it leaves. It fails if another process was
// faster, or none could be told: then this process does not probe.
func (k *doorkeeper) claim(ctx context.Context, door gate.Door, p gate.Pass) bool {
	k.sharing.Lock()
	defer k.sharing.Unlock()
	ctx, cancel := detached(ctx)
	defer cancel()
	won, err := k.swap(ctx, k.snapshot().Shared())
	if won {
		return true
	}
	k.mu.Lock()
	k.state = gate.Withdraw(k.state, door, p)
	k.mu.Unlock()
	if err == nil {
		err = k.read(ctx)
	}
	k.hear(ctx, err)
	return false
}

// publish makes what this process knows everybody's.
func (k *doorkeeper) publish(ctx context.Context) {
	k.sharing.Lock()
	defer k.sharing.Unlock()
	ctx, cancel := detached(ctx)
	defer cancel()
	err := k.write(ctx)
	if err == nil {
		err = k.saveRefusals(ctx)
	}
	k.hear(ctx, err)
}

// keep exchanges news until ctx ends: at once while calls are made, now and
// then while none are.
func (k *doorkeeper) keep(ctx context.Context) {
	if k.doors == nil {
		return
	}
	news := time.NewTicker(newsEvery)
	defer news.Stop()
	var settled time.Time
	counts := 0 // what is left to do after a call: writing it, and reading what others wrote meanwhile
	for {
		select {
		case <-ctx.Done():
			last, cancel := detached(ctx)
			defer cancel()
			k.exchange(last, true)
			return
		case <-news.C:
		}
		called := k.called.Swap(false)
		if called {
			counts = 2
		}
		now := k.now()
		passed := now.Sub(settled).Abs()
		due := (counts > 0 || k.deaf.Load()) && passed >= countEvery || passed >= countIdleEvery
		if due {
			settled, counts = now, max(0, counts-1)
		}
		if !called && !due {
			continue // nobody goes by it
		}
		within, cancel := context.WithTimeout(ctx, keepWithin)
		k.exchange(within, due)
		cancel()
	}
}

// exchange reads what others know, writes what they do not, and, where it is
// time to, shares how many calls were made.
func (k *doorkeeper) exchange(ctx context.Context, settle bool) {
	k.sharing.Lock()
	defer k.sharing.Unlock()
	err := k.read(ctx)
	if err == nil {
		err = k.write(ctx)
	}
	if err == nil {
		err = k.saveRefusals(ctx)
	}
	if err == nil && settle {
		err = k.count(ctx)
	}
	if err == nil && settle {
		k.loaded.Store(true)
	}
	k.hear(ctx, err)
}

// read adopts what is kept. sharing is held.
func (k *doorkeeper) read(ctx context.Context) error {
	asked := k.now()
	kept, err := k.doors.Door(ctx, k.app)
	if err != nil {
		return err
	}
	k.heard.Store(asked.UnixNano())
	if kept.Version == k.kept.Version && k.loaded.Load() {
		return nil
	}
	k.kept = kept
	now := k.now()
	k.mu.Lock()
	before := k.state
	k.state = gate.Adopt(before, now, kept.Shared)
	after := k.state
	k.mu.Unlock()
	for _, door := range gate.Doors() {
		k.tell(ctx, door, of(before, door), of(after, door), "another process")
	}
	return nil
}

// write keeps what this process knows better, after what others know. sharing is held.
func (k *doorkeeper) write(ctx context.Context) error {
	for range swapsMost {
		known := gate.Merge(k.snapshot().Shared(), k.kept.Shared)
		if known == k.kept.Shared {
			return nil
		}
		if won, err := k.swap(ctx, known); won || err != nil {
			return err
		}
		if err := k.read(ctx); err != nil {
			return err
		}
	}
	return nil // keep tries again
}

// swap replaces what is kept, if nobody else has. sharing is held.
func (k *doorkeeper) swap(ctx context.Context, to gate.Shared) (bool, error) {
	won, err := k.doors.SwapDoor(ctx, k.app, k.kept.Version, to)
	if won {
		k.kept = gate.Kept{Version: k.kept.Version + 1, Shared: to}
	}
	return won, err
}

// count adds what this process has called to what all have, and takes over what
// others have called and learned. sharing is held.
func (k *doorkeeper) count(ctx context.Context) error {
	now := k.now()
	last, err := k.doors.LastRefusal(ctx, k.app)
	if err != nil {
		return err
	}
	if k.alone {
		k.mu.Lock()
		k.quota.Learn(now, last)
		k.mu.Unlock()
		return nil
	}
	// Others may be late with a bucket that is over. Buckets before that are
	// read once.
	since, known := quota.BucketOf(now.Add(-quota.Window)), time.Time{}
	if recent := quota.BucketOf(k.counted).Add(-quota.BucketLength); !k.counted.IsZero() && !k.counted.After(now) && recent.After(since) {
		since = recent
	} else if known, err = k.doors.CountedSince(ctx, k.app); err != nil {
		return err
	}
	for again := true; again; {
		// A batch that may be there already is written as it was, and what was
		// called since after it.
		again = len(k.waiting) > 0
		if !again {
			k.mu.Lock()
			k.waiting = k.quota.Calls.Own()
			k.mu.Unlock()
			k.batch.Number++
		}
		all, err := k.doors.CountCalls(ctx, k.app, k.batch, k.waiting, since)
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.quota.Calls.Settle(now, since, k.waiting, all)
		k.mu.Unlock()
		k.waiting = nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quota.Learn(now, last)
	if !known.IsZero() && (k.quota.Counted.IsZero() || known.Before(k.quota.Counted)) {
		k.quota.Counted = known
	}
	k.counted = now
	return nil
}

// saveRefusals keeps the refusals that are not stored yet. sharing is held.
func (k *doorkeeper) saveRefusals(ctx context.Context) error {
	k.mu.Lock()
	waiting := k.refusals
	k.mu.Unlock()
	for _, r := range waiting {
		if err := k.doors.SaveRefusal(ctx, k.app, r); err != nil {
			return err
		}
		k.mu.Lock()
		k.refusals = k.refusals[1:]
		k.mu.Unlock()
	}
	return nil
}

// hear logs once that the doors cannot be shared, and once that they can again.
// sharing is held.
func (k *doorkeeper) hear(ctx context.Context, err error) {
	switch {
	case err != nil && !k.deaf.Load():
		k.log.WarnContext(ctx, "the state of spotify's doors cannot be shared; calls go on under what this process knows", "err", err)
	case err == nil && k.deaf.Load():
		k.log.InfoContext(ctx, "the state of spotify's doors is shared again")
	}
	k.deaf.Store(err != nil)
}

// detached outlives the call that brought the news, but not for long.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
}
