package journey

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the test reads the database directly
	_ "modernc.org/sqlite"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// TestBatch_KilledWhilePollingLosesAndDuplicatesNothing kills the batch repeatedly while
// songs change, and compares the stored plays with what the simulator really played. No play
// may be stored twice, and none that polls must have observed may be missing.
func TestBatch_KilledWhilePollingLosesAndDuplicatesNothing(t *testing.T) {
	const people = 6
	forEachDatabase(t, sim.Options{Seed: 2, People: people}, func(t *testing.T, w *testSystem) {
		length, kills := 15*time.Second, 6
		if !strings.HasPrefix(w.database, "sqlite:") {
			// On Postgres, no user is polled until the leases of the killed batch (its rights to
			// poll) expire, after 15 s. So a song must last longer to be observed.
			length, kills = 40*time.Second, 3
		}
		for person := range people {
			w.sim.Script(person, songsInARow(w.sim, 100*(person+1), 60, length+time.Duration(person)*500*time.Millisecond))
		}
		w.start("songspy-api")
		users := map[int64]*frontend{}
		for person := range people {
			f, _ := w.signUp(person)
			f.link()
			users[f.id] = f
		}
		batch := w.start("songspy-batch")
		w.eventually("everyone on the board", func() bool { return len(w.board()) == people })
		from := time.Now()
		for range kills {
			polls := w.sim.Stats().Total("currently-playing")
			w.eventually("some polls", func() bool { return w.sim.Stats().Total("currently-playing") >= polls+4*people })
			w.kill(batch)
			batch = w.start("songspy-batch")
		}
		until := time.Now()
		stored := w.storedPlays()
		for id, f := range users {
			for _, p := range w.sim.Truth(f.person, from, until) {
				n := stored[id][p.Track.URI]
				if n > 1 {
					t.Errorf("user %d: %s was stored %d times", f.person, p.Track.Title, n)
				}
				// Polls must have observed a song that began after the time from, and ended more than
				// one song length before the time until.
				if n == 0 && p.Start.After(from) && p.End.Before(until.Add(-length)) {
					t.Errorf("user %d: %s, %v to %v, was lost", f.person, p.Track.Title, p.Start, p.End)
				}
			}
		}
	})
}

// openDatabase opens the database of the services under test.
func (w *testSystem) openDatabase() *sql.DB {
	w.t.Helper()
	driver, source := "pgx", w.database
	if path, ok := strings.CutPrefix(w.database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)" // the services write at the same time
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// storedPlays counts the stored plays by the user's public id and the track's URI.
func (w *testSystem) storedPlays() map[int64]map[string]int {
	w.t.Helper()
	db := w.openDatabase()
	rows, err := db.QueryContext(w.t.Context(), `SELECT u.public_id, t.uri, count(*) FROM plays p
		JOIN users u ON u.id = p.user_id JOIN tracks t ON t.id = p.track_id GROUP BY u.public_id, t.uri`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	stored := map[int64]map[string]int{}
	for rows.Next() {
		var id int64
		var uri string
		var n int
		if err := rows.Scan(&id, &uri, &n); err != nil {
			w.t.Fatal(err)
		}
		if stored[id] == nil {
			stored[id] = map[string]int{}
		}
		stored[id][uri] = n
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return stored
}
