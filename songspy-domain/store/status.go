package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// Status is the state of the service as the database knows it. It names no user.
type Status struct {
	At              time.Time                         `json:"at"`
	SchemaVersion   int64                             `json:"schemaVersion"`
	Links           map[songspy.LinkState]int64       `json:"links"`
	ConsentEnding   int64                             `json:"consentEnding"` // polled links whose consent ends within a month or has ended
	ConsentLeft     []ConsentLeft                     `json:"consentLeft"`   // polled links by the end of their consent, soonest first
	Playing         int64                             `json:"playing"`       // users who are playing
	Plays           map[songspy.PlaySource]int64      `json:"plays"`         // plays that began in the last 24 hours
	OpenGaps        map[songspy.GapReason]int64       `json:"openGaps"`
	Polls           map[string]int64                  `json:"polls"`    // polls of the last 24 hours, by reason
	Replicas        []ReplicaShards                   `json:"replicas"` // the replicas of the batch; none on SQLite
	Shards          int                               `json:"shards"`   // leased shards
	OverdueSeconds  float64                           `json:"overdueSeconds"`
	Breakers        map[string]breaker.SharedBreakers `json:"breakers"`        // by Spotify app of the instance
	Quotas          map[string]QuotaStatus            `json:"quotas"`          // by developer account; the key is the client ID of one of its apps
	UserAppsBlocked int64                             `json:"userAppsBlocked"` // user-supplied apps with a circuit breaker that is open or half open
	Watches         WatchStatus                       `json:"watches"`         // what viewers watch now
	LastPollAt      *time.Time                        `json:"lastPollAt"`      // when a batch last polled, to within some seconds
}

// ConsentLeft counts the polled links whose consent ends within the given number of days,
// or has ended already.
type ConsentLeft struct {
	Days  int   `json:"days"`
	Links int64 `json:"links"`
}

// consentDays are numbers of days. For each of them, Status counts the links
// whose consent ends within that time.
var consentDays = []int{7, 30, 90}

// ReplicaShards is a replica of the batch that is alive, with the number of its shards.
type ReplicaShards struct {
	Name   string `json:"name"`
	Shards int    `json:"shards"`
}

// BatchState says whether a batch polls the users.
type BatchState string

// The states of the batch. BatchRunning means that a replica is alive, or that a heartbeat
// (Status.LastPollAt) was stored and the batch is not silent. The other states mean that no
// replica is alive.
// BatchSilent means that there are users to poll, and the last heartbeat is more than
// silentAfter old. BatchNeverStarted means that there are users to poll, and no heartbeat
// was ever stored. BatchIdle means that no heartbeat was ever stored, but there is no user
// to poll.
const (
	BatchRunning      BatchState = "running"
	BatchSilent       BatchState = "silent"
	BatchNeverStarted BatchState = "never_started"
	BatchIdle         BatchState = "idle"
)

// silentAfter is how long ago the last heartbeat of a batch may be, while there are users
// to poll, before the batch counts as silent.
const silentAfter = 5 * time.Minute

// BatchState returns the state of the batch. If a replica is alive, it is running.
func (st Status) BatchState() BatchState {
	polled := st.Links[songspy.LinkActive] + st.Links[songspy.LinkSuspect]
	switch {
	case len(st.Replicas) > 0:
		return BatchRunning
	case st.LastPollAt == nil && polled > 0:
		return BatchNeverStarted
	case st.LastPollAt == nil:
		return BatchIdle
	case st.At.Sub(*st.LastPollAt) > silentAfter && polled > 0:
		return BatchSilent
	}
	return BatchRunning
}

// Apps returns the names of the apps of the instance that have stored circuit breakers or a
// quota, sorted.
func (st Status) Apps() []string {
	names := slices.Concat(slices.Collect(maps.Keys(st.Breakers)), slices.Collect(maps.Keys(st.Quotas)))
	slices.Sort(names)
	return slices.Compact(names)
}

// Planned returns the largest number of calls that Songspy plans for the account in 24
// hours, according to what is known at the given time. dailyMax is how many calls the
// operator allows in 24 hours; 0 means no limit except Spotify's. bounded is false if no
// limit is known.
func (q QuotaStatus) Planned(at time.Time, dailyMax int64) (calls int64, bounded bool) {
	account := quota.Account{DailyMax: dailyMax}
	if q.LastRefusal != nil {
		account.Learn(at, *q.LastRefusal)
	}
	return account.Limit(at)
}

