-- +goose Up
-- What the rules of listening must not forget of a player that misleads.
-- Rows from before count as first seen when they were last seen.
ALTER TABLE now_playing ADD COLUMN opened_at      timestamp NOT NULL DEFAULT 0;
ALTER TABLE now_playing ADD COLUMN polls          integer   NOT NULL DEFAULT 0;
ALTER TABLE now_playing ADD COLUMN speed          integer   NOT NULL DEFAULT 0;
ALTER TABLE now_playing ADD COLUMN last_speed     integer   NOT NULL DEFAULT 0;
ALTER TABLE now_playing ADD COLUMN doubted_at     timestamp;
ALTER TABLE now_playing ADD COLUMN unmoved        boolean   NOT NULL DEFAULT false;
ALTER TABLE now_playing ADD COLUMN stalled        boolean   NOT NULL DEFAULT false;
ALTER TABLE now_playing ADD COLUMN advertisement  boolean   NOT NULL DEFAULT false;
ALTER TABLE now_playing ADD COLUMN hides_progress boolean   NOT NULL DEFAULT false;
UPDATE now_playing SET opened_at = seen_at;

-- Chapters of audiobooks are tracks too. SQLite changes a check only with its
-- table. The sequence is taken over, so that no id is given twice.
CREATE TABLE tracks_with_chapters (
    id          INTEGER   PRIMARY KEY AUTOINCREMENT,
    uri         text      NOT NULL,
    kind        text      NOT NULL CHECK (kind IN ('track', 'episode', 'local', 'chapter')),
    title       text      NOT NULL,
    artists     text      NOT NULL,
    album       text      NOT NULL,
    image_url   text      NOT NULL,
    url         text      NOT NULL,
    preview_url text      NOT NULL,
    duration_ms integer   NOT NULL CHECK (duration_ms >= 0),
    isrc        text      NOT NULL,
    created_at  timestamp NOT NULL
);
INSERT INTO tracks_with_chapters (id, uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at)
    SELECT id, uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at FROM tracks;
DELETE FROM sqlite_sequence WHERE name = 'tracks_with_chapters';
INSERT INTO sqlite_sequence (name, seq) SELECT 'tracks_with_chapters', seq FROM sqlite_sequence WHERE name = 'tracks';
DROP TABLE tracks;
ALTER TABLE tracks_with_chapters RENAME TO tracks;
CREATE UNIQUE INDEX tracks_uri ON tracks (uri);
