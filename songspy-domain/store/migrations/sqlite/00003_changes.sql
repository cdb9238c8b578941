-- +goose Up
-- One row that hands out the numbers of changes. Its lock is the last that a
-- transaction takes, so that numbers become visible in order.
CREATE TABLE feed (
    id   integer PRIMARY KEY CHECK (id = 1),
    last integer NOT NULL
);
INSERT INTO feed (id, last) VALUES (1, 0);

CREATE TABLE changes (
    number  integer   PRIMARY KEY,
    user_id integer   NOT NULL,
    kind    text      NOT NULL CHECK (kind IN ('person', 'link', 'playing')),
    at      timestamp NOT NULL
);
