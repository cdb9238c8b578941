-- +goose Up
-- Where a person is told by mail of what needs them: sealed, and empty where
-- nothing is known or the instance sends no mail.
ALTER TABLE users ADD COLUMN email_sealed blob NOT NULL DEFAULT x'';
ALTER TABLE users ADD COLUMN mail_off boolean NOT NULL DEFAULT false;

-- What somebody is told, once for each name. user_id 0: about an app alone.
-- message names the message that tells it, from the first try on; done_at is
-- when it was told or given up. There is no foreign key: erasing deletes by user_id.
CREATE TABLE notices (
    id          INTEGER   PRIMARY KEY AUTOINCREMENT,
    user_id     integer   NOT NULL,
    app         text      NOT NULL,
    kind        text      NOT NULL,
    occurrence  text      NOT NULL,
    channel     text      NOT NULL,
    message     text      NOT NULL,
    tries       integer   NOT NULL,
    outcome     text      NOT NULL CHECK (outcome IN ('', 'sent', 'given_up')),
    created_at  timestamp NOT NULL,
    seen_at     timestamp NOT NULL,
    due_at      timestamp NOT NULL,
    lease_until timestamp NOT NULL,
    done_at     timestamp
);
CREATE UNIQUE INDEX notices_name ON notices (user_id, kind, app, occurrence, channel);
CREATE INDEX notices_due ON notices (due_at) WHERE done_at IS NULL;
CREATE INDEX notices_seen ON notices (seen_at);
CREATE INDEX notices_gathered ON notices (kind, app, channel) WHERE message <> '';
