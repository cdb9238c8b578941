-- +goose Up
-- What viewers watch now, as one process of the API knows it. A row ends after about a
-- minute unless it is renewed. viewer is a keyed hash of an account or an address.
-- watched has the ids of the watched users, each between commas.
CREATE TABLE watches (
    viewer     blob      NOT NULL,
    source     text      NOT NULL,
    own        boolean   NOT NULL,
    signed_in  boolean   NOT NULL,
    watched    text      NOT NULL,
    opened_at  timestamp NOT NULL,
    written_at timestamp NOT NULL,
    until      timestamp NOT NULL,
    PRIMARY KEY (viewer, source, own)
) WITHOUT ROWID;
CREATE INDEX watches_written_at ON watches (written_at);
CREATE INDEX watches_until ON watches (until);
