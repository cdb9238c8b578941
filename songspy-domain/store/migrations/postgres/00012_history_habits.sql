-- +goose Up
-- Plays that were left early and of which too little was seen: shown to their
-- user, counted nowhere until history confirms them.
ALTER TABLE plays ADD COLUMN probable boolean NOT NULL DEFAULT false;

-- Whether the history of an account lists partial plays: how many proven ones it
-- listed, and how many it left out although it listed their neighbours.
CREATE TABLE history_habits (
    user_id  bigint  PRIMARY KEY,
    listed   integer NOT NULL CHECK (listed >= 0),
    unlisted integer NOT NULL CHECK (unlisted >= 0)
);
