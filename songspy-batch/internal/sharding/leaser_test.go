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

// desk leases shards in memory, by the rules of the store.
type fakeStore struct {
	mu     sync.Mutex
	shards [songspy.ShardCount]struct {
		owner       string
		until       time.Time
		polledUntil time.Time
	}
	aliveUntil  map[string]time.Time
	unreachable map[string]bool // who cannot reach it
}

var errDown = errors.New("the database is down")

func (d *fakeStore) LeaseShards(_ context.Context, c songspy.ShardClaim) (h songspy.ShardLease, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unreachable[c.Owner] {
		return h, errDown
	}
	now := time.Now()
	for _, shard := range c.Loaded {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.polledUntil = c.PolledUntil
		}
	}
	for _, shard := range c.Release {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.owner, s.until = "", now
		}
	}
	d.aliveUntil[c.Owner] = now.Add(c.TTL)
	for _, until := range d.aliveUntil {
		if until.After(now) {
			h.Replicas++
		}
	}
	for shard := range d.shards {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.until = now.Add(c.TTL)
			h.Held = append(h.Held, int16(shard))
		}
	}
	h.Acquired = map[int16]time.Time{}
	for shard := range d.shards {
		if s := &d.shards[shard]; len(h.Held) < songspy.FairShardCount(h.Replicas) && s.owner != c.Owner && !s.until.After(now) {
			s.owner, s.until = c.Owner, now.Add(c.TTL)
			h.Held, h.Acquired[int16(shard)] = append(h.Held, int16(shard)), s.polledUntil
		}
	}
	return h, nil
}

func (d *fakeStore) ReleaseShards(_ context.Context, c songspy.ShardClaim) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for shard := range d.shards {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.owner, s.until = "", time.Now()
		}
	}
	delete(d.aliveUntil, c.Owner)
	return nil
}

// crew is a replica that calls all the while for whom it holds, and notes it.
type fakeReplica struct {
	leaser  *Leaser
	mu      sync.Mutex
	loaded  map[int16]time.Time // from where
	dropped int
	stop    func()
	stopped chan struct{}
}

func (c *fakeReplica) LoadShards(_ context.Context, from map[int16]time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for shard, at := range from {
		c.loaded[shard] = at
	}
	return nil
}

// looksAfter is from where it looks after each shard.
func (c *fakeReplica) loadedShards() map[int16]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.loaded)
}

func (c *fakeReplica) DropShards(shards []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shard := range shards {
		delete(c.loaded, shard)
		c.dropped++
	}
}

func (c *fakeReplica) PolledUntil() time.Time { return time.Now() }

const (
	leaseLength = 15 * time.Second
	callTimeout = 10 * time.Second
)

