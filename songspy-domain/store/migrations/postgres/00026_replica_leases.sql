-- +goose Up
-- A replica of the batch has one lease for all its shards, and one time until which it has polled their users. So a
-- renewal changes one row, and not 64. loaded says that the owner's polled_until holds, and not the shard's.
ALTER TABLE shards DROP COLUMN lease_until;
ALTER TABLE shards ADD COLUMN loaded boolean NOT NULL DEFAULT false;
ALTER TABLE replicas RENAME COLUMN alive_until TO lease_until;
ALTER TABLE replicas ADD COLUMN polled_until timestamptz;
