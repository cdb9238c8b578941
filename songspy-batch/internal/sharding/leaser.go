// Package sharding divides the users among the replicas of the batch.
//
// Each replica leases shards of users in the database, for some seconds at a time. Four times a
// second it renews its leases, and stores the time until which it has made all due polls. A
// replica that gets a shard from another continues from that time. A replica that could not renew
// its leases for a second makes no calls until it can.
//
// A replica measures the time of its leases with its own monotonic clock, from the moment
// before it requests them. It begins no call that could outlast the lease. So two replicas
// never poll a user at the same time, however late a replica learns that it has lost a
// shard.
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
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// renewInterval is how often a replica renews its leases of shards (parts
	// of the users) in the database.
	renewInterval = 250 * time.Millisecond
	// maxRenewalAge is how long after the last renewal of its leases a replica may begin calls.
	// If another replica takes over its shards, that replica repeats all calls since that
	// renewal, so these calls must be few.
	maxRenewalAge = time.Second
)

// Store holds the leases of shards.
type Store interface {
	// LeaseShards renews the leases of the replica that makes the claim, stores the time until
	// which it has made all due polls, and leases it free shards, up to its fair share of all
	// shards.
	LeaseShards(ctx context.Context, c songspy.ShardClaim) (songspy.ShardLease, error)
	// ReleaseShards ends all leases of the replica that makes the claim.
	ReleaseShards(ctx context.Context, c songspy.ShardClaim) error
}

// Worker polls the users of the shards that this replica owns.
type Worker interface {
	// LoadShards reads the users of shards and plans their polls. The keys of polledUntil are
	// these shards. The value is the time until which the shard's previous owner has made all due
	// polls, or the zero time if that is unknown.
	LoadShards(ctx context.Context, polledUntil map[int16]time.Time) error
	// DropShards removes the users of shards.
	DropShards(shards []int16)
	// PolledUntil returns the time before which all due polls have been made.
	PolledUntil() time.Time
}

// Options configure a Leaser. All fields are required.
type Options struct {
	Store Store
	// Owner is a name that only this replica has.
	Owner string
	// LeaseLength is how long a lease of a shard is valid if it is not renewed. Three quarters of it
	// are at least CallTimeout plus maxRenewalAge, because ShardTable shortens leases to that after the
	// clock was set back.
	LeaseLength time.Duration
	// CallTimeout is the longest time that a call to Spotify takes.
	CallTimeout time.Duration
	Now         func() time.Time
	Logger      *slog.Logger
	Metrics     *Metrics
}

// Leaser leases shards for one replica. Run does the work; the other methods may
// be called at any time, by any goroutine.
type Leaser struct {
	Options
	startedAt time.Time

	owned        atomic.Uint64 // one bit for each shard that this replica owns
	loaded       atomic.Uint64 // one bit for each shard whose users have been read
	leaseEnd     atomic.Int64  // when the leases expire, in nanoseconds since startedAt
	replicas     atomic.Int64
	failingSince atomic.Int64 // when the renewals began to fail, in nanoseconds since startedAt, plus 1; 0 means that the last renewal succeeded
}

// New returns a Leaser that owns no shards yet.
func New(o Options) *Leaser {
	l := &Leaser{Options: o, startedAt: o.Now()}
	o.Metrics.registerGauges(l)
	return l
}

// Owns reports whether this replica has leased the user's shard (1 of 64 parts
// of the users), so that no other replica polls the user.
func (l *Leaser) Owns(id songspy.UserID) bool { return l.owned.Load()&bit(songspy.ShardOf(id)) != 0 }

// Loaded reports whether this replica owns the user's shard and has read its users.
func (l *Leaser) Loaded(id songspy.UserID) bool {
	return l.owned.Load()&l.loaded.Load()&bit(songspy.ShardOf(id)) != 0
}

// MayCallFor reports whether this replica may begin a call to Spotify for the user
// now.
func (l *Leaser) MayCallFor(id songspy.UserID) bool { return l.Owns(id) && l.MayCall() }

// MayCall reports whether this replica may begin any call to Spotify now: its
// leases will still be valid when the call ends, and it renewed them less than
// maxRenewalAge ago.
func (l *Leaser) MayCall() bool {
	end := time.Duration(l.leaseEnd.Load())
	now := l.Now().Sub(l.startedAt)
	return now+l.CallTimeout < end && now < end-l.LeaseLength+maxRenewalAge
}

// OwnedCount returns the number of shards that this replica owns.
func (l *Leaser) OwnedCount() int { return bits.OnesCount64(l.owned.Load()) }

// IsLeader reports whether this replica does the work that only one replica
// must do. The leader is the replica that owns the first shard.
func (l *Leaser) IsLeader() bool { return l.owned.Load()&bit(0) != 0 }

// Share returns the fraction of all users that this replica polls, from 0 to 1.
func (l *Leaser) Share() float64 { return float64(l.OwnedCount()) / songspy.ShardCount }

