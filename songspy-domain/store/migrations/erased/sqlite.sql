-- Version 15, before the deleted plays are converted: see store/migrate_deleted_plays.go.

-- By this key the tracks of a user's deleted plays are hashed. It is random, sealed,
-- and empty until the user deletes a play.
ALTER TABLE users ADD COLUMN deletion_key_sealed blob NOT NULL DEFAULT x'';

-- What is left of a deleted play's track, whose track_id is 0: keyed hashes of its
-- URI and its ISRC.
ALTER TABLE plays ADD COLUMN uri_hash blob;
ALTER TABLE plays ADD COLUMN isrc_hash blob;

-- Whether the track is a file of the user's own. By the index the store finds
-- whether anybody has it among their tracks.
ALTER TABLE user_tracks ADD COLUMN local boolean NOT NULL DEFAULT 0;
UPDATE user_tracks SET local = 1 WHERE track_id IN (SELECT id FROM tracks WHERE kind = 'local');
CREATE INDEX user_tracks_local ON user_tracks (track_id) WHERE local;
CREATE INDEX tracks_local ON tracks (id) WHERE kind = 'local';

-- Every local file is known by its URI.
UPDATE now_playing SET track_uri = 'spotify:local:' || track_uri
WHERE track_uri NOT LIKE 'spotify:local:%' AND track_id IN (SELECT id FROM tracks WHERE kind = 'local');
UPDATE tracks SET uri = 'spotify:local:' || uri WHERE kind = 'local' AND uri NOT LIKE 'spotify:local:%';

-- A deleted play leaves no time in the user's tracks, nor the track itself.
DELETE FROM user_tracks WHERE plays <= 0
AND (user_id, track_id) IN (SELECT user_id, track_id FROM plays WHERE deleted_at IS NOT NULL)
AND (user_id, track_id) NOT IN (SELECT user_id, track_id FROM now_playing);
UPDATE user_tracks SET first_heard_at = live.first_heard_at, last_heard_at = live.last_heard_at
FROM (SELECT p.user_id, p.track_id, MIN(p.started_at) AS first_heard_at, MAX(p.ended_at) AS last_heard_at
    FROM plays p WHERE p.deleted_at IS NULL AND (p.user_id, p.track_id) IN (SELECT user_id, track_id FROM plays WHERE deleted_at IS NOT NULL)
    GROUP BY p.user_id, p.track_id) live
WHERE user_tracks.user_id = live.user_id AND user_tracks.track_id = live.track_id;
