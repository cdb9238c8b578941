-- +goose Up
-- What of listened_ms nobody saw: the tail of a play that is taken as heard out.
ALTER TABLE plays ADD COLUMN inferred_ms integer NOT NULL DEFAULT 0;
