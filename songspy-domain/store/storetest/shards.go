package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// replica is one process that leases shards.
type replica struct {
	b    *bundle
	name string
	held map[int16]bool
}

func (r *replica) lease(t *testing.T, length time.Duration, release ...int16) songspy.ShardHolding {
	t.Helper()
	joined := make([]int16, 0, len(r.held))
	for shard := range r.held {
		joined = append(joined, shard)
	}
	h := value[songspy.ShardHolding](t)(r.b.LeaseShards(t.Context(), songspy.ShardClaim{
		Owner: r.name, For: length, Done: start, Joined: joined, Release: release,
	}))
	r.held = map[int16]bool{}
	for _, shard := range h.Held {
		r.held[shard] = true
	}
	return h
}

func shards() suite {
	long := time.Hour
	return suite{
		"LeaseShards_GivesOneReplicaAll": func(t *testing.T, b *bundle) {
			r := &replica{b: b, name: "one"}
			h := r.lease(t, long)
			same(t, "held", len(h.Held), songspy.Shards)
			same(t, "gained", len(h.Gained), songspy.Shards)
			same(t, "owners", h.Owners, 1)
			same(t, "what was done before", h.Gained[7], time.Time{})
			h = r.lease(t, long)
			same(t, "gained again", len(h.Gained), 0)
			same(t, "still held", len(h.Held), songspy.Shards)
		},
		"LeaseShards_ShareWhatIsGivenUp": func(t *testing.T, b *bundle) {
			one, two := &replica{b: b, name: "one"}, &replica{b: b, name: "two"}
			one.lease(t, long)
			h := two.lease(t, long)
			same(t, "held by the newcomer", len(h.Held), 0)
			same(t, "owners", h.Owners, 2)
			surplus := make([]int16, 0, songspy.Shards/2)
			for shard := range int16(songspy.Shards / 2) {
				surplus = append(surplus, shard)
			}
			h = one.lease(t, long, surplus...)
			same(t, "kept", len(h.Held), songspy.Shards/2)
			h = two.lease(t, long)
			same(t, "taken over", len(h.Gained), songspy.Shards/2)
			same(t, "where the other had come", h.Gained[3], start)
			same(t, "left for the other", len(one.lease(t, long).Held), songspy.Shards/2)
		},
		"LeaseShards_CutLeasesFromAClockThatWasSetBack": func(t *testing.T, b *bundle) {
			dead, heir := &replica{b: b, name: "dead"}, &replica{b: b, name: "heir"}
			dead.lease(t, long)
			for _, table := range []string{"shards SET lease_until", "replicas SET seen_until"} { // Postgres goes by its own clock
				_, err := b.sql(t).ExecContext(t.Context(), "UPDATE "+table+" = $1", time.Now().Add(9*time.Hour).UTC())
				must(t, err)
			}
			const length = 100 * time.Millisecond
			same(t, "owners", heir.lease(t, length).Owners, 1)
			b.clock.advance(length)
			<-time.After(2 * length)
			same(t, "taken over", len(heir.lease(t, length).Gained), songspy.Shards)
		},
		"LeaseShards_TakeOverWhatHasExpired": func(t *testing.T, b *bundle) {
			dead, heir := &replica{b: b, name: "dead"}, &replica{b: b, name: "heir"}
			dead.lease(t, time.Millisecond)
			dead.lease(t, time.Millisecond) // says how far it has come
			b.clock.advance(time.Second)
			<-time.After(5 * time.Millisecond) // Postgres goes by its own clock
			h := heir.lease(t, long)
			same(t, "taken over", len(h.Gained), songspy.Shards)
			same(t, "where the dead one had come", h.Gained[63], start)
			h = dead.lease(t, long)
			same(t, "what is left to it", len(h.Held), 0)
			same(t, "owners", h.Owners, 2)
		},
		"LeaseShards_LeaveNothingFreeForWhoIsSilent": func(t *testing.T, b *bundle) {
			const length, silence = 400 * time.Millisecond, 150 * time.Millisecond
			pass := func(d time.Duration) {
				b.clock.advance(d)
				<-time.After(d) // Postgres goes by its own clock
			}
			dead, silent, heir := &replica{b: b, name: "dead"}, &replica{b: b, name: "silent"}, &replica{b: b, name: "heir"}
			dead.lease(t, length)
			pass(length - silence)
			silent.lease(t, length)
			pass(silence)
			h := heir.lease(t, length)
			same(t, "owners", h.Owners, 1)
			same(t, "taken over of what the dead one held", len(h.Gained), songspy.Shards)
			same(t, "owners once it speaks again", silent.lease(t, length).Owners, 2)
		},
		"LeaveShards_FreesThemAtOnce": func(t *testing.T, b *bundle) {
			one, two := &replica{b: b, name: "one"}, &replica{b: b, name: "two"}
			one.lease(t, long)
			done := start.Add(time.Minute)
			must(t, b.LeaveShards(t.Context(), songspy.ShardClaim{Owner: "one", For: long, Done: done, Joined: []int16{5}}))
			h := two.lease(t, long)
			same(t, "taken over", len(h.Gained), songspy.Shards)
			same(t, "where it had come at last", h.Gained[5], done)
			same(t, "owners", h.Owners, 1)
		},
		"LeaseShards_NeverGiveOneToTwo": func(t *testing.T, b *bundle) {
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
							if len(r.held)-len(release) > songspy.FairShards(replicas) {
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
				if n := len(r.held); n > songspy.FairShards(replicas) || n == 0 {
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
			same(t, "held in all", len(owners), songspy.Shards)
		},
	}
}
