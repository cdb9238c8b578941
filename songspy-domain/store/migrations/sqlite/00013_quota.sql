-- +goose Up
-- How many calls an account has made to the Web API, by the five minutes (UTC) in which they began. The account is
-- that of a developer, named by one of its apps.
CREATE TABLE quota_calls (
    account  text NOT NULL,
    bucket   timestamp NOT NULL,
    endpoint text NOT NULL,
    calls    integer NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (account, bucket, endpoint)
) WITHOUT ROWID;

-- Answers that the quota is exceeded. calls are those of the 24 hours before, by endpoint; quota is what the quota
-- is taken to be since, 0 if the answer taught nothing.
CREATE TABLE quota_refusals (
    account        text NOT NULL,
    refused_at     timestamp NOT NULL,
    endpoint       text NOT NULL,
    calls          text NOT NULL,
    retry_after_ms integer NOT NULL CHECK (retry_after_ms >= 0),
    quota          integer NOT NULL CHECK (quota >= 0),
    PRIMARY KEY (account, refused_at)
) WITHOUT ROWID;

-- A day's calls are spread over the day, as far as it has come. No call is lost.
INSERT INTO quota_calls (account, bucket, endpoint, calls)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 287),
    d AS (SELECT app, day, calls, MAX(1, MIN(288, 1 + (CAST(strftime('%s', 'now') AS integer) - day / 1000000) / 300)) AS buckets FROM spent_calls)
SELECT d.app, d.day + n.i * 300000000, 'unknown', d.calls * (n.i + 1) / d.buckets - d.calls * n.i / d.buckets
FROM d JOIN n ON n.i < d.buckets
WHERE d.calls * (n.i + 1) / d.buckets > d.calls * n.i / d.buckets;
DROP TABLE spent_calls;