// Run leases shards, whose users the worker polls, until ctx ends. Then it keeps renewing the
// leases, without reading users of new shards, until the channel stopped is closed. The caller
// closes that channel after the last poll has been made and written. At the end Run releases all
// shards.
func (l *Leaser) Run(ctx context.Context, worker Worker, stopped <-chan struct{}) {
	r := &leaseRun{leaser: l, worker: worker, polledUntil: map[int16]time.Time{}, releasing: map[int16]time.Time{}}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-work.Done():
		}
	}()
	for more := true; more; more = delayqueue.Wait(work, renewInterval) {
		r.renew(work, ctx)
	}
	r.loads.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.LeaseLength/3)
	defer cancel()
	if err := l.Store.ReleaseShards(last, r.newClaim()); err != nil {
		l.Logger.WarnContext(ctx, "releasing the shards failed; others acquire them when the leases expire", logkey.Error, err)
	}
}

// leaseRun is the state of one call of Run. Only the goroutine of Run uses it,
// except for the fields worker, loads and loading.
type leaseRun struct {
	leaser      *Leaser
	worker      Worker
	polledUntil map[int16]time.Time // for each owned shard, the time until which its previous owner has made all due polls; zero if that is unknown
	releasing   map[int16]time.Time // for each shard that is being given up, the time from which no call for its users can be running
	failing     bool                // whether the last renewal failed

	loads   sync.WaitGroup
	loading atomic.Bool // whether a LoadShards is running
}

func (r *leaseRun) newClaim() songspy.ShardClaim {
	l := r.leaser
	c := songspy.ShardClaim{Owner: l.Owner, TTL: l.LeaseLength, PolledUntil: r.worker.PolledUntil(), Loaded: shardsOf(l.owned.Load() & l.loaded.Load())}
	now := l.Now()
	for shard, end := range r.releasing {
		if !now.Before(end) {
			c.Release = append(c.Release, shard)
		}
	}
	return c
}

// renew renews the leases of shards in the database and applies the answer. The context ctx ends
// the renewal. The context loadCtx ends the reading of users, which renew starts in the
// background.
func (r *leaseRun) renew(ctx, loadCtx context.Context) {
	l := r.leaser
	requestedAt := l.Now()
	c := r.newClaim()
	within, cancel := context.WithTimeout(ctx, l.LeaseLength/3)
	lease, err := l.Store.LeaseShards(within, c)
	cancel()
	if err != nil {
		r.handleFailure(ctx, err, requestedAt)
		return
	}
	if r.failing {
		l.Logger.InfoContext(ctx, "the shards can be leased again")
	}
	r.failing = false
	l.failingSince.Store(0)
	for _, shard := range c.Release {
		delete(r.releasing, shard)
	}
	r.applyLease(ctx, lease, requestedAt)
	r.startLoading(loadCtx)
}

// handleFailure handles a failed renewal of the leases. MayCall forbids calls
// from a second after the last renewal (maxRenewalAge). When the leases have
// expired, handleFailure gives up all shards and their users.
func (r *leaseRun) handleFailure(ctx context.Context, err error, requestedAt time.Time) {
	if ctx.Err() != nil {
		return
	}
	l := r.leaser
	if !r.failing {
		l.failingSince.Store(int64(requestedAt.Sub(l.startedAt)) + 1)
		l.Logger.WarnContext(ctx, "renewing the leases failed: a second after the last renewal, this replica makes no more calls until a renewal succeeds", logkey.Error, err)
	}
	r.failing = true
	if owned := l.owned.Load(); owned != 0 && l.Now().Sub(l.startedAt) >= time.Duration(l.leaseEnd.Load()) {
		r.dropShards(owned)
		l.Logger.ErrorContext(ctx, "the leases have expired: this replica has given up its shards and polls no user", logkey.Shards, bits.OnesCount64(owned))
	}
}

// applyLease sets the owned shards to those that the store has leased to this replica. It drops
// lost shards, and gives up shards beyond the fair share. requestedAt is when the request began:
// the length of the leases counts from then.
func (r *leaseRun) applyLease(ctx context.Context, lease songspy.ShardLease, requestedAt time.Time) {
	l := r.leaser
	var held uint64
	for _, shard := range lease.Held {
		if _, released := r.releasing[shard]; !released {
			held |= bit(shard)
		}
	}
	l.replicas.Store(int64(lease.Replicas))
	owned := l.owned.Load()
	if lost := owned &^ held; lost != 0 {
		r.dropShards(lost)
		l.Logger.WarnContext(ctx, "other replicas have acquired shards of this one", logkey.Shards, bits.OnesCount64(lost))
	}
	for shard, from := range lease.Acquired {
		r.polledUntil[shard] = from
	}
	// A shard that this replica gave up in memory but that stayed leased to it in the database is
	// not in Acquired. The time until which its polls were made is then unknown (zero).
	for _, shard := range shardsOf(held &^ owned) {
		if _, ok := r.polledUntil[shard]; !ok {
			r.polledUntil[shard] = time.Time{}
		}
	}
	l.leaseEnd.Store(int64(requestedAt.Sub(l.startedAt) + l.LeaseLength))
	l.owned.Store(held)
	if gained := held &^ owned; gained != 0 {
		l.Logger.InfoContext(ctx, "shards acquired", logkey.Shards, bits.OnesCount64(gained), "held", bits.OnesCount64(held), "replicas", lease.Replicas)
		l.Metrics.countAcquired(bits.OnesCount64(gained))
	}
	if surplus := bits.OnesCount64(held) - songspy.FairShardCount(lease.Replicas); surplus > 0 {
		r.releaseSurplus(ctx, held, surplus)
	}
}

