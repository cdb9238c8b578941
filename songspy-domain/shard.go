package songspy

import "time"

// ShardClaim is what a replica of the batch writes to the database several
// times a second. It renews the replica's leases of shards: the right to poll
// the users of these shards.
type ShardClaim struct {
	// Owner is the unique name of the replica.
	Owner string
	// TTL is how long after this claim the replica keeps its shards if it does
	// not renew the leases.
	TTL time.Duration
	// PolledUntil is a wall-clock time. For the users of the shards in Loaded, the
	// replica has made all polls that were due before this time.
	PolledUntil time.Time
	Loaded      []int16
	// Release lists shards that the replica gives up, so that another replica
	// can take them.
	Release []int16
}

// ShardLease says which shards (parts of the users) a replica may poll after a
// ShardClaim.
type ShardLease struct {
	// Held lists all shards that the replica holds.
	Held []int16
	// The keys of Acquired are the shards of Held that the replica did not hold before
	// this claim. The value is the time up to which the previous holder has made all
	// due polls of the shard's users; the zero time if that is not known.
	Acquired map[int16]time.Time
	// Replicas is how many replicas have renewed their leases recently,
	// including this one.
	Replicas int
}

// FairShardCount returns how many shards each replica may hold at most, so that all
// shards are divided evenly among the given number of replicas. It is rounded up, so
// that every shard has a replica.
func FairShardCount(owners int) int {
	owners = max(1, owners)
	return (ShardCount + owners - 1) / owners
}
