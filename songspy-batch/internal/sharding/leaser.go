// Package lease divides the listeners among the replicas of the batch. Each
// leases shards of them in the database, for some seconds at a time, and says
// four times a second how far its looks have come, so that whoever takes a shard over
// goes on where the other stopped. While it cannot say so it asks nobody.
//
// A replica counts its lease by its own monotonic clock from before it asked
// for it, and begins no call that could outlast it. So however late it learns
// that it has lost a shard, it asks nobody whom another asks.
package sharding

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// every is the time between two words to the database.
	renewInterval = 250 * time.Millisecond
	// silence is how long the last word may lie back: what is asked after it
	// would be asked again by whoever takes over.
	maxHeartbeatAge = time.Second
)

// Store is where shards are leased.
type Store interface {
	LeaseShards(ctx context.Context, c songspy.ShardClaim) (songspy.ShardLease, error)
	// LeaveShards gives up all that the claim's owner holds.
	ReleaseShards(ctx context.Context, c songspy.ShardClaim) error
}

// Worker looks after the people of shards.
type Worker interface {
	// Join reads the people of shards, each with the time before which every
	// look at them has been made (zero: unknown), and plans from there on.
	LoadShards(ctx context.Context, from map[int16]time.Time) error
	// Leave forgets the people of shards.
	DropShards(shards []int16)
	// Done is the time before which every look that was due has been made.
	PolledUntil() time.Time
}

// Options are what a Keeper works with; all are needed.
type Options struct {
	Store Store
	// Owner names this replica, and no other.
	Owner string
	// Length is how long a lease lasts without another word.
	LeaseLength time.Duration
	// Call is how long a call may last, from when it is known to be allowed.
	CallTimeout time.Duration
	Now         func() time.Time
	Logger      *slog.Logger
	Metrics     *Metrics
}

// Keeper keeps the leases of one replica.
type Leaser struct {
	Options
	startedAt time.Time

	owned    atomic.Uint64 // a bit for each shard that is this replica's
	loaded   atomic.Uint64 // whose people have been read, too
	leaseEnd atomic.Int64  // when the leases are over, in nanoseconds since begun
	replicas atomic.Int64

	loads   sync.WaitGroup
	loading atomic.Bool // a Join is under way

	// What follows is Run's own.
	worker       Worker
	polledUntil  map[int16]time.Time // how far others had come with shards that were not joined yet
	releasing    map[int16]time.Time // shards given up, and when calls for them are over
	failing      bool
	failingSince atomic.Int64 // since when the database has not answered, as until; 0: it does
}

// New makes a Keeper that holds nothing yet.
func New(o Options) *Leaser {
	k := &Leaser{Options: o, startedAt: o.Now(), polledUntil: map[int16]time.Time{}, releasing: map[int16]time.Time{}}
	o.Metrics.registerGauges(k)
	return k
}

// Owns reports whether the person is of this replica's shards.
func (k *Leaser) Owns(id songspy.UserID) bool { return k.owned.Load()&bit(songspy.ShardOf(id)) != 0 }

// Joined reports whether the people of the person's shard have been read here.
func (k *Leaser) Loaded(id songspy.UserID) bool {
	return k.owned.Load()&k.loaded.Load()&bit(songspy.ShardOf(id)) != 0
}

// Holds reports whether a call for the person may begin now.
func (k *Leaser) MayPoll(id songspy.UserID) bool { return k.Owns(id) && k.MayCall() }

// May reports whether a call for anybody may begin now: the lease outlasts it,
// and the last word is not old.
func (k *Leaser) MayCall() bool {
	over := time.Duration(k.leaseEnd.Load())
	now := k.Now().Sub(k.startedAt)
	return now+k.CallTimeout < over && now < over-k.LeaseLength+maxHeartbeatAge
}

// Held is how many shards are this replica's.
func (k *Leaser) OwnedCount() int { return bits.OnesCount64(k.owned.Load()) }

// Leads reports whether this replica is the one that does what is to be done
// once for all of them: the first shard is its own.
func (k *Leaser) IsLeader() bool { return k.owned.Load()&bit(0) != 0 }

// Share is the part of all listeners that is this replica's, from 0 to 1.
func (k *Leaser) Share() float64 { return float64(k.OwnedCount()) / songspy.ShardCount }