func (d *fakeStore) startReplica(t *testing.T, name string) *fakeReplica {
	t.Helper()
	c := &fakeReplica{loaded: map[int16]time.Time{}, stopped: make(chan struct{})}
	c.leaser = New(Options{
		Store: d, Owner: name, LeaseLength: leaseLength, CallTimeout: callTimeout, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	polled := make(chan struct{})
	go func() { defer close(done); c.leaser.Run(ctx, c, polled) }()
	c.stop = sync.OnceFunc(func() { cancel(); close(polled); <-done })
	t.Cleanup(c.stop)
	return c
}

func newFakeStore() *fakeStore {
	return &fakeStore{aliveUntil: map[string]time.Time{}, unreachable: map[string]bool{}}
}

// person is somebody of the shard.
func userOf(shard int16) songspy.UserID {
	for id := songspy.UserID(1); ; id++ {
		if songspy.ShardOf(id) == shard {
			return id
		}
	}
}

// callers is how many replicas may begin a call for somebody of each shard.
func countMayPoll(all ...*fakeReplica) (least, most int) {
	least = len(all)
	for shard := range int16(songspy.ShardCount) {
		n := 0
		for _, c := range all {
			if c.leaser.MayPoll(userOf(shard)) {
				n++
			}
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

func TestReplicasShareTheShardsAndNoUserIsPolledByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeStore()
		all := []*fakeReplica{d.startReplica(t, "one")}
		<-time.After(2 * time.Second)
		if n := all[0].leaser.OwnedCount(); n != songspy.ShardCount || all[0].leaser.Share() != 1 {
			t.Fatalf("alone it holds %d shards", n)
		}
		all = append(all, d.startReplica(t, "two"), d.startReplica(t, "three"))
		for range 60 {
			<-time.After(500 * time.Millisecond)
			if _, most := countMayPoll(all...); most > 1 {
				t.Fatalf("somebody may be asked by %d replicas", most)
			}
		}
		if least, _ := countMayPoll(all...); least != 1 {
			t.Error("somebody is asked by nobody, half a minute after the last came")
		}
		for i, c := range all {
			if n := c.leaser.OwnedCount(); n < 20 || n > 22 || len(c.loadedShards()) != n {
				t.Errorf("replica %d holds %d shards and looks after %d", i, n, len(c.loadedShards()))
			}
		}
	})
}

func TestADeadReplicaIsReplacedWithinHalfAMinuteFromWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeStore()
		dead, successor := d.startReplica(t, "dead"), d.startReplica(t, "heir")
		<-time.After(time.Minute)
		d.mu.Lock()
		d.unreachable["dead"] = true
		d.mu.Unlock()
		died, before := time.Now(), successor.loadedShards()
		for successor.leaser.OwnedCount() < songspy.ShardCount || len(successor.loadedShards()) < songspy.ShardCount {
			<-time.After(100 * time.Millisecond)
			if _, most := countMayPoll(dead, successor); most > 1 {
				t.Fatal("the dead one asks whom its heir asks")
			}
		}
		if took := time.Since(died); took > 20*time.Second {
			t.Errorf("taken over after %v", took)
		}
		for shard, from := range successor.loadedShards() {
			if _, own := before[shard]; !own && (from.After(died) || died.Sub(from) > time.Second) {
				t.Errorf("shard %d goes on from %v, %v before it stopped", shard, from, died.Sub(from))
			}
		}
		<-time.After(renewInterval) // the dead one notices by its own clock, in its next turn
		if dead.leaser.OwnedCount() != 0 || dead.leaser.Ready() == nil {
			t.Errorf("the dead one holds %d shards and says %v", dead.leaser.OwnedCount(), dead.leaser.Ready())
		}
		if err := successor.leaser.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReplicaWithoutHeartbeatMakesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeStore()
		c := d.startReplica(t, "one")
		<-time.After(5 * time.Second)
		d.mu.Lock()
		d.unreachable["one"] = true
		d.mu.Unlock()
		<-time.After(500 * time.Millisecond)
		if !c.leaser.MayPoll(userOf(0)) {
			t.Error("it stops for a word that is a little late")
		}
		<-time.After(1200 * time.Millisecond)
		if c.leaser.MayPoll(userOf(0)) {
			t.Error("it goes on asking though it cannot say how far it has come")
		}
		<-time.After(time.Minute)
		d.mu.Lock()
		d.unreachable["one"] = false
		d.mu.Unlock()
		<-time.After(3 * time.Second)
		if !c.leaser.MayPoll(userOf(0)) || len(c.loadedShards()) != songspy.ShardCount || c.leaser.Ready() != nil {
			t.Errorf("once the database is back it holds %d shards and looks after %d", c.leaser.OwnedCount(), len(c.loadedShards()))
		}
	})
}

func TestAReplicaReleasesItsShardsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeStore()
		departing, remaining := d.startReplica(t, "leaving"), d.startReplica(t, "staying")
		<-time.After(time.Minute)
		if departing.leaser.IsLeader() == remaining.leaser.IsLeader() {
			t.Error("of two replicas not exactly one leads")
		}
		departing.stop()
		<-time.After(2 * time.Second)
		if !remaining.leaser.IsLeader() {
			t.Error("the one that stays does not lead")
		}
		if n := remaining.leaser.OwnedCount(); n != songspy.ShardCount {
			t.Errorf("two seconds after the other left it holds %d shards", n)
		}
	})
}
