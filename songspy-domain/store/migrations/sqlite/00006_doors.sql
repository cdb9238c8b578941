-- +goose Up
-- What every process must know of an app's doors: package gate says what is in it.
CREATE TABLE doors (
    app        text   PRIMARY KEY,
    version    integer NOT NULL,
    state      text NOT NULL,
    updated_at timestamp NOT NULL
) WITHOUT ROWID;

-- How many calls an app has made to the Web API, by the midnight (UTC) that began the day.
CREATE TABLE spent_calls (
    app   text NOT NULL,
    day   timestamp NOT NULL,
    calls integer NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (app, day)
) WITHOUT ROWID;