// Run keeps the leases for the worker until ctx ends. What is held stays held,
// and is renewed, until stopped is closed: by then the last look has been made
// and written.
func (k *Leaser) Run(ctx context.Context, worker Worker, stopped <-chan struct{}) {
	k.worker = worker
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-work.Done():
		}
	}()
	for again := true; again; again = delayqueue.Wait(work, renewInterval) {
		k.renew(work, ctx)
	}
	k.loads.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.LeaseLength/3)
	defer cancel()
	if err := k.Store.ReleaseShards(last, k.newClaim()); err != nil {
		k.Logger.WarnContext(ctx, "the shards could not be given up; others take them when the leases are over", "err", err)
	}
}

func (k *Leaser) newClaim() songspy.ShardClaim {
	c := songspy.ShardClaim{Owner: k.Owner, TTL: k.LeaseLength, PolledUntil: k.worker.PolledUntil(), Loaded: shardsOf(k.owned.Load() & k.loaded.Load())}
	now := k.Now()
	for shard, over := range k.releasing {
		if !now.Before(over) {
			c.Release = append(c.Release, shard)
		}
	}
	return c
}

// turn says how far this replica has come, and hears what is its own. Joins
// end with joiner, the rest with ctx.
func (k *Leaser) renew(ctx, loadCtx context.Context) {
	asked := k.Now()
	c := k.newClaim()
	within, cancel := context.WithTimeout(ctx, k.LeaseLength/3)
	h, err := k.Store.LeaseShards(within, c)
	cancel()
	if err != nil {
		k.handleFailure(ctx, err, asked)
		return
	}
	if k.failing {
		k.Logger.InfoContext(ctx, "the shards can be leased again")
	}
	k.failing = false
	k.failingSince.Store(0)
	for _, shard := range c.Release {
		delete(k.releasing, shard)
	}
	k.applyLease(ctx, h, asked)
	k.startLoading(loadCtx)
}

// fail deals with a database that does not answer: nothing is asked of Spotify
// once the leases are nearly over, and everyone is forgotten when they are.
func (k *Leaser) handleFailure(ctx context.Context, err error, asked time.Time) {
	if ctx.Err() != nil {
		return
	}
	if !k.failing {
		k.failingSince.Store(int64(asked.Sub(k.startedAt)) + 1)
		k.Logger.WarnContext(ctx, "the shards cannot be leased; the leases held go on until they are over", "err", err)
	}
	k.failing = true
	if owned := k.owned.Load(); owned != 0 && k.Now().Sub(k.startedAt) >= time.Duration(k.leaseEnd.Load()) {
		k.dropShards(owned)
		k.Logger.WarnContext(ctx, "the leases are over: nobody is asked", "shards", bits.OnesCount64(owned))
	}
}

// hold takes over what is held now.
func (k *Leaser) applyLease(ctx context.Context, h songspy.ShardLease, asked time.Time) {
	var held uint64
	for _, shard := range h.Held {
		if _, gone := k.releasing[shard]; !gone {
			held |= bit(shard)
		}
	}
	k.replicas.Store(int64(h.Replicas))
	owned := k.owned.Load()
	if lost := owned &^ held; lost != 0 {
		k.dropShards(lost)
		k.Logger.WarnContext(ctx, "others have taken shards over", "shards", bits.OnesCount64(lost))
	}
	for shard, from := range h.Acquired {
		k.polledUntil[shard] = from
	}
	// One that was dropped here while it stayed ours in the database was not
	// gained, and how far it had come is not told.
	for _, shard := range shardsOf(held &^ owned) {
		if _, ok := k.polledUntil[shard]; !ok {
			k.polledUntil[shard] = time.Time{}
		}
	}
	k.leaseEnd.Store(int64(asked.Sub(k.startedAt) + k.LeaseLength))
	k.owned.Store(held)
	if gained := held &^ owned; gained != 0 {
		k.Logger.InfoContext(ctx, "shards taken", "shards", bits.OnesCount64(gained), "held", bits.OnesCount64(held), "replicas", h.Replicas)
		k.Metrics.countAcquired(bits.OnesCount64(gained))
	}
	if surplus := bits.OnesCount64(held) - songspy.FairShardCount(h.Replicas); surplus > 0 {
		k.releaseSurplus(ctx, held, surplus)
	}
}

