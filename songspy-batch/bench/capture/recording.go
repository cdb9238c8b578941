package main

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// recordingStore wraps the store. It also records the board entries that
// viewers could see, and the calls to Spotify.
type recordingStore struct {
	*store.Store
	from, to time.Time
	explain  bool

	mu             sync.Mutex
	people         []observations
	polls          int       // polls in the measured time
	historyFetches int       // history fetches in the measured time
	refused        int       // refused calls in the measured time
	rateLimited    int       // calls rejected with 429 in the measured time
	lastSuccess    time.Time // time of the last successful call
	longestOutage  time.Duration
}

// observations are the board entries and calls that were recorded for one person.
type observations struct {
	shown      []boardState
	shownPolls []time.Time // polls that returned a player
	polls      []time.Time // all polls
	calls      []apiCall   // all calls; only with -explain
}

// boardState is the board entry of a person from a time on.
type boardState struct {
	from    time.Time
	playing songspy.NowPlaying
}

// recordCall records a call to the simulator.
func (w *recordingStore) recordCall(c sim.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const ok = 200
	isPoll := c.Endpoint.String() == "currently-playing"
	if isPoll && c.Status == ok {
		w.people[c.Person].shownPolls = append(w.people[c.Person].shownPolls, c.At)
	}
	if isPoll {
		w.people[c.Person].polls = append(w.people[c.Person].polls, c.At)
	}
	if w.explain {
		w.people[c.Person].calls = append(w.people[c.Person].calls, apiCall{c.At, !isPoll, c.Status})
	}
	if c.Status >= 200 && c.Status < 300 {
		w.recordOutage(c.At)
		w.lastSuccess = c.At
	}
	if c.At.Before(w.from) || !c.At.Before(w.to) {
		return
	}
	switch {
	case isPoll:
		w.polls++
	case c.Endpoint.String() == "recently-played":
		w.historyFetches++
	}
	if c.Status >= 400 || c.Status == 0 {
		w.refused++
	}
	if c.Status == 429 {
		w.rateLimited++
	}
}

// recordOutage records the part of the measured time that lies between the last successful
// call and the argument until. The caller holds mu, or no call is running any more.
func (w *recordingStore) recordOutage(until time.Time) {
	if until.After(w.from) && w.lastSuccess.Before(w.to) {
		w.longestOutage = max(w.longestOutage, earlier(until, w.to).Sub(later(w.lastSuccess, w.from)))
	}
}

// WritePlaybackUpdates writes the updates and records the board entries that viewers see
// from then on.
func (w *recordingStore) WritePlaybackUpdates(ctx context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error) {
	written, err := w.Store.WritePlaybackUpdates(ctx, updates)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i, h := range updates {
		if h.Visible && !written[i].Dropped && written[i].Err == nil {
			p := &w.people[h.Playing.UserID-1]
			p.shown = append(p.shown, boardState{now, h.Playing})
		}
	}
	return written, nil
}

// WaitForChange waits an hour instead of polling the change feed, because no user links or
// unlinks during the measurement. Polling SQLite five times a second would mean millions of
// reads in a simulated week.
func (w *recordingStore) WaitForChange(ctx context.Context, _ int64) error {
	delayqueue.Wait(ctx, time.Hour)
	return ctx.Err()
}

// storedPlay is a play in the database.
type storedPlay struct {
	person     int
	uri, isrc  string
	start, end time.Time
	listened   time.Duration
	source     songspy.PlaySource
	probable   bool
	playedAt   time.Time // of its history item; zero if there is none
}

// storedPlays reads the plays from the database file, without the deleted ones.
func storedPlays(path string) (plays []storedPlay, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(context.Background(), `SELECT p.user_id, t.uri, t.isrc, p.started_at, p.ended_at, p.listened_ms, p.source, p.probable,
		(SELECT MAX(l.played_at) FROM history_items l WHERE l.user_id = p.user_id AND l.play_id = p.id)
		FROM plays p JOIN tracks t ON t.id = p.track_id WHERE p.deleted_at IS NULL ORDER BY p.user_id, p.started_at, p.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s storedPlay
		var user, start, end, listened int64
		var playedAt sql.NullInt64
		if err := rows.Scan(&user, &s.uri, &s.isrc, &start, &end, &listened, &s.source, &s.probable, &playedAt); err != nil {
			return nil, err
		}
		s.person, s.listened = int(user)-1, time.Duration(listened)*time.Millisecond
		s.start, s.end = time.UnixMicro(start).UTC(), time.UnixMicro(end).UTC()
		if playedAt.Valid {
			s.playedAt = time.UnixMicro(playedAt.Int64).UTC()
		}
		plays = append(plays, s)
	}
	return plays, rows.Err()
}
