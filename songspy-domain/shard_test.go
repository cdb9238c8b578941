package songspy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// simpleLeases leases shards as ShardTable does, but in the simplest way: each shard has its own lease,
// and its own time until which its users were polled.
type simpleLeases struct {
	shards [ShardCount]struct {
		owner              string
		until, polledUntil time.Time
	}
	lastLease map[string]time.Time // the end of each replica's last lease
}

func (s *simpleLeases) renew(c ShardClaim, now time.Time) {
	for i := range s.shards {
		shard := &s.shards[i]
		if shard.owner != c.Owner {
			continue
		}
		shard.until = now.Add(c.TTL)
		if slices.Contains(c.Loaded, int16(i)) && !c.PolledUntil.IsZero() {
			shard.polledUntil = c.PolledUntil
		}
	}
}

func (s *simpleLeases) lease(c ShardClaim, now time.Time) ShardLease {
	s.renew(c, now)
	s.lastLease[c.Owner] = now.Add(c.TTL)
	lease := ShardLease{Acquired: map[int16]time.Time{}}
	for _, until := range s.lastLease {
		if until.After(now.Add(c.TTL * 3 / 4)) {
			lease.Replicas++
		}
	}
	for i := range s.shards {
		shard := &s.shards[i]
		if shard.owner == c.Owner && slices.Contains(c.Release, int16(i)) {
			shard.owner, shard.until = "", now
		}
		if shard.owner == c.Owner {
			lease.Held = append(lease.Held, int16(i))
		}
	}
	for i := range s.shards {
		shard := &s.shards[i]
		if len(lease.Held) < FairShardCount(lease.Replicas) && shard.owner != c.Owner && !shard.until.After(now) && !slices.Contains(c.Release, int16(i)) {
			shard.owner, shard.until = c.Owner, now.Add(c.TTL)
			lease.Held = append(lease.Held, int16(i))
			lease.Acquired[int16(i)] = shard.polledUntil
		}
	}
	return lease
}

func (s *simpleLeases) release(c ShardClaim, now time.Time) {
	s.renew(c, now)
	for i := range s.shards {
		if shard := &s.shards[i]; shard.owner == c.Owner {
			shard.owner, shard.until = "", now
		}
	}
	delete(s.lastLease, c.Owner)
}

func (s *simpleLeases) earliestPolledUntil(now time.Time) (earliest time.Time) {
	for _, shard := range s.shards {
		if shard.until.After(now) && !shard.polledUntil.IsZero() && (earliest.IsZero() || shard.polledUntil.Before(earliest)) {
			earliest = shard.polledUntil
		}
	}
	return earliest
}

func TestShardTable_GivesTheSameLeasesAsOneLeasePerShard(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table, simple := NewShardTable(), simpleLeases{lastLease: map[string]time.Time{}}
		now := time.Unix(1_790_000_000, 0)
		held := map[string][]int16{}
		for range rapid.IntRange(1, 60).Draw(rt, "claims") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, 250 * time.Millisecond, 3 * time.Second, 4 * time.Second, 15 * time.Second, time.Minute}).Draw(rt, "passed"))
			c := ShardClaim{Owner: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "replica"), TTL: 15 * time.Second}
			if rapid.IntRange(0, 4).Draw(rt, "polls") > 0 {
				c.PolledUntil = now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(rt, "behind")) * time.Second)
			}
			for _, shard := range held[c.Owner] { // the replica may have lost some of them
				switch rapid.IntRange(0, 9).Draw(rt, "shard") {
				case 0: // not loaded, or dropped
				case 1:
					c.Release = append(c.Release, shard)
				default:
					c.Loaded = append(c.Loaded, shard)
				}
			}
			if rapid.IntRange(0, 9).Draw(rt, "end") == 0 {
				table.Release(c, now)
				simple.release(c, now)
				delete(held, c.Owner)
			} else {
				got, want := table.Lease(c, now), simple.lease(c, now)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					rt.Fatalf("the lease of %s is\n%v\nwant\n%v", c.Owner, got, want)
				}
				held[c.Owner] = got.Held
			}
			owned := map[string]int{}
			for owner, until := range simple.lastLease {
				if until.After(now) {
					owned[owner] = 0
				}
			}
			for _, s := range simple.shards {
				if s.until.After(now) {
					owned[s.owner]++
				}
			}
			if counts := table.CountLeased(now); !maps.Equal(counts, owned) {
				rt.Fatalf("leased shards of each replica: %v, want %v", counts, owned)
			}
			if got, want := table.EarliestPolledUntil(now), simple.earliestPolledUntil(now); !got.Equal(want) {
				rt.Fatalf("polled until %s, want %s", got, want)
			}
		}
	})
}

