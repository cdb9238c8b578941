-- +goose Up
-- Which other track was shown with a progress that is not its own; empty while
-- there is no doubt. Of a doubt that is older than this column nobody knows it.
ALTER TABLE now_playing ADD COLUMN doubted_uri text NOT NULL DEFAULT '';
