package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// linkByPKCE links a person through the Spotify app without the app's secret. If the
// simulator's option RotateRefreshTokens is set, each renewal of such a link replaces
// the refresh token.
func (w *simWorld) linkByPKCE(person int) {
	w.t.Helper()
	w.linkViaApp(person, sim.SpotifyClientID, sim.SpotifyClientID, "")
}

// backup copies the database. The function restore, which it returns, replaces the
// database with the copy. No batch may be running when restore is called.
func (w *simWorld) backup() (restore func()) {
	w.t.Helper()
	copied := filepath.Join(w.t.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", w.dbPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(w.t.Context(), "VACUUM INTO ?", copied); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.t.Helper()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(w.dbPath + suffix); err != nil && !os.IsNotExist(err) {
				w.t.Fatal(err)
			}
		}
		if err := os.Rename(copied, w.dbPath); err != nil {
			w.t.Fatal(err)
		}
		w.db = w.openStore()
	}
}

// countAPICalls counts the calls to the Web API that reached Spotify in the given time.
func (w *simWorld) countAPICalls(from, until time.Time) (n int) {
	for _, endpoint := range []string{"currently-playing", "recently-played"} {
		for _, c := range w.callsTo(endpoint) {
			if !c.At.Before(from) && c.At.Before(until) {
				n++
			}
		}
	}
	return n
}

func (w *simWorld) linkStates() map[songspy.LinkState]int {
	w.t.Helper()
	states := map[songspy.LinkState]int{}
	for person := range w.sim.People() {
		l, err := w.db.Link(context.WithoutCancel(w.t.Context()), userOf(person))
		if err != nil {
			w.t.Fatal(err)
		}
		states[l.State]++
	}
	return states
}

// TestABadDay repeats incidents that have happened, within two days: a 429 with
// Retry-After 79,892 s, a restart in that time, an outage of 40 minutes in which
// every renewal is refused, and the restore of a backup that is an hour old. With
// -short, Retry-After is 7,892 s and there are fewer people.
func TestABadDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rotating = 2
		people := wholeOrShort(12, 6)
		w := newSimWorld(t, sim.Options{People: people, Population: "regular", Seed: 13, Epoch: time.Now(), RotateRefreshTokens: true})
		w.changeInterval = 30 * time.Second
		for person := range rotating {
			w.linkByPKCE(person)
		}
		from := time.Now()
		stop, _ := w.start()
		<-time.After(3 * time.Hour)

		retryAfter := wholeOrShort(79_892, 7_892)
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &retryAfter, Times: 1})
		for w.rateLimitedAt().IsZero() {
			<-time.After(time.Second)
		}
		blockedAt := w.rateLimitedAt()
		blockedUntil := blockedAt.Add(time.Duration(retryAfter) * time.Second)
		<-time.After(2 * time.Hour)
		stop()
		<-time.After(time.Minute)
		stop, _ = w.start()
		<-time.After(time.Until(blockedUntil.Add(2 * time.Hour)))
		// Calls that had begun when the breaker opened may still arrive, so the first second
		// does not count.
		if n := w.countAPICalls(blockedAt.Add(time.Second), blockedUntil); n > 0 {
			t.Errorf("%d calls were made while the app was blocked", n)
		}
		if n := w.countAPICalls(blockedUntil, blockedUntil.Add(3*time.Minute)); n < people {
			t.Errorf("only %d calls in the three minutes after the breaker closed", n)
		}
		for second := range 180 {
			at := blockedUntil.Add(time.Duration(second) * time.Second)
			if n := w.countAPICalls(at, at.Add(time.Second)); n > 8 {
				t.Errorf("%d calls in second %d after the breaker closed, want at most 8", n, second)
			}
		}

		end := w.sim.Fault(sim.Fault{Endpoint: "token", Person: sim.Everyone, Kind: sim.InvalidGrant})
		<-time.After(40 * time.Minute)
		if states := w.linkStates(); states[songspy.LinkReauthRequired] > 0 || states[songspy.LinkSuspect] > people/6 {
			t.Errorf("during the outage the links are %v", states)
		}
		end()
		<-time.After(2 * time.Hour)
		if states := w.linkStates(); states[songspy.LinkActive] != people {
			t.Errorf("after the outage the links are %v", states)
		}

		restore := w.backup()
		<-time.After(time.Hour)
		stop()
		restore()
		stop, _ = w.start()
		<-time.After(2 * time.Hour)
		// The refresh tokens of the links by PKCE have been replaced since the backup, so the
		// restored ones are invalid. Other links are not affected.
		if states := w.linkStates(); states[songspy.LinkSuspect] != rotating || states[songspy.LinkActive] != people-rotating {
			t.Errorf("two hours after the restore the links are %v", states)
		}
		<-time.After(10 * time.Hour)
		stop()
		until := time.Now()
		for person := range people {
			l, err := w.db.Link(context.WithoutCancel(t.Context()), userOf(person))
			if err != nil {
				t.Fatal(err)
			}
			want := songspy.TaskNone
			if person < rotating {
				want = songspy.TaskRelink
			}
			if got := l.Task(until); got != want {
				t.Errorf("the link of person %d is %s and its task is %q, want %q", person, l.State, got, want)
			}
			if a := w.compareWithTruth(person, from, until, from); a.duplicated+a.invented > 0 {
				t.Errorf("person %d: %+v", person, a)
			}
			w.expectGap(person, songspy.GapAppBlocked, blockedAt.Add(10*time.Minute), blockedUntil)
			if person < rotating {
				w.expectGap(person, songspy.GapLinkBroken, until.Add(-time.Minute), until)
			}
		}
	})
}

// rateLimitedAt returns the time of the first 429, or the zero time if there was none.
func (w *simWorld) rateLimitedAt() time.Time {
	for _, c := range w.callsTo("currently-playing") {
		if c.Status == 429 {
			return c.At
		}
	}
	return time.Time{}
}

// expectGap fails the test unless a gap with the reason covers the given time.
func (w *simWorld) expectGap(person int, reason songspy.GapReason, from, until time.Time) {
	w.t.Helper()
	var all []string
	for _, g := range w.gaps(person) {
		if g.Reason == reason && !g.BeganAt.After(from) && (g.EndedAt == nil || !g.EndedAt.Before(until)) {
			return
		}
		all = append(all, fmt.Sprintf("%+v", g))
	}
	w.t.Errorf("person %d: no gap %s covers %s to %s; the gaps are %s", person, reason, from, until, strings.Join(all, ", "))
}
