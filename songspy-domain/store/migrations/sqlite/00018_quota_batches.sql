-- +goose Up
-- The last batch of calls that a process has counted for an account. A batch that is written again, because the answer
-- to the first write was lost, adds nothing.
CREATE TABLE quota_batches (
    account    text NOT NULL,
    process    text NOT NULL,
    number     integer NOT NULL,
    counted_at timestamp NOT NULL,
    PRIMARY KEY (account, process)
) WITHOUT ROWID;