func TestShardTable_ARenewalChangesNoShard(t *testing.T) {
	table, now := NewShardTable(), time.Unix(1_790_000_000, 0)
	claim := ShardClaim{Owner: "a", TTL: 15 * time.Second, PolledUntil: now}
	claim.Loaded = table.Lease(claim, now).Held
	table.Lease(claim, now)
	before := table.Clone()
	claim.PolledUntil = now.Add(time.Second)
	table.Lease(claim, now.Add(time.Second))
	if table.Shards != before.Shards {
		t.Error("the renewal changed shards")
	}
	if got := table.EarliestPolledUntil(now); !got.Equal(claim.PolledUntil) {
		t.Errorf("polled until %s, want %s", got, claim.PolledUntil)
	}
}

func TestShardTable_SharesTheShardsOfADeadReplica(t *testing.T) {
	table, now := NewShardTable(), time.Unix(1_790_000_000, 0)
	dead := ShardClaim{Owner: "dead", TTL: 15 * time.Second, PolledUntil: now}
	dead.Loaded = table.Lease(dead, now).Held
	table.Lease(dead, now)
	now = now.Add(14 * time.Second)
	for _, owner := range []string{"b", "c"} {
		table.Lease(ShardClaim{Owner: owner, TTL: 15 * time.Second}, now)
	}
	now = now.Add(2 * time.Second)
	for _, owner := range []string{"b", "c"} {
		lease := table.Lease(ShardClaim{Owner: owner, TTL: 15 * time.Second}, now)
		if len(lease.Acquired) != ShardCount/2 {
			t.Errorf("%s has acquired %d shards", owner, len(lease.Acquired))
		}
		for shard, until := range lease.Acquired {
			if !until.Equal(dead.PolledUntil) {
				t.Fatalf("shard %d was polled until %s, want %s", shard, until, dead.PolledUntil)
			}
		}
	}
}

func TestShardTable_ShortensLeasesAfterTheClockWasSetBack(t *testing.T) {
	const ttl = 15 * time.Second
	for back, wantAlive := range map[time.Duration]int{ClockSkewMax: 2, ClockSkewMax + time.Second: 1} {
		table, now := NewShardTable(), time.Unix(1_790_000_000, 0)
		table.Lease(ShardClaim{Owner: "dead", TTL: ttl}, now)
		now = now.Add(-back)
		for range 2 {
			if lease := table.Lease(ShardClaim{Owner: "a", TTL: ttl}, now); lease.Replicas != wantAlive || len(lease.Held) != 0 {
				t.Errorf("the clock was set back by %s: %d replicas count as alive, want %d; shards held: %d", back, lease.Replicas, wantAlive, len(lease.Held))
			}
		}
		lease := table.Lease(ShardClaim{Owner: "a", TTL: ttl}, now.Add(ttl))
		if shortened := wantAlive == 1; (len(lease.Held) == ShardCount) != shortened {
			t.Errorf("the clock was set back by %s: a replica holds %d shards one lease later", back, len(lease.Held))
		}
	}
}

func TestShardTable_ForgetsADeadReplicaOnceOthersOwnItsShards(t *testing.T) {
	table, now := NewShardTable(), time.Unix(1_790_000_000, 0)
	table.Lease(ShardClaim{Owner: "dead", TTL: time.Second}, now)
	now = now.Add(time.Hour)
	table.Lease(ShardClaim{Owner: "a", TTL: time.Minute}, now)
	if _, known := table.Replicas["dead"]; known || len(table.Replicas) != 1 {
		t.Errorf("replicas: %v", table.Replicas)
	}
}
