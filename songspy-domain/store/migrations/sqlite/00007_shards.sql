-- +goose Up
-- Who looks after which share of the listeners, and until when without another
-- word. done_until is the time before which every look that was due has been made.
CREATE TABLE shards (
    shard       integer PRIMARY KEY CHECK (shard BETWEEN 0 AND 63),
    owner       text NOT NULL,
    lease_until timestamp NOT NULL,
    done_until  timestamp
) WITHOUT ROWID;
INSERT INTO shards (shard, owner, lease_until) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 63) SELECT i, '', 946684800000000 FROM n;

-- Which replicas of the batch are alive, those without a shard too.
CREATE TABLE replicas (
    owner      text PRIMARY KEY,
    seen_until timestamp NOT NULL
) WITHOUT ROWID;
