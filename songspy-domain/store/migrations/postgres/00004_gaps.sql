-- +goose Up
-- When it could not be known what a person hears, and why. Without ended_at
-- the gap goes on.
CREATE TABLE gaps (
    user_id  bigint      NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    reason   text        NOT NULL CHECK (reason IN ('link_broken', 'door_closed', 'provider_down', 'batch_down', 'unseen')),
    PRIMARY KEY (user_id, began_at, reason),
    CONSTRAINT gaps_end_after_begin CHECK (ended_at >= began_at)
);

-- When a part of the service was last at work, by the part's name.
CREATE TABLE heartbeats (
    name text        PRIMARY KEY,
    at   timestamptz NOT NULL
) WITH (fillfactor = 10);
