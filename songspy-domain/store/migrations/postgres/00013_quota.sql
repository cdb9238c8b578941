-- +goose Up
-- How many calls an account has made to the Web API, by the five minutes (UTC) in which they began. The account is
-- that of a developer, named by one of its apps.
CREATE TABLE quota_calls (
    account  text NOT NULL,
    bucket   timestamptz NOT NULL,
    endpoint text NOT NULL,
    calls    bigint NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (account, bucket, endpoint)
);

-- Answers that the quota is exceeded. calls are those of the 24 hours before, by endpoint; quota is what the quota
-- is taken to be since, 0 if the answer taught nothing.
CREATE TABLE quota_refusals (
    account        text NOT NULL,
    refused_at     timestamptz NOT NULL,
    endpoint       text NOT NULL,
    calls          jsonb NOT NULL,
    retry_after_ms bigint NOT NULL CHECK (retry_after_ms >= 0),
    quota          bigint NOT NULL CHECK (quota >= 0),
    PRIMARY KEY (account, refused_at)
);

-- A day's calls are spread over the day, as far as it has come. No call is lost.
INSERT INTO quota_calls (account, bucket, endpoint, calls)
SELECT d.app, d.day + n * interval '5 minutes', 'unknown', d.calls * (n + 1) / d.buckets - d.calls * n / d.buckets
FROM (SELECT app, day, calls, GREATEST(1, LEAST(288, 1 + floor(extract(epoch FROM now() - day) / 300)::bigint)) AS buckets FROM spent_calls) d
CROSS JOIN LATERAL generate_series(0, d.buckets - 1) AS n
WHERE d.calls * (n + 1) / d.buckets > d.calls * n / d.buckets;
DROP TABLE spent_calls;
