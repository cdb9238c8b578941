-- +goose Up
-- Who looks after which share of the listeners, and until when without another
-- word. done_until is the time before which every look that was due has been made.
CREATE TABLE shards (
    shard       smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    owner       text NOT NULL,
    lease_until timestamptz NOT NULL,
    done_until  timestamptz
);
INSERT INTO shards (shard, owner, lease_until) SELECT i, '', '2000-01-01' FROM generate_series(0, 63) i;

-- Which replicas of the batch are alive, those without a shard too.
CREATE TABLE replicas (
    owner      text PRIMARY KEY,
    seen_until timestamptz NOT NULL
);
