package spotify

import (
	"context"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
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
	if err := k.settle(ctx); err != nil {
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
	k.hear(ctx, k.write(ctx))
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
	for {
		select {
		case <-ctx.Done():
			last, cancel := detached(ctx)
			defer cancel()
			k.exchange(last, true)
			return
		case <-news.C:
		}
		now := k.now()
		due := now.Sub(settled).Abs() >= spentEvery
		if due {
			settled = now
		}
		if called := k.called.Swap(false); !called && !due {
			continue // nobody goes by it
		}
		within, cancel := context.WithTimeout(ctx, keepWithin)
		k.exchange(within, due)
		cancel()
	}
}

// exchange reads what others know, writes what they do not, and, where it is
// time to, sums up the day's calls.
func (k *doorkeeper) exchange(ctx context.Context, settle bool) {
	k.sharing.Lock()
	defer k.sharing.Unlock()
	err := k.read(ctx)
	if err == nil {
		err = k.write(ctx)
	}
	if err == nil && settle {
		err = k.settle(ctx)
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

// settle adds what this process has spent to what all have. sharing is held.
func (k *doorkeeper) settle(ctx context.Context) error {
	now := k.now()
	spent, day, own := k.snapshot().Day, gate.Midnight(now), int64(0)
	if spent.Own > 0 {
		day, own = spent.Of, spent.Own // what is left of yesterday comes first
	}
	known, err := k.doors.SpendCalls(ctx, k.app, day, own)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.state = k.state.Settle(day, own, known)
	k.mu.Unlock()
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
