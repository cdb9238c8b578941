-- +goose Up
-- now_playing, plays and user_tracks refer to users and tracks without foreign
-- keys, which would more than double the cost of a write; erasing a person
-- deletes by user_id.
CREATE TABLE tracks (
    id          INTEGER   PRIMARY KEY AUTOINCREMENT,
    uri         text      NOT NULL,
    kind        text      NOT NULL CHECK (kind IN ('track', 'episode', 'local')),
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
CREATE UNIQUE INDEX tracks_uri ON tracks (uri);

CREATE TABLE user_tracks (
    user_id        integer   NOT NULL,
    track_id       integer   NOT NULL,
    first_heard_at timestamp NOT NULL,
    last_heard_at  timestamp NOT NULL,
    plays          integer   NOT NULL CHECK (plays >= 0),
    PRIMARY KEY (user_id, track_id)
) WITHOUT ROWID;

-- SQLite numbers rows only where the id alone is the key; the index beneath
-- stands for the key that Postgres has.
CREATE TABLE plays (
    id          INTEGER   PRIMARY KEY AUTOINCREMENT,
    user_id     integer   NOT NULL,
    track_id    integer   NOT NULL,
    started_at  timestamp NOT NULL,
    ended_at    timestamp NOT NULL,
    listened_ms integer   NOT NULL CHECK (listened_ms >= 0),
    source      text      NOT NULL CHECK (source IN ('live', 'history', 'import')),
    provisional boolean   NOT NULL,
    deleted_at  timestamp,
    CONSTRAINT plays_end_after_start CHECK (ended_at >= started_at)
);
CREATE UNIQUE INDEX plays_user_id ON plays (user_id, started_at, id);

-- What the provider said a play's time was, once for each person: an answer
-- seen twice changes nothing.
CREATE TABLE play_ledger (
    user_id  integer   NOT NULL,
    heard_at timestamp NOT NULL,
    play_id  integer   NOT NULL,
    PRIMARY KEY (user_id, heard_at)
) WITHOUT ROWID;

CREATE TABLE now_playing (
    user_id       integer   PRIMARY KEY,
    state         text      NOT NULL CHECK (state IN ('idle', 'playing', 'paused')),
    track_id      integer   NOT NULL,
    track_uri     text      NOT NULL,
    duration_ms   integer   NOT NULL,
    started_at    timestamp NOT NULL,
    observed_at   timestamp NOT NULL,
    seen_at       timestamp NOT NULL,
    progress_ms   integer   NOT NULL,
    listened_ms   integer   NOT NULL,
    paused_ms     integer   NOT NULL,
    paused_since  timestamp,
    nothing_since timestamp,
    elsewhere_at  timestamp NOT NULL,
    ends_at       timestamp,
    provisional   boolean   NOT NULL,
    skips         integer   NOT NULL,
    generation    integer   NOT NULL
);
