-- +goose Up
-- What the rules of listening must not forget of a player that misleads.
-- Rows from before count as first seen when they were last seen.
ALTER TABLE now_playing
    ADD COLUMN opened_at      timestamptz NOT NULL DEFAULT '0001-01-01 00:00:00+00',
    ADD COLUMN polls          smallint    NOT NULL DEFAULT 0,
    ADD COLUMN speed          integer     NOT NULL DEFAULT 0,
    ADD COLUMN last_speed     integer     NOT NULL DEFAULT 0,
    ADD COLUMN doubted_at     timestamptz,
    ADD COLUMN unmoved        boolean     NOT NULL DEFAULT false,
    ADD COLUMN stalled        boolean     NOT NULL DEFAULT false,
    ADD COLUMN advertisement  boolean     NOT NULL DEFAULT false,
    ADD COLUMN hides_progress boolean     NOT NULL DEFAULT false;
UPDATE now_playing SET opened_at = seen_at;

-- Chapters of audiobooks are tracks too.
ALTER TABLE tracks DROP CONSTRAINT tracks_kind_check;
ALTER TABLE tracks ADD CONSTRAINT tracks_kind_check CHECK (kind IN ('track', 'episode', 'local', 'chapter'));
