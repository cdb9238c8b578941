-- +goose Up
-- Who has asked for a seat in a Spotify app, until they link. app is empty while
-- they wait for any.
CREATE TABLE spotify_seats (
    user_id      integer   PRIMARY KEY,
    app          text      NOT NULL,
    state        text      NOT NULL CHECK (state IN ('waiting', 'held', 'entered')),
    email_sealed blob      NOT NULL,
    asked_at     timestamp NOT NULL,
    state_since  timestamp NOT NULL
);

-- Seats are counted by app.
CREATE INDEX spotify_links_app ON spotify_links (app);
