-- +goose Up
-- What every process must know of an app's doors: package gate says what is in it.
CREATE TABLE doors (
    app        text   PRIMARY KEY,
    version    bigint NOT NULL,
    state      jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

-- How many calls an app has made to the Web API, by the midnight (UTC) that began the day.
CREATE TABLE spent_calls (
    app   text NOT NULL,
    day   timestamptz NOT NULL,
    calls bigint NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (app, day)
);
