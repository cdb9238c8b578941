package main

import (
	"database/sql"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// heard is a play as it is stored.
type storedPlay struct {
	uri        string
	start, end time.Time
	listened   time.Duration
}

// plays reads a person's plays from the file.
func (w *simWorld) playRows(person int) (plays []storedPlay) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.dbPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), `SELECT t.uri, p.started_at, p.ended_at, p.listened_ms
		FROM plays p JOIN tracks t ON t.id = p.track_id WHERE p.user_id = ? ORDER BY p.started_at`, int64(userOf(person)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var h storedPlay
		var start, end, listened int64
		if err := rows.Scan(&h.uri, &start, &end, &listened); err != nil {
			w.t.Fatal(err)
		}
		h.start, h.end = time.UnixMicro(start).UTC(), time.UnixMicro(end).UTC()
		h.listened = time.Duration(listened) * time.Millisecond
		plays = append(plays, h)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return plays
}

// rows counts a person's rows in a table.
func (w *simWorld) countRows(table string, person int) (n int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.dbPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(w.t.Context(), `SELECT count(*) FROM `+table+` WHERE user_id = ?`, int64(userOf(person))).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// album scripts songs of three minutes one after another from the start on, no
// song twice in a row, and gives what is played.
func (w *simWorld) scriptAlbum(person int, start time.Time, songs int) (plays []sim.Play) {
	for i := range songs {
		track := w.sim.Track((person*7 + i) % 200)
		track.Duration = 3 * time.Minute
		plays = append(plays, sim.Play{Track: track, Start: start})
		start = start.Add(track.Duration)
	}
	w.sim.Script(person, plays)
	return plays
}

// hasOnce fails the test unless every song of the album that ended before the
// time is among the person's plays, and nothing is that was not played, or
// twice. It gives how many songs had ended.
func (w *simWorld) expectEachOnce(person int, album []sim.Play, until time.Time) (ended int) {
	w.t.Helper()
	plays := w.playRows(person)
	for _, song := range album {
		i := slices.IndexFunc(plays, func(h storedPlay) bool {
			return h.uri == song.Track.URI && h.start.Sub(song.Start).Abs() < 5*time.Second
		})
		over := song.Start.Add(song.Track.Duration).Before(until)
		switch {
		case i >= 0:
			plays = slices.Delete(plays, i, i+1)
		case over:
			w.t.Errorf("person %d: %s at %s was lost", person, song.Track.URI, song.Start.Format(time.TimeOnly))
		}
		if over {
			ended++
		}
	}
	for _, h := range plays {
		w.t.Errorf("person %d: %s at %s to %s was doubled or never played", person, h.uri, h.start.Format(time.TimeOnly), h.end.Format(time.TimeOnly))
	}
	return ended
}
