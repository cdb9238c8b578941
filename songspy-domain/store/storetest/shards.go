package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// replica is a replica of the batch that leases shards (parts of the users). held are the
// shards that its last call of LeaseShards returned.
type replica struct {
	b    *fixture
	name string
	held map[int16]bool
}

func (r *replica) lease(t *testing.T, length time.Duration, release ...int16) songspy.ShardLease {
	t.Helper()
	loaded := make([]int16, 0, len(r.held))
	for shard := range r.held {
		loaded = append(loaded, shard)
	}
	lease := value[songspy.ShardLease](t)(r.b.LeaseShards(t.Context(), songspy.ShardClaim{
		Owner: r.name, TTL: length, PolledUntil: start, Loaded: loaded, Release: release,
	}))
	r.held = map[int16]bool{}
	for _, shard := range lease.Held {
		r.held[shard] = true
	}
	return lease
}

func shards() suite {
	long := time.Hour
	return suite{
		"LeaseShards_GivesAllToOneReplica": func(t *testing.T, b *fixture) {
			r := &replica{b: b, name: "one"}
			lease := r.lease(t, long)
			same(t, "held", len(lease.Held), songspy.ShardCount)
			same(t, "acquired", len(lease.Acquired), songspy.ShardCount)
			same(t, "owners", lease.Replicas, 1)
			same(t, "polled until, of a new shard", lease.Acquired[7], time.Time{})
			lease = r.lease(t, long)
			same(t, "acquired again", len(lease.Acquired), 0)
			same(t, "still held", len(lease.Held), songspy.ShardCount)
		},
		"LeaseShards_SharesReleasedShards": func(t *testing.T, b *fixture) {
			one, two := &replica{b: b, name: "one"}, &replica{b: b, name: "two"}
			one.lease(t, long)
			lease := two.lease(t, long)
			same(t, "shards held by the new replica", len(lease.Held), 0)
			same(t, "owners", lease.Replicas, 2)
			surplus := make([]int16, 0, songspy.ShardCount/2)
			for shard := range int16(songspy.ShardCount / 2) {
				surplus = append(surplus, shard)
			}
			lease = one.lease(t, long, surplus...)
			same(t, "shards that it keeps", len(lease.Held), songspy.ShardCount/2)
			lease = two.lease(t, long)
			same(t, "acquired", len(lease.Acquired), songspy.ShardCount/2)
			same(t, "polled until, of the other replica", lease.Acquired[3], start)
			same(t, "free for the other replica", len(one.lease(t, long).Held), songspy.ShardCount/2)
		},
		"LeaseShards_ShortensLeasesAfterTheClockWasSetBack": func(t *testing.T, b *fixture) {
			dead, successor := &replica{b: b, name: "dead"}, &replica{b: b, name: "successor"}
			dead.lease(t, long)
			// On Postgres, the test cannot set the clock that decides about leases, so it changes the stored time.
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE replicas SET lease_until = $1", time.Now().Add(9*time.Hour).UTC())
			must(t, err)
			const length = 100 * time.Millisecond
			same(t, "owners", successor.lease(t, length).Replicas, 1)
			b.clock.advance(length)
			<-time.After(2 * length)
			same(t, "acquired", len(successor.lease(t, length).Acquired), songspy.ShardCount)
		},
		"LeaseShards_TakesOverExpiredLeases": func(t *testing.T, b *fixture) {
			dead, successor := &replica{b: b, name: "dead"}, &replica{b: b, name: "successor"}
			dead.lease(t, time.Millisecond)
			dead.lease(t, time.Millisecond) // stores, for the shards that it holds now, the time until which it has made all due polls
			b.clock.advance(time.Second)
			<-time.After(5 * time.Millisecond) // on Postgres, the server's clock decides about leases
			lease := successor.lease(t, long)
			same(t, "acquired", len(lease.Acquired), songspy.ShardCount)
			same(t, "polled until, of the dead replica", lease.Acquired[63], start)
			lease = dead.lease(t, long)
			same(t, "shards that it keeps", len(lease.Held), 0)
			same(t, "owners", lease.Replicas, 2)
		},
		"LeaseShards_KeepsTheTimeOfAShardThatWasDropped": func(t *testing.T, b *fixture) {
			claim := songspy.ShardClaim{Owner: "one", TTL: long, PolledUntil: start}
			claim.Loaded = value[songspy.ShardLease](t)(b.LeaseShards(t.Context(), claim)).Held
			value[songspy.ShardLease](t)(b.LeaseShards(t.Context(), claim))
			claim.Loaded, claim.PolledUntil = []int16{1}, start.Add(time.Minute)
			value[songspy.ShardLease](t)(b.LeaseShards(t.Context(), claim))
			must(t, b.ReleaseShards(t.Context(), claim))
			lease := (&replica{b: b, name: "two"}).lease(t, long)
			same(t, "polled until, of the loaded shard", lease.Acquired[1], start.Add(time.Minute))
			same(t, "polled until, of a dropped shard", lease.Acquired[2], start)
		},
		"Migrate_26_KeepsReplicasAndTheTimesOfShards": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 25)
			until := time.Now().Add(long).UTC().Truncate(time.Microsecond)
			b.exec(t, `INSERT INTO replicas (owner, alive_until) VALUES ('one', $1)`, until)
			b.exec(t, `UPDATE shards SET owner = 'one', lease_until = $1, polled_until = $2 WHERE shard < 32`, until, start)
			b.exec(t, `UPDATE shards SET owner = 'dead', polled_until = $1 WHERE shard = 63`, start)
			b.clock.advance(time.Since(b.clock.Now())) // SQLite uses this clock, Postgres its own
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			lease := (&replica{b: b, name: "two"}).lease(t, long)
			same(t, "replicas", lease.Replicas, 2)
			same(t, "shards that were free", len(lease.Acquired), songspy.ShardCount/2)
			same(t, "polled until, of a shard whose owner is gone", lease.Acquired[63], start)
			must(t, b.ReleaseShards(t.Context(), songspy.ShardClaim{Owner: "one", TTL: long}))
			lease = (&replica{b: b, name: "three"}).lease(t, long)
			same(t, "polled until, of a shard that was leased", lease.Acquired[31], start)
		},
		"LeaseShards_DoesNotReserveShardsForASilentReplica": func(t *testing.T, b *fixture) {
			pass := func(d time.Duration) {
				b.clock.advance(d)
				<-time.After(d) // on Postgres, the server's clock decides about leases
			}
			// On a slow machine the leases may expire before the attempt ends, or the successor may itself
			// be silent for a quarter of a lease, so that it is not counted. Then the test makes another
			// attempt, with leases that are twice as long.
			for length := 400 * time.Millisecond; ; length *= 2 {
				silence, began := length*3/8, time.Now()
				name := func(of string) string { return of + length.String() }
				dead, silent, successor := &replica{b: b, name: name("dead")}, &replica{b: b, name: name("silent")}, &replica{b: b, name: name("successor")}
				dead.lease(t, length)
				pass(length - silence)
				silent.lease(t, length)
				slow := time.Since(began) >= length
				pass(silence)
				began = time.Now()
				lease := successor.lease(t, length)
				again := silent.lease(t, length)
				if slow || time.Since(began) >= length/4 {
					pass(2 * length)
					continue
				}
				same(t, "owners", lease.Replicas, 1)
				same(t, "acquired of the dead replica's shards", len(lease.Acquired), songspy.ShardCount)
				same(t, "replicas after it has leased again", again.Replicas, 2)
				return
			}
		},
		"ReleaseShards_FreesThemAtOnce": func(t *testing.T, b *fixture) {
			one, two := &replica{b: b, name: "one"}, &replica{b: b, name: "two"}
			one.lease(t, long)
			done := start.Add(time.Minute)
			must(t, b.ReleaseShards(t.Context(), songspy.ShardClaim{Owner: "one", TTL: long, PolledUntil: done, Loaded: []int16{5}}))
			lease := two.lease(t, long)
			same(t, "acquired", len(lease.Acquired), songspy.ShardCount)
			same(t, "polled until, at last", lease.Acquired[5], done)
			same(t, "owners", lease.Replicas, 1)
		},
		"LeaseShards_NeverGivesAShardToTwoReplicas": func(t *testing.T, b *fixture) {
			const replicas = 6
			all := make([]*replica, replicas)
			for i := range all {
				all[i] = &replica{b: b, name: fmt.Sprint(i)}
			}
			for range 4 {
				var turns sync.WaitGroup
				for _, r := range all {
					turns.Go(func() {
						var release []int16
						for shard := range r.held {
							if len(r.held)-len(release) > songspy.FairShardCount(replicas) {
								release = append(release, shard)
							}
						}
						r.lease(t, long, release...)
					})
				}
				turns.Wait()
			}
			owners := map[int16]int{}
			for _, r := range all {
				if n := len(r.held); n > songspy.FairShardCount(replicas) || n == 0 {
					t.Errorf("replica %s holds %d shards", r.name, n)
				}
				for shard := range r.held {
					owners[shard]++
				}
			}
			for shard, n := range owners {
				if n > 1 {
					t.Errorf("shard %d is held by %d replicas", shard, n)
				}
			}
			same(t, "shards held by all", len(owners), songspy.ShardCount)
		},
	}
}
