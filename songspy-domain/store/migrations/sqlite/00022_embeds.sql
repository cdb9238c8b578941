-- +goose Up
-- Secrets by which a page or a program shows what a user is listening to. Each serves
-- one purpose.
CREATE TABLE embed_tokens (
    user_id    integer   NOT NULL,
    id         integer   NOT NULL,
    purpose    text      NOT NULL CHECK (purpose IN ('embed', 'overlay')),
    label      text      NOT NULL,
    hash       blob      NOT NULL,
    created_at timestamp NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX embed_tokens_hash ON embed_tokens (hash);

-- Where a user's own program receives what the user is listening to, and how the last
-- message went. fingerprint is a keyed hash of the content of that message.
CREATE TABLE webhooks (
    user_id         integer   PRIMARY KEY,
    id              integer   NOT NULL,
    url_sealed      blob      NOT NULL,
    key_sealed      blob      NOT NULL,
    created_at      timestamp NOT NULL,
    sequence        integer   NOT NULL,
    fingerprint     blob      NOT NULL,
    delivered       boolean   NOT NULL,
    attempts        integer   NOT NULL,
    next_attempt_at timestamp NOT NULL,
    delivered_at    timestamp,
    failing_since   timestamp,
    failure         text      NOT NULL,
    off_at          timestamp
);

-- Work that one replica of a service does at a time.
CREATE TABLE leases (
    name        text      PRIMARY KEY,
    owner       text      NOT NULL,
    lease_until timestamp NOT NULL
);
INSERT INTO leases (name, owner, lease_until) VALUES ('webhooks', '', 946684800000000);
