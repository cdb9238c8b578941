package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/migrations"
)

func quotas() suite {
	bucket := quota.BucketOf(start)
	calls := func(at time.Time, e quota.Endpoint, n int64) []quota.Bucket {
		return []quota.Bucket{{At: at, Endpoint: e, Calls: n}}
	}
	refused := quota.Refusal{
		At: start, Endpoint: quota.EndpointPlaying, Calls: quota.Counts{quota.EndpointPlaying: 1100, quota.EndpointHistory: 44},
		RetryAfterMS: 48_925_000, Quota: 1144,
	}
	return suite{
		"CountCalls_SumsTheCallsOfAllProcesses": func(t *testing.T, b *fixture) {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if _, err := b.CountCalls(t.Context(), "app", quota.Batch{}, calls(bucket, quota.EndpointPlaying, 5), bucket); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			later := bucket.Add(quota.BucketLength)
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "other", quota.Batch{}, calls(bucket, quota.EndpointPlaying, 7), bucket))
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(later, quota.EndpointHistory, 2), later))
			same(t, "all", value[[]quota.Bucket](t)(b.openAnother(t).CountCalls(t.Context(), "app", quota.Batch{}, nil, bucket)), []quota.Bucket{
				{At: bucket, Endpoint: quota.EndpointPlaying, Calls: 40}, {At: later, Endpoint: quota.EndpointHistory, Calls: 2},
			})
			same(t, "the recent ones", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(later, quota.EndpointHistory, 1), later)),
				calls(later, quota.EndpointHistory, 3))
			same(t, "counted since", value[time.Time](t)(b.CountedSince(t.Context(), "app")).UTC(), bucket)
			same(t, "never counted", value[time.Time](t)(b.CountedSince(t.Context(), "nobody")), time.Time{})
		},
		"CountCalls_DeletesBucketsOlderThanAMonth": func(t *testing.T, b *fixture) {
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(bucket, quota.EndpointPlaying, 5), bucket))
			later := bucket.Add(32 * 24 * time.Hour)
			same(t, "all", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(later, quota.EndpointPlaying, 1), bucket)),
				calls(later, quota.EndpointPlaying, 1))
		},
		"CountCalls_CountsABatchOnceHoweverOftenItIsWritten": func(t *testing.T, b *fixture) {
			first, second := quota.Batch{Process: "p", Number: 1}, quota.Batch{Process: "p", Number: 2}
			for _, batch := range []quota.Batch{first, first, second, first, second, {Process: "other", Number: 1}} {
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", batch, calls(bucket, quota.EndpointPlaying, 5), bucket))
			}
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "another", first, calls(bucket, quota.EndpointPlaying, 7), bucket))
			same(t, "all", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, nil, bucket)), calls(bucket, quota.EndpointPlaying, 15))
		},
		"CountCalls_SubtractsCallsThatWereNotMade": func(t *testing.T, b *fixture) {
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(bucket, quota.EndpointPlaying, 5), bucket))
			same(t, "all", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(bucket, quota.EndpointPlaying, -2), bucket)),
				calls(bucket, quota.EndpointPlaying, 3))
			same(t, "never negative", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, calls(bucket, quota.EndpointPlaying, -9), bucket)),
				calls(bucket, quota.EndpointPlaying, 0))
		},
		"LastRefusal_InTheFutureCountsAsNow": func(t *testing.T, b *fixture) {
			ahead, older, later := refused, refused, refused
			ahead.At, ahead.Quota = start.Add(9*time.Hour), 900
			older.At = start.Add(-time.Hour)
			must(t, b.SaveRefusal(t.Context(), "app", older))
			must(t, b.SaveRefusal(t.Context(), "app", ahead))
			ahead.At = ahead.At.Add(time.Minute)
			must(t, b.SaveRefusal(t.Context(), "app", ahead))
			ahead.At = start
			same(t, "first", value[quota.Refusal](t)(b.LastRefusal(t.Context(), "app")), ahead)
			b.clock.advance(time.Hour)
			same(t, "an hour later", value[quota.Refusal](t)(b.openAnother(t).LastRefusal(t.Context(), "app")), ahead)
			later.At = start.Add(time.Hour)
			must(t, b.SaveRefusal(t.Context(), "app", later))
			same(t, "after the next one", value[quota.Refusal](t)(b.LastRefusal(t.Context(), "app")), later)
			same(t, "refusals of a week", value[store.Status](t)(b.Status(t.Context())).Quotas["app"].Refusals, int64(4))
		},
		"SaveRefusal_StoresTheLearnedQuota": func(t *testing.T, b *fixture) {
			same(t, "before", value[quota.Refusal](t)(b.LastRefusal(t.Context(), "app")), quota.Refusal{})
			must(t, b.SaveRefusal(t.Context(), "app", refused))
			must(t, b.SaveRefusal(t.Context(), "app", refused)) // a refusal that is stored already is not added again
			probe := refused
			probe.At, probe.Quota = start.Add(time.Hour), 0
			must(t, b.SaveRefusal(t.Context(), "app", probe))
			same(t, "the last", value[quota.Refusal](t)(b.openAnother(t).LastRefusal(t.Context(), "app")), refused)
			same(t, "of another account", value[quota.Refusal](t)(b.LastRefusal(t.Context(), "other")), quota.Refusal{})
		},
		"Status_HasTheQuotasOfAccounts": func(t *testing.T, b *fixture) {
			own := songspy.UserApp("0123456789abcdef0123456789abcdef")
			for _, account := range []string{"app", own} {
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), account, quota.Batch{}, calls(bucket, quota.EndpointPlaying, 12), bucket))
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), account, quota.Batch{}, calls(bucket.Add(-25*time.Hour), quota.EndpointPlaying, 7), bucket))
				must(t, b.SaveRefusal(t.Context(), account, refused))
			}
			older := refused
			older.At = start.Add(-8 * 24 * time.Hour)
			must(t, b.SaveRefusal(t.Context(), "app", older))
			same(t, "quotas", value[store.Status](t)(b.Status(t.Context())).Quotas, map[string]store.QuotaStatus{
				"app": {Calls: quota.Counts{quota.EndpointPlaying: 12}, Refusals: 1, LastRefusal: &refused},
			})
		},
		"PruneBreakers_DeletesTheRefusalsOfUnusedUserApps": func(t *testing.T, b *fixture) {
			own := songspy.UserApp("0123456789abcdef0123456789abcdef")
			must(t, b.SaveRefusal(t.Context(), own, refused))
			must(t, b.SaveRefusal(t.Context(), "app", refused))
			value[int64](t)(b.PruneBreakers(t.Context(), start.Add(time.Hour)))
			same(t, "of the user-supplied app", value[quota.Refusal](t)(b.LastRefusal(t.Context(), own)), quota.Refusal{})
			same(t, "of the instance's app", value[quota.Refusal](t)(b.LastRefusal(t.Context(), "app")), refused)
		},
		"EraseUser_DeletesTheQuotaOfTheirApp": func(t *testing.T, b *fixture) {
			own, u := songspy.UserApp("0123456789abcdef0123456789abcdef"), b.newUser(t)
			value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{UserID: u.ID, App: own, Grant: grant("own"), Account: account("own"), ConsentedAt: start}))
			must(t, b.SaveRefusal(t.Context(), own, refused))
			value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, calls(bucket, quota.EndpointPlaying, 1), bucket))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), u.ID))
			same(t, "refusal", value[quota.Refusal](t)(b.LastRefusal(t.Context(), own)), quota.Refusal{})
			same(t, "buckets", len(value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, nil, bucket))), 0)
		},
		"Migrate_13_SpreadsTheCallsOfADay": func(t *testing.T, b *fixture) {
			db := b.sql(t)
			run := func(statement string, args ...any) {
				t.Helper()
				_, err := db.ExecContext(t.Context(), statement, args...)
				must(t, err)
			}
			kind := map[bool]string{true: "timestamp", false: "timestamptz"}[b.db.Engine == SQLite]
			run("DROP TABLE quota_calls")
			run("DROP TABLE quota_refusals")
			run("CREATE TABLE spent_calls (app text NOT NULL, day " + kind + " NOT NULL, calls bigint NOT NULL, PRIMARY KEY (app, day))")
			day := time.Now().UTC().Truncate(24 * time.Hour)
			former := day.Add(-3 * 24 * time.Hour)
			run("INSERT INTO spent_calls VALUES ('app', $1, 1000), ('app', $2, 777), ('app', $3, 3)", former, day, former.Add(-24*time.Hour))
			engine := map[bool]string{true: "sqlite", false: "postgres"}[b.db.Engine == SQLite]
			script := string(value[[]byte](t)(migrations.Files.ReadFile(engine + "/00013_quota.sql")))
			for _, statement := range strings.Split(script, ";\n") {
				if strings.TrimSpace(statement) != "" {
					run(statement)
				}
			}
			sums := map[time.Time]int64{}
			most := int64(0)
			for _, c := range value[[]quota.Bucket](t)(b.CountCalls(t.Context(), "app", quota.Batch{}, nil, time.Time{})) {
				sums[c.At.Truncate(24*time.Hour)] += c.Calls
				if c.At.Before(day) {
					most = max(most, c.Calls)
				}
				if c.Endpoint != quota.EndpointUnknown || !c.At.Equal(quota.BucketOf(c.At)) || c.At.After(time.Now()) {
					t.Errorf("a bucket is %+v", c)
				}
			}
			same(t, "sums", fmt.Sprint(sums), fmt.Sprint(map[time.Time]int64{former: 1000, day: 777, former.Add(-24 * time.Hour): 3}))
			same(t, "the fullest five minutes of a day of 1000", most, 4)
		},
	}
}
