-- +goose Up
-- The words of docs/glossary.md for tables, columns and values. No row is lost.
-- Releases before this one cannot use the schema.
ALTER TABLE doors RENAME TO breakers;
ALTER TABLE breakers RENAME CONSTRAINT doors_pkey TO breakers_pkey;

ALTER TABLE play_ledger RENAME TO history_items;
ALTER TABLE history_items RENAME COLUMN heard_at TO played_at;
ALTER TABLE history_items RENAME CONSTRAINT play_ledger_pkey TO history_items_pkey;

ALTER TABLE user_tracks RENAME COLUMN first_heard_at TO first_played_at;
ALTER TABLE user_tracks RENAME COLUMN last_heard_at TO last_played_at;

ALTER TABLE now_playing RENAME COLUMN nothing_since TO idle_since;
ALTER TABLE now_playing RENAME COLUMN elsewhere_at TO other_seen_at;

ALTER TABLE shards RENAME COLUMN done_until TO polled_until;
ALTER TABLE replicas RENAME COLUMN seen_until TO alive_until;

ALTER TABLE notices RENAME TO notifications;
ALTER TABLE notifications RENAME CONSTRAINT notices_pkey TO notifications_pkey;
ALTER TABLE notifications RENAME CONSTRAINT notices_outcome_check TO notifications_outcome_check;
ALTER SEQUENCE notices_id_seq RENAME TO notifications_id_seq;
ALTER INDEX notices_name RENAME TO notifications_name;
ALTER INDEX notices_due RENAME TO notifications_due;
ALTER INDEX notices_seen RENAME TO notifications_seen;
ALTER INDEX notices_gathered RENAME TO notifications_grouped;
UPDATE notifications SET kind = CASE kind
    WHEN 'door_closed' THEN 'app_blocked' WHEN 'needs_person' THEN 'needs_user' ELSE 'outage_ended' END
WHERE kind IN ('door_closed', 'needs_person', 'outage_over');

ALTER TABLE changes DROP CONSTRAINT changes_kind_check;
UPDATE changes SET kind = 'user' WHERE kind = 'person';
ALTER TABLE changes ADD CONSTRAINT changes_kind_check CHECK (kind IN ('user', 'link', 'playing'));

ALTER TABLE gaps DROP CONSTRAINT gaps_reason_check;
UPDATE gaps SET reason = 'app_blocked' WHERE reason = 'door_closed';
ALTER TABLE gaps ADD CONSTRAINT gaps_reason_check
    CHECK (reason IN ('link_broken', 'app_blocked', 'provider_down', 'batch_down', 'unseen'));

UPDATE heartbeats SET name = CASE name WHEN 'sweep' THEN 'poller' ELSE 'notifications' END WHERE name IN ('sweep', 'notices');

-- The state of a breaker is JSON: {"accounts": {…}, "api": {…}}.
UPDATE breakers SET state = (
    SELECT COALESCE(jsonb_object_agg(circuit.key, (
        SELECT COALESCE(jsonb_object_agg(
            CASE field.key WHEN 'why' THEN 'cause' WHEN 'closedAt' THEN 'openedAt' WHEN 'closedUntil' THEN 'openUntil' WHEN 'learnt' THEN 'learned' ELSE field.key END,
            CASE WHEN field.key = 'why' AND field.value = '"throttled"' THEN '"rate_limited"' ELSE field.value END), '{}')
        FROM jsonb_each(circuit.value) AS field)), '{}')
    FROM jsonb_each(breakers.state) AS circuit);
