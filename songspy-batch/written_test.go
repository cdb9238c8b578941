package main

import (
	"database/sql"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// heard is a play as it is stored.
type heard struct {
	uri        string
	start, end time.Time
	listened   time.Duration
}

// plays reads a person's plays from the file.
func (w *world) plays(person int) (plays []heard) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), `SELECT t.uri, p.started_at, p.ended_at, p.listened_ms
		FROM plays p JOIN tracks t ON t.id = p.track_id WHERE p.user_id = ? ORDER BY p.started_at`, int64(user(person)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var h heard
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
func (w *world) rows(table string, person int) (n int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(w.t.Context(), `SELECT count(*) FROM `+table+` WHERE user_id = ?`, int64(user(person))).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// album scripts songs of three minutes one after another from the start on, no
// song twice in a row, and gives what is played.
func (w *world) album(person int, start time.Time, songs int) (plays []sim.Play) {
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
func (w *world) hasOnce(person int, album []sim.Play, until time.Time) (ended int) {
	w.t.Helper()
	plays := w.plays(person)
	for _, song := range album {
		i := slices.IndexFunc(plays, func(h heard) bool {
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
