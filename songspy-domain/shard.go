package songspy

import "time"

// ShardClaim is what a replica of the batch says of itself, about once a second.
type ShardClaim struct {
	// Owner names the replica, and no other.
	Owner string
	// For is how long what it holds is its own without another word from it.
	TTL time.Duration
	// Done is the time before which it has made every look that was due at the
	// people of the shards in Joined, by the wall clock.
	PolledUntil time.Time
	Loaded      []int16
	// Release are shards that it gives up.
	Release []int16
}

// ShardHolding is what a replica holds from then on.
type ShardLease struct {
	// Held are all the shards that it holds.
	Held []int16
	// Gained are those of them that it did not hold before, each with the time
	// before which every look at its people has been made; the zero time: nobody knows.
	Acquired map[int16]time.Time
	// Owners is how many replicas have said a word lately, itself among them.
	Replicas int
}

// FairShards is how many shards a replica of so many holds at most.
func FairShardCount(owners int) int {
	owners = max(1, owners)
	return (ShardCount + owners - 1) / owners
}
