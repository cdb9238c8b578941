package sharding

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeStore leases shards in memory, by the rules of the database store.
type fakeStore struct {
	mu          sync.Mutex
	table       songspy.ShardTable
	unreachable map[string]bool // owners that cannot reach the store
}

var errDown = errors.New("the database is down")

func (f *fakeStore) LeaseShards(_ context.Context, c songspy.ShardClaim) (lease songspy.ShardLease, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unreachable[c.Owner] {
		return lease, errDown
	}
	return f.table.Lease(c, time.Now()), nil
}

func (f *fakeStore) ReleaseShards(_ context.Context, c songspy.ShardClaim) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.Release(c, time.Now())
	return nil
}

// fakeReplica is a replica whose worker only records its shards.
type fakeReplica struct {
	leaser  *Leaser
	mu      sync.Mutex
	loaded  map[int16]time.Time // polledUntil of each loaded shard
	dropped int
	stop    func()
	stopped chan struct{}
}

func (r *fakeReplica) LoadShards(_ context.Context, from map[int16]time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for shard, at := range from {
		r.loaded[shard] = at
	}
	return nil
}

// loadedShards returns polledUntil of each loaded shard.
func (r *fakeReplica) loadedShards() map[int16]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.loaded)
}

func (r *fakeReplica) DropShards(shards []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, shard := range shards {
		delete(r.loaded, shard)
		r.dropped++
	}
}

func (r *fakeReplica) PolledUntil() time.Time { return time.Now() }

const (
	leaseLength = 15 * time.Second
	callTimeout = 10 * time.Second
)

func (f *fakeStore) startReplica(t *testing.T, name string) *fakeReplica {
	t.Helper()
	r := &fakeReplica{loaded: map[int16]time.Time{}, stopped: make(chan struct{})}
	r.leaser = New(Options{
		Store: f, Owner: name, LeaseLength: leaseLength, CallTimeout: callTimeout, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	polled := make(chan struct{})
	go func() { defer close(done); r.leaser.Run(ctx, r, polled) }()
	r.stop = sync.OnceFunc(func() { cancel(); close(polled); <-done })
	t.Cleanup(r.stop)
	return r
}

func newFakeStore() *fakeStore {
	return &fakeStore{table: songspy.NewShardTable(), unreachable: map[string]bool{}}
}

// userOf returns a user of the shard.
func userOf(shard int16) songspy.UserID {
	for id := songspy.UserID(1); ; id++ {
		if songspy.ShardOf(id) == shard {
			return id
		}
	}
}

// countMayCallFor counts, for a user of each shard, the replicas that may begin a
// call. It returns the smallest and the largest count.
func countMayCallFor(all ...*fakeReplica) (least, most int) {
	least = len(all)
	for shard := range int16(songspy.ShardCount) {
		n := 0
		for _, r := range all {
			if r.leaser.MayCallFor(userOf(shard)) {
				n++
			}
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

func TestReplicasShareTheShardsAndNoUserIsPolledByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		all := []*fakeReplica{f.startReplica(t, "one")}
		<-time.After(2 * time.Second)
		if n := all[0].leaser.OwnedCount(); n != songspy.ShardCount || all[0].leaser.Share() != 1 {
			t.Fatalf("a single replica holds %d shards, want all", n)
		}
		all = append(all, f.startReplica(t, "two"), f.startReplica(t, "three"))
		for range 60 {
			<-time.After(500 * time.Millisecond)
			if _, most := countMayCallFor(all...); most > 1 {
				t.Fatalf("a user may be polled by %d replicas", most)
			}
		}
		if least, _ := countMayCallFor(all...); least != 1 {
			t.Error("half a minute after the last replica started, a user is polled by no replica")
		}
		for i, r := range all {
			if n := r.leaser.OwnedCount(); n < 20 || n > 22 || len(r.loadedShards()) != n {
				t.Errorf("replica %d holds %d shards and has loaded %d", i, n, len(r.loadedShards()))
			}
		}
	})
}

func TestADeadReplicaIsReplacedWithinHalfAMinuteFromWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		dead, successor := f.startReplica(t, "dead"), f.startReplica(t, "successor")
		<-time.After(time.Minute)
		f.mu.Lock()
		f.unreachable["dead"] = true
		f.mu.Unlock()
		died, before := time.Now(), successor.loadedShards()
		for successor.leaser.OwnedCount() < songspy.ShardCount || len(successor.loadedShards()) < songspy.ShardCount {
			<-time.After(100 * time.Millisecond)
			if _, most := countMayCallFor(dead, successor); most > 1 {
				t.Fatal("the dead replica and its successor may poll the same user")
			}
		}
		if took := time.Since(died); took > 20*time.Second {
			t.Errorf("the shards were taken over after %v", took)
		}
		for shard, from := range successor.loadedShards() {
			if _, own := before[shard]; !own && (from.After(died) || died.Sub(from) > time.Second) {
				t.Errorf("shard %d continues from %v, %v before the replica stopped", shard, from, died.Sub(from))
			}
		}
		<-time.After(renewInterval) // at its next renewal, the dead replica finds out by its own clock that its leases have expired
		if dead.leaser.OwnedCount() != 0 || dead.leaser.Ready() == nil {
			t.Errorf("the dead replica holds %d shards and Ready returns %v", dead.leaser.OwnedCount(), dead.leaser.Ready())
		}
		if err := successor.leaser.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReplicaWithoutHeartbeatMakesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		r := f.startReplica(t, "one")
		<-time.After(5 * time.Second)
		f.mu.Lock()
		f.unreachable["one"] = true
		f.mu.Unlock()
		<-time.After(500 * time.Millisecond)
		if !r.leaser.MayCallFor(userOf(0)) {
			t.Error("it stops making calls although the renewal is only a little late")
		}
		<-time.After(1200 * time.Millisecond)
		if r.leaser.MayCallFor(userOf(0)) {
			t.Error("it makes calls although it cannot renew its leases")
		}
		<-time.After(time.Minute)
		f.mu.Lock()
		f.unreachable["one"] = false
		f.mu.Unlock()
		<-time.After(3 * time.Second)
		if !r.leaser.MayCallFor(userOf(0)) || len(r.loadedShards()) != songspy.ShardCount || r.leaser.Ready() != nil {
			t.Errorf("after the database works again it holds %d shards and has loaded %d", r.leaser.OwnedCount(), len(r.loadedShards()))
		}
	})
}

func TestAReplicaReleasesItsShardsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStore()
		departing, remaining := f.startReplica(t, "departing"), f.startReplica(t, "remaining")
		<-time.After(time.Minute)
		if departing.leaser.IsLeader() == remaining.leaser.IsLeader() {
			t.Error("two replicas do not have exactly one leader")
		}
		departing.stop()
		<-time.After(2 * time.Second)
		if !remaining.leaser.IsLeader() {
			t.Error("the remaining replica is not the leader")
		}
		if n := remaining.leaser.OwnedCount(); n != songspy.ShardCount {
			t.Errorf("two seconds after the other stopped it holds %d shards, want all", n)
		}
	})
}
