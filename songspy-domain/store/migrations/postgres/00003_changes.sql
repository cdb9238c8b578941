-- +goose Up
-- One row that hands out the numbers of changes. Its lock is the last that a
-- transaction takes, so that numbers become visible in order.
CREATE TABLE feed (
    id   smallint PRIMARY KEY CHECK (id = 1),
    last bigint   NOT NULL
) WITH (fillfactor = 10);
INSERT INTO feed (id, last) VALUES (1, 0);

CREATE TABLE changes (
    number  bigint      PRIMARY KEY,
    user_id bigint      NOT NULL,
    kind    text        NOT NULL CHECK (kind IN ('person', 'link', 'playing')),
    at      timestamptz NOT NULL
);
