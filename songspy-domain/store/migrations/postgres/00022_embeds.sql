-- +goose Up
-- Secrets by which a page or a program shows what a user is listening to. Each serves
-- one purpose.
CREATE TABLE embed_tokens (
    user_id    bigint      NOT NULL,
    id         bigint      NOT NULL,
    purpose    text        NOT NULL CHECK (purpose IN ('embed', 'overlay')),
    label      text        NOT NULL,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX embed_tokens_hash ON embed_tokens (hash);

-- Where a user's own program receives what the user is listening to, and how the last
-- message went. fingerprint is a keyed hash of the content of that message.
CREATE TABLE webhooks (
    user_id         bigint      PRIMARY KEY,
    id              bigint      NOT NULL,
    url_sealed      bytea       NOT NULL,
    key_sealed      bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    sequence        bigint      NOT NULL,
    fingerprint     bytea       NOT NULL,
    delivered       boolean     NOT NULL,
    attempts        integer     NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    delivered_at    timestamptz,
    failing_since   timestamptz,
    failure         text        NOT NULL,
    off_at          timestamptz
);

-- Work that one replica of a service does at a time.
CREATE TABLE leases (
    name        text        PRIMARY KEY,
    owner       text        NOT NULL,
    lease_until timestamptz NOT NULL
);
INSERT INTO leases (name, owner, lease_until) VALUES ('webhooks', '', '2000-01-01 00:00:00+00');