// releaseSurplus gives up as many shards as this replica has beyond its fair share
// (surplus). It drops their users at once, and releases the leases after CallTimeout,
// when no call for these users can be running any more.
func (r *leaseRun) releaseSurplus(ctx context.Context, held uint64, surplus int) {
	var released uint64
	for _, shard := range shardsOf(held)[:surplus] {
		released |= bit(shard)
		r.releasing[shard] = r.leaser.Now().Add(r.leaser.CallTimeout)
	}
	r.dropShards(released)
	r.leaser.Logger.InfoContext(ctx, "shards released for other replicas", logkey.Shards, surplus)
}

// dropShards marks shards as not owned and makes the worker remove their users
// from memory. The users stay in the database for the next owner.
func (r *leaseRun) dropShards(shards uint64) {
	r.leaser.owned.And(^shards)
	r.leaser.loaded.And(^shards)
	for _, shard := range shardsOf(shards) {
		delete(r.polledUntil, shard)
	}
	r.worker.DropShards(shardsOf(shards))
}

// startLoading makes the worker read the users of newly owned shards from the
// database in the background. Only one such read runs at a time; the shards
// that are acquired in the meantime are read after it.
func (r *leaseRun) startLoading(ctx context.Context) {
	l := r.leaser
	waiting := l.owned.Load() &^ l.loaded.Load()
	if waiting == 0 || ctx.Err() != nil || !r.loading.CompareAndSwap(false, true) {
		return
	}
	polledUntil := map[int16]time.Time{}
	for _, shard := range shardsOf(waiting) {
		polledUntil[shard] = r.polledUntil[shard]
	}
	r.loads.Go(func() {
		defer r.loading.Store(false)
		if err := r.worker.LoadShards(ctx, polledUntil); err != nil {
			if ctx.Err() == nil {
				l.Logger.WarnContext(ctx, "reading the users of new shards failed; trying again", logkey.Error, err)
			}
			return
		}
		l.loaded.Or(waiting & l.owned.Load())
		// This replica may have lost some of these shards while their users
		// were read.
		if lost := waiting &^ l.owned.Load(); lost != 0 {
			l.loaded.And(^lost)
			r.worker.DropShards(shardsOf(lost))
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

// Ready returns an error if the leases have expired because the database does not answer.
func (l *Leaser) Ready() error {
	if since := l.failingSince.Load(); since != 0 && l.Now().Sub(l.startedAt) >= time.Duration(l.leaseEnd.Load()) {
		return &songspy.Error{
			Code: songspy.CodeUnavailable,
			Message: fmt.Sprintf("The database has not renewed this replica's leases since %s, so it polls no user.",
				l.startedAt.Add(time.Duration(since)).UTC().Format(time.RFC3339)),
		}
	}
	return nil
}

// Notes returns, for the operator, a sentence about how many shards this replica holds, or about the
// database that does not renew its leases.
func (l *Leaser) Notes() []string {
	switch replicas := l.replicas.Load(); {
	case l.failingSince.Load() != 0:
		return []string{"The database does not renew this replica's leases. The replica makes no call until it does."}
	case replicas == 0:
		return []string{"This replica waits for its first leases."}
	case l.OwnedCount() == 0:
		return []string{fmt.Sprintf("This replica holds no shard yet. Running replicas: %d.", replicas)}
	default:
		return []string{fmt.Sprintf("This replica holds %d of %d shards. Running replicas: %d.", l.OwnedCount(), songspy.ShardCount, replicas)}
	}
}

// Metrics are the metrics of the leases.
type Metrics struct {
	registerer prometheus.Registerer
	acquired   prometheus.Counter
}

// NewMetrics makes the metrics and registers them with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{registerer: reg, acquired: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "songspy_batch_shards_acquired_total",
		Help: "Shards that this replica has acquired, at its start or from others.",
	})}
	reg.MustRegister(m.acquired)
	return m
}

func (m *Metrics) countAcquired(shards int) { m.acquired.Add(float64(shards)) }

func (m *Metrics) registerGauges(l *Leaser) {
	gauge := func(name, help string, value func() float64) {
		m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("songspy_batch_shards_held", "Shards of users that this replica holds, of 64.",
		func() float64 { return float64(l.OwnedCount()) })
	gauge("songspy_batch_replicas", "Replicas of the batch that are alive, as far as this one knows.",
		func() float64 { return float64(l.replicas.Load()) })
}
