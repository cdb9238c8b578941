package spotify

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
)

const (
	// newsEvery is how often others' news is read while calls are made.
	newsEvery = 500 * time.Millisecond
	// newsOld is how old the news may be that a call goes by: who has made none
	// for a while reads it first.
	newsOld = 2 * newsEvery
	// spentEvery is the time between two sums of what the day has cost.
	spentEvery = 5 * time.Second
	// keepWithin bounds what sharing a door may take.
	keepWithin = 2 * time.Second
	// swapsMost bounds how often a process gives way to others that write at once.
	swapsMost = 8
)

// Doors keeps the doors of an instance's apps, for all its processes.
type Doors interface {
	// Door is what is kept of an app; the zero Kept if nothing is.
	Door(ctx context.Context, app string) (gate.Kept, error)
	// SwapDoor replaces what is kept, if it is still of that version; it
	// reports false if another process was faster.
	SwapDoor(ctx context.Context, app string, version int64, to gate.Shared) (bool, error)
	// SpendCalls adds to the calls that the app has made on a day, and returns
	// their sum.
	SpendCalls(ctx context.Context, app string, day time.Time, calls int64) (int64, error)
}

// doorkeeper holds the gate's state for one app, and shares it.
type doorkeeper struct {
	app   string
	now   func() time.Time
	log   *slog.Logger
	doors Doors // nil: this process is alone
	share func() float64

	mu    sync.Mutex
	state gate.State

	// loaded says that what is kept has been read once, and heard when it was
	// last, in nanoseconds since the Unix epoch.
	loaded atomic.Bool
	heard  atomic.Int64
	called atomic.Bool // since others' news was last read
	deaf   atomic.Bool // the store could not be asked the last time
	// sharing is held while something is read or written; what is below is its own.
	sharing sync.Mutex
	kept    gate.Kept
}

func newDoorkeeper(c Config) *doorkeeper {
	k := &doorkeeper{
		app: c.App, now: c.Now, log: c.Logger, doors: c.Doors, share: c.Share,
		state: gate.State{Day: gate.Day{Most: c.DailyCalls}},
	}
	k.loaded.Store(c.Doors == nil)
	return k
}

// enter lets a call through or says why not. A probe leaves only once every
// other process can know of it.
func (k *doorkeeper) enter(ctx context.Context, door gate.Door, u gate.Urgency) (gate.Pass, error) {
	if err := k.fresh(ctx); err != nil {
		return gate.Pass{}, err
	}
	now, share := k.now(), k.part()
	k.mu.Lock()
	k.state.Share = share
	next, v := gate.Decide(k.state, now, door, u)
	k.state = next
	k.mu.Unlock()
	if !v.Allowed {
		return gate.Pass{}, heldBack(door, v)
	}
	if v.Pass.Probe && k.doors != nil && !k.claim(ctx, door, v.Pass) {
		return gate.Pass{}, heldBack(door, gate.Verdict{Why: gate.WhyProbing, RetryAfter: pause})
	}
	return v.Pass, nil
}

// part is the share of the app's pace that this process may use.
func (k *doorkeeper) part() float64 {
	if k.share == nil {
		return 1
	}
	return k.share()
}

// look is enter for somebody who only asks.
func (k *doorkeeper) look(ctx context.Context, door gate.Door) error {
	if err := k.fresh(ctx); err != nil {
		return err
	}
	if _, v := gate.Decide(k.snapshot(), k.now(), door, gate.Urgent); !v.Allowed {
		return heldBack(door, v)
	}
	return nil
}

// report enters what became of a call at that time, and tells the operator and
// the other processes of a door that opens or closes by it.
func (k *doorkeeper) report(ctx context.Context, now time.Time, door gate.Door, p gate.Pass, o gate.Outcome) {
	k.mu.Lock()
	before := of(k.state, door)
	k.state = gate.Report(k.state, now, door, p, o)
	after := of(k.state, door)
	k.mu.Unlock()
	k.tell(ctx, door, before, after, "this process")
	// Hundreds of calls that were out come back refused when a door closes; if
	// they lengthen the closing, keep says so within a moment.
	if after.Epoch != before.Epoch && k.doors != nil {
		k.publish(ctx)
	}
}

// forbid closes the Web API's door, see gate.Forbid, and tells the operator and
// the other processes.
func (k *doorkeeper) forbid(ctx context.Context) {
	k.mu.Lock()
	before := of(k.state, gate.API)
	k.state = gate.Forbid(k.state, k.now())
	after := of(k.state, gate.API)
	k.mu.Unlock()
	k.tell(ctx, gate.API, before, after, "this process")
	if after.Epoch != before.Epoch && k.doors != nil {
		k.publish(ctx)
	}
}

// tell logs what has happened to a door, and who saw it.
func (k *doorkeeper) tell(ctx context.Context, door gate.Door, before, after gate.DoorState, by string) {
	switch {
	case before.Why == after.Why && !after.ClosedUntil.After(before.ClosedUntil):
	case after.Why == "":
		k.log.InfoContext(ctx, "spotify door opened", "door", door, "seen_by", by)
	default:
		k.log.WarnContext(ctx, "spotify door closed: no call passes before the time given",
			"door", door, "why", after.Why, "until", after.ClosedUntil.UTC(), "seen_by", by)
	}
}

func (k *doorkeeper) snapshot() gate.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

func of(s gate.State, door gate.Door) gate.DoorState {
	if door == gate.Accounts {
		return s.Accounts
	}
	return s.API
}
