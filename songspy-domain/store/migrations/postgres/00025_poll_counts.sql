-- +goose Up
-- How many polls of players all replicas of the batch have made, by the five minutes (UTC) in which they were counted,
-- for a day.
CREATE TABLE poll_counts (
    bucket timestamptz NOT NULL,
    reason text NOT NULL,
    polls  bigint NOT NULL CHECK (polls > 0),
    PRIMARY KEY (bucket, reason)
);
