-- +goose Up
-- Times are whole microseconds since 1970, UTC: the driver writes integers and
-- reads columns declared timestamp back as times. AUTOINCREMENT never gives an
-- id twice.
CREATE TABLE users (
    id                   INTEGER   PRIMARY KEY AUTOINCREMENT,
    google_sub           text      NOT NULL,
    nick_name            text,
    google_name          text      NOT NULL,
    picture_url          text      NOT NULL,
    show_picture         boolean   NOT NULL,
    audience             text      NOT NULL CHECK (audience IN ('everyone', 'followers', 'link', 'nobody')),
    sharing_paused_until timestamp,
    -- The present link's generation and, while there is no link, the last
    -- one's generation and version, so that neither is ever given twice.
    link_generation      integer   NOT NULL DEFAULT 0,
    link_version         integer   NOT NULL DEFAULT 0,
    created_at           timestamp NOT NULL,
    updated_at           timestamp NOT NULL
);
CREATE UNIQUE INDEX users_google_sub ON users (google_sub);

CREATE TABLE sessions (
    id           INTEGER   PRIMARY KEY AUTOINCREMENT,
    user_id      integer   NOT NULL REFERENCES users (id),
    family       integer   NOT NULL,
    refresh_hash blob      NOT NULL,
    created_at   timestamp NOT NULL,
    expires_at   timestamp NOT NULL,
    rotated_at   timestamp,
    revoked_at   timestamp
);
CREATE UNIQUE INDEX sessions_refresh_hash ON sessions (refresh_hash);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_family ON sessions (family);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE spotify_links (
    user_id              integer   PRIMARY KEY REFERENCES users (id),
    app                  text      NOT NULL,
    account_id           text,
    legacy_id            text,
    auth_method          text      NOT NULL CHECK (auth_method IN ('basic', 'pkce')),
    access_token_sealed  blob      NOT NULL,
    refresh_token_sealed blob      NOT NULL,
    scope                text      NOT NULL,
    access_expires_at    timestamp NOT NULL,
    authorized_at        timestamp NOT NULL,
    state                text      NOT NULL CHECK (state IN ('active', 'suspect', 'reauth_required', 'not_registered')),
    state_since          timestamp NOT NULL,
    generation           integer   NOT NULL,
    version              integer   NOT NULL,
    shard                integer   NOT NULL CHECK (shard BETWEEN 0 AND 63),
    created_at           timestamp NOT NULL,
    updated_at           timestamp NOT NULL
);
CREATE UNIQUE INDEX spotify_links_account_id ON spotify_links (account_id) WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX spotify_links_legacy_id ON spotify_links (legacy_id) WHERE legacy_id IS NOT NULL;
