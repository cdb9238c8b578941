-- +goose Up
-- Who holds the code of one may sign up. The code itself is not here, and what
-- became of whoever used it changes nothing in it.
CREATE TABLE invites (
    id         INTEGER   PRIMARY KEY AUTOINCREMENT,
    code_hash  blob      NOT NULL,
    note       text      NOT NULL,
    uses       integer   NOT NULL CHECK (uses > 0),
    uses_left  integer   NOT NULL CHECK (uses_left BETWEEN 0 AND uses),
    created_at timestamp NOT NULL,
    expires_at timestamp NOT NULL,
    revoked_at timestamp
);
CREATE UNIQUE INDEX invites_code_hash ON invites (code_hash);
