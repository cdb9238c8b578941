-- +goose Up
-- What viewers watch now, as one process of the API knows it. A row ends after about a
-- minute unless it is renewed. viewer is a keyed hash of an account or an address.
-- watched has the ids of the watched users, each between commas. The table is not in the
-- write-ahead log: after a crash, viewers are reported again.
CREATE UNLOGGED TABLE watches (
    viewer     bytea       NOT NULL,
    source     text        NOT NULL,
    own        boolean     NOT NULL,
    signed_in  boolean     NOT NULL,
    watched    text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    written_at timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (viewer, source, own)
);
CREATE INDEX watches_written_at ON watches (written_at);
CREATE INDEX watches_until ON watches (until);