// giveUp leaves so many shards to a newcomer, who gets them once no call for
// their people can be under way.
func (k *Leaser) releaseSurplus(ctx context.Context, held uint64, surplus int) {
	var released uint64
	for _, shard := range shardsOf(held)[:surplus] {
		released |= bit(shard)
		k.releasing[shard] = k.Now().Add(k.CallTimeout)
	}
	k.dropShards(released)
	k.Logger.InfoContext(ctx, "shards given up for other replicas", "shards", surplus)
}

// drop forgets shards, and their people.
func (k *Leaser) dropShards(shards uint64) {
	k.owned.And(^shards)
	k.loaded.And(^shards)
	for _, shard := range shardsOf(shards) {
		delete(k.polledUntil, shard)
	}
	k.worker.DropShards(shardsOf(shards))
}

// join has the people read of shards that are ours and not looked after yet.
func (k *Leaser) startLoading(ctx context.Context) {
	waiting := k.owned.Load() &^ k.loaded.Load()
	if waiting == 0 || ctx.Err() != nil || !k.loading.CompareAndSwap(false, true) {
		return
	}
	from := map[int16]time.Time{}
	for _, shard := range shardsOf(waiting) {
		from[shard] = k.polledUntil[shard]
	}
	k.loads.Go(func() {
		defer k.loading.Store(false)
		if err := k.worker.LoadShards(ctx, from); err != nil {
			if ctx.Err() == nil {
				k.Logger.WarnContext(ctx, "the people of new shards could not be read; trying again", "err", err)
			}
			return
		}
		k.loaded.Or(waiting & k.owned.Load())
		// Who was dropped while they were read must not stay.
		if lost := waiting &^ k.owned.Load(); lost != 0 {
			k.loaded.And(^lost)
			k.worker.DropShards(shardsOf(lost))
		}
	})
}

func bit(shard int16) uint64 { return 1 << uint(shard) }

func shardsOf(set uint64) (shards []int16) {
	for ; set != 0; set &= set - 1 {
		shards = append(shards, int16(bits.TrailingZeros64(set)))
	}
	return shards
}

// Ready says what keeps this replica from its work; nil: nothing does.
func (k *Leaser) Ready() error {
	if since := k.failingSince.Load(); since != 0 && k.Now().Sub(k.startedAt) >= time.Duration(k.leaseEnd.Load()) {
		return &songspy.Error{
			Code: songspy.CodeUnavailable,
			Message: fmt.Sprintf("The database has not renewed this replica's leases since %s, so it asks nobody.",
				k.startedAt.Add(time.Duration(since)).UTC().Format(time.RFC3339)),
		}
	}
	return nil
}

// Notes says in a sentence what this replica's part of the work is.
func (k *Leaser) Notes() []string {
	switch owners := k.replicas.Load(); {
	case owners == 0:
		return []string{"This replica waits for its first leases."}
	case k.OwnedCount() == 0:
		return []string{fmt.Sprintf("This replica looks after nobody yet: the other %d hold every shard.", owners-1)}
	default:
		return []string{fmt.Sprintf("This replica looks after %d of %d shards; %d in all are at work.", k.OwnedCount(), songspy.ShardCount, owners)}
	}
}

// Metrics are those of the leases.
type Metrics struct {
	registerer prometheus.Registerer
	acquired   prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{registerer: reg, acquired: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "songspy_batch_shards_taken_total",
		Help: "Shards that this replica has taken, at its start or from others.",
	})}
	reg.MustRegister(m.acquired)
	return m
}

func (m *Metrics) countAcquired(shards int) { m.acquired.Add(float64(shards)) }

func (m *Metrics) registerGauges(k *Leaser) {
	gauge := func(name, help string, value func() float64) {
		m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("songspy_batch_shards_held", "Shards of the listeners that this replica looks after, of 64.",
		func() float64 { return float64(k.OwnedCount()) })
	gauge("songspy_batch_replicas", "Replicas of the batch that are alive, as far as this one knows.",
		func() float64 { return float64(k.replicas.Load()) })
}
