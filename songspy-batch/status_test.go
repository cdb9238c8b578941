package main

import (
	"bytes"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestStatusNamesARemedyForEveryProblem(t *testing.T) {
	t.Parallel()
	last := noon.Add(-3 * time.Hour)
	for name, tt := range map[string]struct {
		statusReport
		want string
	}{
		"a bad day": {statusReport{store.Status{
			At: noon, SchemaVersion: 7, Playing: 812,
			Links: map[songspy.LinkState]int64{
				songspy.LinkActive: 9120, songspy.LinkSuspect: 3, songspy.LinkReauthRequired: 41, songspy.LinkNotRegistered: 2,
			},
			ConsentLeft: []store.ConsentLeft{{Days: 7, Links: 12}, {Days: 30, Links: 240}, {Days: 90, Links: 3100}},
			Plays:       map[songspy.PlaySource]int64{songspy.SourceLive: 90210, songspy.SourceHistory: 412},
			OpenGaps:    map[songspy.GapReason]int64{songspy.GapLinkBroken: 43},
			Polls:       map[string]int64{"interval": 94000, "track_end": 1020},
			Replicas:    []store.ReplicaShards{{Name: "KZ5QW", Shards: 32}, {Name: "MB2TA", Shards: 31}}, Shards: 63, OverdueSeconds: 0.4,
			Breakers: map[string]breaker.SharedBreakers{"main": {API: breaker.SharedBreaker{Cause: breaker.CauseRateLimited, OpenUntil: noon.Add(90 * time.Minute)}}},
			Quotas: map[string]store.QuotaStatus{
				"main": {Calls: quota.Counts{quota.EndpointPlaying: 94000, quota.EndpointHistory: 1000}, Refusals: 2, LastRefusal: &quota.Refusal{
					At: noon.Add(-24 * time.Hour), Endpoint: quota.EndpointPlaying, Calls: quota.Counts{quota.EndpointPlaying: 96000}, RetryAfterMS: 5400_000, Quota: 96000,
				}},
				"second": {Calls: quota.Counts{quota.EndpointPlaying: 7}},
			}, UserAppsBlocked: 1,
		}, 100000}, `Songspy at 2026-11-24 12:00:00 UTC, schema version 7

LINKS
  active                    9120      polled
  suspect                   3         rejected recently; retried for six hours
  reauth required           41        their users have to link Spotify again
  not registered            2         to be registered by you in their app's dashboard: songspy-api seats
  consent ends in 7 days    12        or earlier, unless their users link again
  consent ends in 30 days   240       their users are asked to link again, from a month before the end
  consent ends in 90 days   3100

PLAYBACK
  playing                   812       users who are playing a track now
  plays in 24 hours         412 history, 90210 live
  open gaps                 43 link broken

BATCH
  running                   2, polls at most 0.4 s overdue
    KZ5QW                   32 of 64 shards
    MB2TA                   31 of 64 shards
  unassigned                1 of 64 shards; a replica acquires them within half a minute
  polls in 24 hours         94000 interval, 1020 track end

SPOTIFY
  app main
    tokens                  closed: calls pass
    data                    open for another 1 h 30 min, until 2026-11-24 13:30:00 UTC (rate limited): calls are blocked
    calls in 24 hours       95000 to the Web API (94000 currently-playing, 1000 recently-played); at most 91680 are planned
    quota exceeded          at 2026-11-23 12:00:00 UTC by currently-playing after 96000 calls in 24 hours (96000 currently-playing), Retry-After 1 h 30 min; refused 2 times in 7 days
  app second
    tokens                  closed: calls pass
    data                    closed: calls pass
    calls in 24 hours       7 to the Web API (7 currently-playing); at most 97500 are planned
  user-supplied apps        1         blocked; only their users are not polled
`},
		"an instance without users": {statusReport{Status: store.Status{At: noon, SchemaVersion: 7}}, `Songspy at 2026-11-24 12:00:00 UTC, schema version 7

LINKS
  active                    0         polled

PLAYBACK
  playing                   0         users who are playing a track now
  plays in 24 hours         none
  open gaps                 none

BATCH
  idle                      no user is to be polled yet
  polls in 24 hours         none

SPOTIFY
  calls in 24 hours         none
`},
		"a batch that is not running": {statusReport{Status: store.Status{
			At: noon, SchemaVersion: 7, Links: map[songspy.LinkState]int64{songspy.LinkActive: 1}, LastPollAt: &last, Quotas: map[string]store.QuotaStatus{"main": {Calls: quota.Counts{quota.EndpointPlaying: 7}}},
			Breakers: map[string]breaker.SharedBreakers{"main": {Accounts: breaker.SharedBreaker{Cause: breaker.CausePremiumRequired, OpenUntil: noon}}},
		}}, `Songspy at 2026-11-24 12:00:00 UTC, schema version 7

LINKS
  active                    1         polled

PLAYBACK
  playing                   0         users who are playing a track now
  plays in 24 hours         none
  open gaps                 none

BATCH
  silent                    no heartbeat for 3 h 0 min: run songspy-batch health
  polls in 24 hours         none

SPOTIFY
  app main
    tokens                  half open: one call tests it (the app's owner needs Spotify Premium)
    data                    closed: calls pass
    calls in 24 hours       7 to the Web API (7 currently-playing); no limit is known yet
`},
	} {
		var out bytes.Buffer
		if err := writeStatus(tt.statusReport, false, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != tt.want {
			t.Errorf("%s: the table is\n%s\nwant\n%s", name, out.String(), tt.want)
		}
	}
}
