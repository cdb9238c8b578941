-- +goose Up
-- Since when Spotify has refused polls with tokens that it renewed just before.
ALTER TABLE spotify_links ADD COLUMN polls_refused_since timestamp;
