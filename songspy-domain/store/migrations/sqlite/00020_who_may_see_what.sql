-- +goose Up
-- Random identifiers below 2^53, the only ones that leave the service. Sequential ids
-- would count sign-ups and tell who was the first to play a track.
ALTER TABLE users ADD COLUMN public_id integer NOT NULL DEFAULT 0;
UPDATE users SET public_id = 1 + (random() & 9007199254740991) % 9007199254740991;
CREATE UNIQUE INDEX users_public_id ON users (public_id);
ALTER TABLE tracks ADD COLUMN public_id integer NOT NULL DEFAULT 0;
UPDATE tracks SET public_id = 1 + (random() & 9007199254740991) % 9007199254740991;
CREATE UNIQUE INDEX tracks_public_id ON tracks (public_id);

-- The artists and albums of tracks, by URI. An episode's album is its show, a chapter's
-- its audiobook. Local files have none: their names are from a private disk.
CREATE TABLE artists (
    uri  text PRIMARY KEY,
    name text NOT NULL,
    url  text NOT NULL
) WITHOUT ROWID;
CREATE TABLE albums (
    uri       text PRIMARY KEY,
    name      text NOT NULL,
    url       text NOT NULL,
    image_url text NOT NULL
) WITHOUT ROWID;
CREATE TABLE track_artists (
    track_id   integer NOT NULL,
    position   integer NOT NULL,
    artist_uri text    NOT NULL,
    PRIMARY KEY (track_id, position)
) WITHOUT ROWID;
-- NULL until Spotify has named the artists and the album of the track.
ALTER TABLE tracks ADD COLUMN album_uri text;

-- The sharing settings of a user from began_at until the next row. The newest row
-- applies now. The past is kept, because what was hidden stays hidden.
CREATE TABLE sharing_periods (
    user_id          integer   NOT NULL,
    began_at         timestamp NOT NULL,
    now_audience     text      NOT NULL CHECK (now_audience IN ('everyone', 'followers', 'link', 'nobody')),
    history_audience text      NOT NULL CHECK (history_audience IN ('everyone', 'followers', 'link', 'nobody')),
    hidden_until     timestamp,
    min_seconds      integer   NOT NULL CHECK (min_seconds IN (0, 30, 60)),
    hide_local       boolean   NOT NULL,
    hide_episodes    boolean   NOT NULL,
    hide_chapters    boolean   NOT NULL,
    findable         boolean   NOT NULL,
    PRIMARY KEY (user_id, began_at)
) WITHOUT ROWID;
-- Nobody but the user could see plays until now.
INSERT INTO sharing_periods (user_id, began_at, now_audience, history_audience, hidden_until, min_seconds, hide_local, hide_episodes, hide_chapters, findable)
    SELECT id, created_at, audience, 'nobody', sharing_paused_until, 0, true, false, false, false FROM users;
ALTER TABLE users DROP COLUMN audience;
ALTER TABLE users DROP COLUMN sharing_paused_until;

-- The nickname as search compares it; empty unless search may find the user.
ALTER TABLE users ADD COLUMN nick_key text NOT NULL DEFAULT '';
CREATE INDEX users_nick_key ON users (nick_key, id) WHERE nick_key <> '';
ALTER TABLE users ADD COLUMN hidden_by_operator boolean NOT NULL DEFAULT false;

-- Artists and tracks that a user hides. Rows stay after they have ended, because what
-- was played meanwhile stays hidden.
CREATE TABLE hidden_items (
    user_id  integer   NOT NULL,
    uri      text      NOT NULL,
    began_at timestamp NOT NULL,
    ended_at timestamp,
    name     text      NOT NULL,
    PRIMARY KEY (user_id, uri, began_at)
) WITHOUT ROWID;

CREATE TABLE follows (
    user_id     integer   NOT NULL,
    follower_id integer   NOT NULL,
    state       text      NOT NULL CHECK (state IN ('requested', 'approved')),
    asked_at    timestamp NOT NULL,
    approved_at timestamp,
    PRIMARY KEY (user_id, follower_id),
    CONSTRAINT follows_another CHECK (user_id <> follower_id)
) WITHOUT ROWID;
CREATE INDEX follows_follower_id ON follows (follower_id, user_id);

CREATE TABLE blocks (
    user_id    integer   NOT NULL,
    blocked_id integer   NOT NULL,
    at         timestamp NOT NULL,
    PRIMARY KEY (user_id, blocked_id),
    CONSTRAINT blocks_another CHECK (user_id <> blocked_id)
) WITHOUT ROWID;
CREATE INDEX blocks_blocked_id ON blocks (blocked_id, user_id);

-- The hash of the link by which a user shares with the audience `link`.
CREATE TABLE share_links (
    user_id    integer   PRIMARY KEY,
    hash       blob      NOT NULL,
    created_at timestamp NOT NULL
);
CREATE UNIQUE INDEX share_links_hash ON share_links (hash);

-- Reports about the user for the operator. reporter_id is NULL once that user is erased.
CREATE TABLE reports (
    id          INTEGER   PRIMARY KEY AUTOINCREMENT,
    user_id     integer   NOT NULL,
    reporter_id integer,
    reason      text      NOT NULL,
    text        text      NOT NULL,
    at          timestamp NOT NULL,
    closed_at   timestamp
);
CREATE INDEX reports_user_id ON reports (user_id);
CREATE INDEX reports_reporter_id ON reports (reporter_id);
CREATE INDEX reports_open ON reports (id) WHERE closed_at IS NULL;

-- What happened to a user's account, for the user to read. Ids count from 1 for each
-- user.
CREATE TABLE audit_events (
    user_id integer   NOT NULL,
    id      integer   NOT NULL,
    kind    text      NOT NULL,
    actor   text      NOT NULL CHECK (actor IN ('self', 'operator', 'system')),
    detail  text      NOT NULL,
    at      timestamp NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;
CREATE INDEX audit_events_at ON audit_events (at);

-- Whether a client sends the token itself, or a browser its cookie.
ALTER TABLE sessions ADD COLUMN kind text NOT NULL DEFAULT 'bearer' CHECK (kind IN ('bearer', 'cookie'));

-- Redirects to Google or Spotify that have not come back yet. user_id is 0 for a
-- sign-in. The browser that began one proves it by a cookie.
CREATE TABLE authorization_attempts (
    state_hash      blob      PRIMARY KEY,
    browser_hash    blob      NOT NULL,
    provider        text      NOT NULL CHECK (provider IN ('google', 'spotify')),
    user_id         integer   NOT NULL,
    verifier_sealed blob      NOT NULL,
    invite_sealed   blob      NOT NULL,
    move            boolean   NOT NULL,
    nonce           text      NOT NULL,
    return_path     text      NOT NULL,
    expires_at      timestamp NOT NULL
) WITHOUT ROWID;
CREATE INDEX authorization_attempts_user_id ON authorization_attempts (user_id);
CREATE INDEX authorization_attempts_expires_at ON authorization_attempts (expires_at);

-- SQLite changes a check only with its table.
CREATE TABLE changes_of_more_kinds (
    number  integer   PRIMARY KEY,
    user_id integer   NOT NULL,
    kind    text      NOT NULL CHECK (kind IN ('user', 'link', 'playing', 'relation', 'session')),
    at      timestamp NOT NULL
);
INSERT INTO changes_of_more_kinds (number, user_id, kind, at) SELECT number, user_id, kind, at FROM changes;
DROP TABLE changes;
ALTER TABLE changes_of_more_kinds RENAME TO changes;
