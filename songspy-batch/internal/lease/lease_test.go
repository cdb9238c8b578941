package lease

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
type desk struct {
	mu     sync.Mutex
	shards [songspy.Shards]struct {
		owner string
		until time.Time
		done  time.Time
	}
	seen map[string]time.Time
	down map[string]bool // who cannot reach it
}

var errDown = errors.New("the database is down")

func (d *desk) LeaseShards(_ context.Context, c songspy.ShardClaim) (h songspy.ShardHolding, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down[c.Owner] {
		return h, errDown
	}
	now := time.Now()
	for _, shard := range c.Joined {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.done = c.Done
		}
	}
	for _, shard := range c.Release {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.owner, s.until = "", now
		}
	}
	d.seen[c.Owner] = now.Add(c.For)
	for _, until := range d.seen {
		if until.After(now) {
			h.Owners++
		}
	}
	for shard := range d.shards {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.until = now.Add(c.For)
			h.Held = append(h.Held, int16(shard))
		}
	}
	h.Gained = map[int16]time.Time{}
	for shard := range d.shards {
		if s := &d.shards[shard]; len(h.Held) < songspy.FairShards(h.Owners) && s.owner != c.Owner && !s.until.After(now) {
			s.owner, s.until = c.Owner, now.Add(c.For)
			h.Held, h.Gained[int16(shard)] = append(h.Held, int16(shard)), s.done
		}
	}
	return h, nil
}

func (d *desk) LeaveShards(_ context.Context, c songspy.ShardClaim) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for shard := range d.shards {
		if s := &d.shards[shard]; s.owner == c.Owner {
			s.owner, s.until = "", time.Now()
		}
	}
	delete(d.seen, c.Owner)
	return nil
}

// crew is a replica that calls all the while for whom it holds, and notes it.
type crew struct {
	keeper  *Keeper
	mu      sync.Mutex
	joined  map[int16]time.Time // from where
	left    int
	stop    func()
	stopped chan struct{}
}

func (c *crew) Join(_ context.Context, from map[int16]time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for shard, at := range from {
		c.joined[shard] = at
	}
	return nil
}

// looksAfter is from where it looks after each shard.
func (c *crew) looksAfter() map[int16]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.joined)
}

func (c *crew) Leave(shards []int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shard := range shards {
		delete(c.joined, shard)
		c.left++
	}
}

func (c *crew) Done() time.Time { return time.Now() }

const (
	length = 15 * time.Second
	call   = 10 * time.Second
)

func (d *desk) replica(t *testing.T, name string) *crew {
	t.Helper()
	c := &crew{joined: map[int16]time.Time{}, stopped: make(chan struct{})}
	c.keeper = New(Options{
		Store: d, Owner: name, Length: length, Call: call, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	looked := make(chan struct{})
	go func() { defer close(done); c.keeper.Run(ctx, c, looked) }()
	c.stop = sync.OnceFunc(func() { cancel(); close(looked); <-done })
	t.Cleanup(c.stop)
	return c
}

func newDesk() *desk { return &desk{seen: map[string]time.Time{}, down: map[string]bool{}} }

// person is somebody of the shard.
func person(shard int16) songspy.UserID {
	for id := songspy.UserID(1); ; id++ {
		if songspy.ShardOf(id) == shard {
			return id
		}
	}
}

// callers is how many replicas may begin a call for somebody of each shard.
func callers(all ...*crew) (least, most int) {
	least = len(all)
	for shard := range int16(songspy.Shards) {
		n := 0
		for _, c := range all {
			if c.keeper.Holds(person(shard)) {
				n++
			}
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

func TestReplicasShareTheShardsAndNobodyIsAskedByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		all := []*crew{d.replica(t, "one")}
		<-time.After(2 * time.Second)
		if n := all[0].keeper.Held(); n != songspy.Shards || all[0].keeper.Share() != 1 {
			t.Fatalf("alone it holds %d shards", n)
		}
		all = append(all, d.replica(t, "two"), d.replica(t, "three"))
		for range 60 {
			<-time.After(500 * time.Millisecond)
			if _, most := callers(all...); most > 1 {
				t.Fatalf("somebody may be asked by %d replicas", most)
			}
		}
		if least, _ := callers(all...); least != 1 {
			t.Error("somebody is asked by nobody, half a minute after the last came")
		}
		for i, c := range all {
			if n := c.keeper.Held(); n < 20 || n > 22 || len(c.looksAfter()) != n {
				t.Errorf("replica %d holds %d shards and looks after %d", i, n, len(c.looksAfter()))
			}
		}
	})
}

func TestAReplicaThatDiesIsReplacedWithinHalfAMinuteFromWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		dead, heir := d.replica(t, "dead"), d.replica(t, "heir")
		<-time.After(time.Minute)
		d.mu.Lock()
		d.down["dead"] = true
		d.mu.Unlock()
		died, before := time.Now(), heir.looksAfter()
		for heir.keeper.Held() < songspy.Shards || len(heir.looksAfter()) < songspy.Shards {
			<-time.After(100 * time.Millisecond)
			if _, most := callers(dead, heir); most > 1 {
				t.Fatal("the dead one asks whom its heir asks")
			}
		}
		if took := time.Since(died); took > 20*time.Second {
			t.Errorf("taken over after %v", took)
		}
		for shard, from := range heir.looksAfter() {
			if _, own := before[shard]; !own && (from.After(died) || died.Sub(from) > time.Second) {
				t.Errorf("shard %d goes on from %v, %v before it stopped", shard, from, died.Sub(from))
			}
		}
		<-time.After(every) // the dead one notices by its own clock, in its next turn
		if dead.keeper.Held() != 0 || dead.keeper.Ready() == nil {
			t.Errorf("the dead one holds %d shards and says %v", dead.keeper.Held(), dead.keeper.Ready())
		}
		if err := heir.keeper.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReplicaThatCannotSayHowFarItHasComeAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		c := d.replica(t, "one")
		<-time.After(5 * time.Second)
		d.mu.Lock()
		d.down["one"] = true
		d.mu.Unlock()
		<-time.After(500 * time.Millisecond)
		if !c.keeper.Holds(person(0)) {
			t.Error("it stops for a word that is a little late")
		}
		<-time.After(1200 * time.Millisecond)
		if c.keeper.Holds(person(0)) {
			t.Error("it goes on asking though it cannot say how far it has come")
		}
		<-time.After(time.Minute)
		d.mu.Lock()
		d.down["one"] = false
		d.mu.Unlock()
		<-time.After(3 * time.Second)
		if !c.keeper.Holds(person(0)) || len(c.looksAfter()) != songspy.Shards || c.keeper.Ready() != nil {
			t.Errorf("once the database is back it holds %d shards and looks after %d", c.keeper.Held(), len(c.looksAfter()))
		}
	})
}

func TestAReplicaThatEndsInOrderLeavesItsShardsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		leaving, staying := d.replica(t, "leaving"), d.replica(t, "staying")
		<-time.After(time.Minute)
		if leaving.keeper.Leads() == staying.keeper.Leads() {
			t.Error("of two replicas not exactly one leads")
		}
		leaving.stop()
		<-time.After(2 * time.Second)
		if !staying.keeper.Leads() {
			t.Error("the one that stays does not lead")
		}
		if n := staying.keeper.Held(); n != songspy.Shards {
			t.Errorf("two seconds after the other left it holds %d shards", n)
		}
	})
}
