-- +goose Up
-- The words of docs/glossary.md for tables, columns and values. No row is lost.
-- Releases before this one cannot use the schema.
ALTER TABLE doors RENAME TO breakers;

ALTER TABLE play_ledger RENAME TO history_items;
ALTER TABLE history_items RENAME COLUMN heard_at TO played_at;

ALTER TABLE user_tracks RENAME COLUMN first_heard_at TO first_played_at;
ALTER TABLE user_tracks RENAME COLUMN last_heard_at TO last_played_at;

ALTER TABLE now_playing RENAME COLUMN nothing_since TO idle_since;
ALTER TABLE now_playing RENAME COLUMN elsewhere_at TO other_seen_at;

ALTER TABLE shards RENAME COLUMN done_until TO polled_until;
ALTER TABLE replicas RENAME COLUMN seen_until TO alive_until;

-- SQLite renames no index.
ALTER TABLE notices RENAME TO notifications;
DROP INDEX notices_name;
DROP INDEX notices_due;
DROP INDEX notices_seen;
DROP INDEX notices_gathered;
UPDATE notifications SET kind = CASE kind
    WHEN 'door_closed' THEN 'app_blocked' WHEN 'needs_person' THEN 'needs_user' ELSE 'outage_ended' END
WHERE kind IN ('door_closed', 'needs_person', 'outage_over');
CREATE UNIQUE INDEX notifications_name ON notifications (user_id, kind, app, occurrence, channel);
CREATE INDEX notifications_due ON notifications (due_at) WHERE done_at IS NULL;
CREATE INDEX notifications_seen ON notifications (seen_at);
CREATE INDEX notifications_grouped ON notifications (kind, app, channel) WHERE message <> '';

-- SQLite changes a check only with its table.
CREATE TABLE changes_of_users (
    number  integer   PRIMARY KEY,
    user_id integer   NOT NULL,
    kind    text      NOT NULL CHECK (kind IN ('user', 'link', 'playing')),
    at      timestamp NOT NULL
);
INSERT INTO changes_of_users (number, user_id, kind, at)
    SELECT number, user_id, CASE kind WHEN 'person' THEN 'user' ELSE kind END, at FROM changes;
DROP TABLE changes;
ALTER TABLE changes_of_users RENAME TO changes;

CREATE TABLE gaps_of_users (
    user_id  integer   NOT NULL,
    began_at timestamp NOT NULL,
    ended_at timestamp,
    reason   text      NOT NULL CHECK (reason IN ('link_broken', 'app_blocked', 'provider_down', 'batch_down', 'unseen')),
    PRIMARY KEY (user_id, began_at, reason),
    CONSTRAINT gaps_end_after_begin CHECK (ended_at >= began_at)
) WITHOUT ROWID;
INSERT INTO gaps_of_users (user_id, began_at, ended_at, reason)
    SELECT user_id, began_at, ended_at, CASE reason WHEN 'door_closed' THEN 'app_blocked' ELSE reason END FROM gaps;
DROP TABLE gaps;
ALTER TABLE gaps_of_users RENAME TO gaps;

UPDATE heartbeats SET name = CASE name WHEN 'sweep' THEN 'poller' ELSE 'notifications' END WHERE name IN ('sweep', 'notices');

-- The state of a breaker is JSON: {"accounts": {…}, "api": {…}}.
UPDATE breakers SET state = (
    SELECT json_group_object(circuit.key, json((
        SELECT json_group_object(
            CASE field.key WHEN 'why' THEN 'cause' WHEN 'closedAt' THEN 'openedAt' WHEN 'closedUntil' THEN 'openUntil' WHEN 'learnt' THEN 'learned' ELSE field.key END,
            CASE WHEN field.key = 'why' AND field.value = 'throttled' THEN 'rate_limited' ELSE field.value END)
        FROM json_each(circuit.value) AS field)))
    FROM json_each(breakers.state) AS circuit);
