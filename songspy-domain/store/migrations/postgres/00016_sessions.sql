-- +goose Up
-- What a user needs to recognise a session, and when its family signed in: the
-- absolute lifetime counts from there. Sessions of before keep the time that
-- the oldest row of their family knows.
ALTER TABLE sessions ADD COLUMN label text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN signed_in_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE sessions ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT '-infinity';
UPDATE sessions SET last_used_at = created_at,
    signed_in_at = (SELECT min(first.created_at) FROM sessions first WHERE first.family = sessions.family);