// Status reads the state of the service.
func (s *Store) Status(ctx context.Context) (st Status, err error) {
	now := s.now()
	st = Status{
		At: now, Links: map[songspy.LinkState]int64{}, Plays: map[songspy.PlaySource]int64{}, OpenGaps: map[songspy.GapReason]int64{},
		Breakers: map[string]breaker.SharedBreakers{},
	}
	if st.SchemaVersion, err = s.schemaVersion(ctx); err != nil {
		return st, translate(err)
	}
	links, err := s.LinkGroups(ctx)
	if err != nil {
		return st, err
	}
	st.countLinks(links)
	shards, err := readShards(s.query(ctx))
	if err != nil {
		return st, translate(err)
	}
	st.countShards(&shards)
	for _, q := range []struct {
		query string
		args  []any
		scan  func(*sql.Rows) error
	}{
		{
			`SELECT count(*) FROM now_playing WHERE state = 'playing' AND (ends_at IS NULL AND seen_at > $1 OR ends_at > $2)`,
			[]any{now.Add(-songspy.UnknownEndShownFor), now.Add(-songspy.EndGrace)},
			func(rows *sql.Rows) error { return rows.Scan(&st.Playing) },
		},
		{`SELECT source, count(*) FROM plays WHERE started_at > $1 AND deleted_at IS NULL AND NOT probable GROUP BY source`, []any{now.Add(-24 * time.Hour)}, scanCounts(st.Plays)},
		{`SELECT reason, count(*) FROM gaps WHERE ended_at IS NULL GROUP BY reason`, nil, scanCounts(st.OpenGaps)},
		{`SELECT app, state FROM breakers`, nil, func(rows *sql.Rows) error {
			var app string
			var state []byte
			var shared breaker.SharedBreakers
			if err := rows.Scan(&app, &state); err != nil {
				return err
			}
			err := json.Unmarshal(state, &shared)
			if _, isUserApp := songspy.UserAppClientID(app); !isUserApp {
				st.Breakers[app] = shared
			} else if shared.Accounts.Cause != "" || shared.API.Cause != "" {
				st.UserAppsBlocked++
			}
			return err
		}},
		{`SELECT at FROM heartbeats WHERE name = 'poller'`, nil, func(rows *sql.Rows) error { return rows.Scan(&st.LastPollAt) }},
	} {
		if err := queryRows(ctx, s.pool, q.scan, q.query, q.args...); err != nil {
			return st, translate(err)
		}
	}
	if st.Watches, err = s.watchStatus(ctx); err != nil {
		return st, translate(err)
	}
	if st.Polls, err = s.pollCounts(ctx, now); err != nil {
		return st, err
	}
	st.Quotas, err = s.quotaStatus(ctx, now)
	return st, err
}

// countLinks adds the numbers of links in the groups to the counts by state, and those of
// polled links to the counts by the end of their consent.
func (st *Status) countLinks(groups []songspy.LinkGroup) {
	for _, days := range consentDays {
		st.ConsentLeft = append(st.ConsentLeft, ConsentLeft{Days: days})
	}
	for _, g := range groups {
		st.Links[g.State] += g.Count
		if !g.State.IsPolled() {
			continue
		}
		left := g.ConsentLeft(st.At)
		for i, days := range consentDays {
			if left <= time.Duration(days)*24*time.Hour {
				st.ConsentLeft[i].Links += g.Count
			}
		}
		if !st.At.Before(songspy.Link{AuthorizedAt: g.ConsentedOn}.RemindAt()) {
			st.ConsentEnding += g.Count
		}
	}
}

// countShards sets the replicas that are alive, their shards, and how long the earliest poll of a
// leased shard is overdue.
func (st *Status) countShards(t *songspy.ShardTable) {
	leased := t.CountLeased(st.At)
	for _, owner := range slices.Sorted(maps.Keys(leased)) {
		st.Replicas, st.Shards = append(st.Replicas, ReplicaShards{Name: owner, Shards: leased[owner]}), st.Shards+leased[owner]
	}
	if until := t.EarliestPolledUntil(st.At); !until.IsZero() {
		st.OverdueSeconds = max(0, st.At.Sub(until).Seconds())
	}
}

// scanCounts returns a function that scans rows of a name and a count into dest.
func scanCounts[K ~string](dest map[K]int64) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		dest[K(name)] = n
		return err
	}
}
