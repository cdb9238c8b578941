package spotify

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/quota"
)

const (
	// newsEvery is how often others' news is read while calls are made.
	newsEvery = 500 * time.Millisecond
	// newsOld is how old the news may be that a call goes by: who has made none
	// for a while reads it first.
	newsOld = 2 * newsEvery
	// countEvery is the time between two writes of how many calls were made, and
	// countIdleEvery while none are: others' calls and refusals are read then.
	countEvery     = 5 * time.Second
	countIdleEvery = 30 * time.Second
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
	// CountCalls adds a batch to the calls of an account, once, and returns its
	// buckets from since on.
	CountCalls(ctx context.Context, account string, batch quota.Batch, calls []quota.Bucket, since time.Time) ([]quota.Bucket, error)
	// CountedSince returns the oldest bucket of an account; the zero time if it has none.
	CountedSince(ctx context.Context, account string) (time.Time, error)
	// SaveRefusal keeps an answer that the quota is exceeded; LastRefusal returns
	// the last one that taught something.
	SaveRefusal(ctx context.Context, account string, r quota.Refusal) error
	LastRefusal(ctx context.Context, account string) (quota.Refusal, error)
}

// doorkeeper holds the gate's state for one app, and shares it.
type doorkeeper struct {
	app   string
	now   func() time.Time
	log   *slog.Logger
	doors Doors // nil: this process is alone
	share func() float64
	// alone says that this process counts the calls for itself: see Config.
	alone bool

	mu    sync.Mutex
	state gate.State
	quota quota.Account
	// refusals are those of this process that are not stored yet; refused counts all of them.
	refusals []quota.Refusal
	refused  int64

	// loaded says that what is kept has been read once, and heard when it was
	// last, in nanoseconds since the Unix epoch.
	loaded atomic.Bool
	heard  atomic.Int64
	called atomic.Bool // since others' news was last read
	deaf   atomic.Bool // the store could not be asked the last time
	// sharing is held while something is read or written; what is below is its own.
	sharing sync.Mutex
	kept    gate.Kept
	counted time.Time // when calls were last written
	// batch is the last one that was written, and waiting are its calls while it is
	// not known whether the store holds them.
	batch   quota.Batch
	waiting []quota.Bucket
}

func newDoorkeeper(c Config) *doorkeeper {
	k := &doorkeeper{
		app: c.App, now: c.Now, log: c.Logger, doors: c.Doors, share: c.Share, alone: c.countAlone || c.Doors == nil,
	}
	k.quota.Most, k.quota.Calls.Alone = c.DailyCalls, k.alone
	k.batch.Process = rand.Text()
	k.loaded.Store(c.Doors == nil)
	return k
}

// enter lets a call of an endpoint through or says why not. A probe leaves only
// once every other process can know of it. A call that has passed counts against
// the quota from the time that is returned on, unless it turns out that it never
// left: see unsent. Those of the token endpoint do not count.
func (k *doorkeeper) enter(ctx context.Context, door gate.Door, u gate.Urgency, e quota.Endpoint) (gate.Pass, time.Time, error) {
	if err := k.fresh(ctx); err != nil {
		return gate.Pass{}, time.Time{}, err
	}
	now, share := k.now(), k.part()
	k.mu.Lock()
	k.state.Share = share
	v := k.decide(now, door, u, e)
	k.mu.Unlock()
	if !v.Allowed {
		return gate.Pass{}, time.Time{}, heldBack(door, v)
	}
	if v.Pass.Probe && k.doors != nil && !k.claim(ctx, door, v.Pass) {
		k.unsent(door, now, e)
		return gate.Pass{}, time.Time{}, heldBack(door, gate.Verdict{Why: gate.WhyProbing, RetryAfter: pause})
	}
	return v.Pass, now, nil
}

// unsent takes a call off the quota that passed the door at that time and never
// left this process.
func (k *doorkeeper) unsent(door gate.Door, passed time.Time, e quota.Endpoint) {
	if door != gate.API {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quota.Uncount(passed, e)
}

// decide asks the quota, then the gate. mu is held. A call for which a person
// waits is not bounded by the quota.
func (k *doorkeeper) decide(now time.Time, door gate.Door, u gate.Urgency, e quota.Endpoint) (v gate.Verdict) {
	if door == gate.API && u != gate.Urgent {
		if wait := k.quota.Wait(now, k.state.Share); wait > 0 {
			return gate.Verdict{Why: gate.WhyBudget, RetryAfter: wait}
		}
	}
	k.state, v = gate.Decide(k.state, now, door, u)
	if v.Allowed && door == gate.API {
		k.quota.Count(now, e)
	}
	return v
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
func (k *doorkeeper) report(ctx context.Context, now time.Time, door gate.Door, p gate.Pass, e quota.Endpoint, o gate.Outcome) {
	k.mu.Lock()
	before := of(k.state, door)
	k.state = gate.Report(k.state, now, door, p, o)
	after := of(k.state, door)
	if o.Result == gate.QuotaExceeded && after.Epoch != before.Epoch {
		k.learn(ctx, now, e, o.RetryAfter, p.Probe)
	}
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

// learn takes over that the quota is exceeded. mu is held. Of many calls that
// come back refused the first one closes the door, and it alone counts.
func (k *doorkeeper) learn(ctx context.Context, now time.Time, e quota.Endpoint, retryAfter time.Duration, probe bool) {
	r := k.quota.Refused(now, e, retryAfter, probe)
	k.quota.Learn(now, r)
	k.refusals = append(k.refusals, r)
	k.refused++
	limit, _ := k.quota.Limit(now)
	k.log.WarnContext(ctx, "spotify refuses calls: the quota of the developer account is exceeded",
		"endpoint", e, "calls", r.Calls.Sum(), "calls_by_endpoint", r.Calls, "retry_after", retryAfter, "planned_calls", limit, "probe", probe)
}

// standing is how the account stands to its quota, and room what it may still call.
func (k *doorkeeper) standing(now time.Time) (quota.Standing, int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quota.Standing(now), k.refused
}

func (k *doorkeeper) room(now time.Time) quota.Room {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quota.Room(now)
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
