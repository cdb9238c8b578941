package songspy

import "time"

// ShardClaim is what a replica of the batch reports to the database several
// times a second, to renew its leases.
type ShardClaim struct {
	// Owner is the unique name of the replica.
	Owner string
	// TTL is how long the replica holds its shards if it does not renew the
	// leases.
	TTL time.Duration
	// PolledUntil is the wall-clock time before which the replica has made
	// every due poll for the users of the shards in Loaded.
	PolledUntil time.Time
	Loaded      []int16
	// Release lists shards that the replica gives up.
	Release []int16
}

// ShardLease is what a replica holds after the claim.
type ShardLease struct {
	// Held lists all shards that the replica holds.
	Held []int16
	// Acquired lists those of them that it did not hold before. The value is
	// the time before which every due poll of the shard's users has been made;
	// the zero time if that is not known.
	Acquired map[int16]time.Time
	// Replicas is how many replicas have renewed their leases recently,
	// including this one.
	Replicas int
}

// FairShardCount returns how many shards a replica may hold at most if there
// are so many replicas.
func FairShardCount(owners int) int {
	owners = max(1, owners)
	return (ShardCount + owners - 1) / owners
}
