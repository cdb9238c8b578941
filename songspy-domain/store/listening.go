package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// hearingsAtOnce is how many hearings one transaction writes at most: enough
// to spread its round trips thin, few enough to hold its locks briefly.
const hearingsAtOnce = 500

// WriteListening writes what looks at players added up to: the players'
// states, new tracks, finished plays, people's tracks and gaps, and tells
// viewers what is visible. The answer has one entry for each hearing, in their order.
//
// A hearing is dropped if its person's link is gone or was changed since it
// was learnt, or if the stored state is newer. One that is already stored
// counts as written and changes nothing, so a batch whose fate is unknown may
// be written again. One that the database does not take is set aside with its
// error, and the others are written. The error returned is for all: then the
// database could not be asked, and the batch is to be written again.
func (s *Store) WriteListening(ctx context.Context, hearings []songspy.Hearing) ([]songspy.Written, error) {
	written := make([]songspy.Written, len(hearings))
	for batch := range batches(hearings) {
		if err := s.writeHalving(ctx, batch, written); err != nil {
			return nil, err
		}
		if allFaulty(batch, written) {
			return nil, written[batch[0].index].Err // it is not the rows' fault
		}
	}
	for i := range written {
		if written[i].Err != nil {
			s.log.ErrorContext(ctx, "a listener's row was set aside",
				"user_id", int64(hearings[i].Playing.UserID), "error", written[i].Err)
		}
	}
	return written, nil
}

func allFaulty(batch []indexed, written []songspy.Written) bool {
	return len(batch) > 1 && !slices.ContainsFunc(batch, func(h indexed) bool { return written[h.index].Err == nil })
}

// indexed is a hearing with its place in the answer.
type indexed struct {
	songspy.Hearing
	index int
}

// batches cuts the hearings into sets in which no person occurs twice.
func batches(hearings []songspy.Hearing) func(yield func([]indexed) bool) {
	return func(yield func([]indexed) bool) {
		var batch []indexed
		in := make(map[songspy.UserID]bool, hearingsAtOnce)
		for i, h := range hearings {
			if in[h.Playing.UserID] || len(batch) == hearingsAtOnce {
				if !yield(batch) {
					return
				}
				batch = nil
				clear(in)
			}
			batch = append(batch, indexed{h, i})
			in[h.Playing.UserID] = true
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// writeHalving writes the batch in one transaction, or, if that fails, its
// halves, down to the row at fault.
func (s *Store) writeHalving(ctx context.Context, batch []indexed, written []songspy.Written) error {
	err := s.writeBatch(ctx, batch, written)
	if err == nil || songspy.CodeOf(err) == songspy.CodeUnavailable {
		return err
	}
	if len(batch) == 1 {
		written[batch[0].index] = songspy.Written{Err: err}
		return nil
	}
	half := len(batch) / 2
	if err := s.writeHalving(ctx, batch[:half], written); err != nil {
		return err
	}
	return s.writeHalving(ctx, batch[half:], written)
}

func (s *Store) writeBatch(ctx context.Context, batch []indexed, written []songspy.Written) error {
	var w writing
	err := s.inTx(ctx, func(tx *gorm.DB) error {
		w = writing{s: s, ctx: ctx, conn: tx.Statement.ConnPool, outcome: make(map[int]songspy.Written, len(batch))}
		return w.write(tx, batch)
	})
	if err != nil {
		return err
	}
	s.cacheTracks(w.trackIDs)
	for i, o := range w.outcome {
		written[i] = o
	}
	return nil
}

// writing is one transaction's work on one batch.
type writing struct {
	s        *Store
	ctx      context.Context
	conn     gorm.ConnPool
	trackIDs map[string]songspy.TrackID
	outcome  map[int]songspy.Written
}

func (w *writing) write(tx *gorm.DB, batch []indexed) error {
	current, err := w.stillCurrent(batch)
	if err != nil || len(current) == 0 {
		return err
	}
	ready, err := w.resolve(current)
	if err != nil || len(ready) == 0 {
		return err
	}
	newer, err := w.writePlaying(ready)
	if err != nil || len(newer) == 0 {
		return err
	}
	var playing []songspy.NowPlaying
	var plays []songspy.Play
	var gaps []songspy.Gap
	var seen []songspy.UserID
	for _, h := range newer {
		playing = append(playing, h.Playing)
		plays = append(plays, h.Plays...)
		if h.Gap != nil {
			gap := *h.Gap
			gap.UserID = h.Playing.UserID
			gaps = append(gaps, gap)
		}
		if h.Visible {
			seen = append(seen, h.Playing.UserID)
		}
	}
	if err := w.s.insertPlays(w.ctx, w.conn, plays); err != nil {
		return err
	}
	if err := w.s.upsertUserTracks(w.ctx, w.conn, userTracks(playing, plays)); err != nil {
		return err
	}
	if err := w.s.insertGaps(w.ctx, w.conn, gaps); err != nil {
		return err
	}
	return w.s.announce(tx, songspy.ChangePlaying, seen...)
}

// stillCurrent drops the hearings whose people are gone or have changed their
// links, and locks the others' people until the transaction ends. The
// hearings come back sorted by person.
func (w *writing) stillCurrent(batch []indexed) ([]indexed, error) {
	batch = slices.Clone(batch)
	slices.SortFunc(batch, func(a, b indexed) int { return cmp.Compare(a.Playing.UserID, b.Playing.UserID) })
	ids := make([]songspy.UserID, len(batch))
	for i, h := range batch {
		ids[i] = h.Playing.UserID
	}
	generations := make(map[songspy.UserID]int64, len(batch))
	err := w.s.queryWith(w.ctx, w.conn, people(ids), `SELECT u.id, u.link_generation FROM users u
		WHERE u.id IN (SELECT user_id FROM v) ORDER BY u.id`+w.s.engine.keyShare(),
		func(rows *sql.Rows) error {
			var id songspy.UserID
			var generation int64
			if err := rows.Scan(&id, &generation); err != nil {
				return err
			}
			generations[id] = generation
			return nil
		})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(batch, func(h indexed) bool {
		generation, there := generations[h.Playing.UserID]
		drop := !there || generation != h.Playing.Generation
		w.outcome[h.index] = songspy.Written{Dropped: drop}
		return drop
	}), nil
}

// ahead returns, of the hearings whose stored state is later, those whose
// stored state lies ahead of the clock. It was written before the clock was set
// back, and counts as written a moment before the hearing.
func (w *writing) ahead(batch []indexed, stored map[songspy.UserID]time.Time) (rows []songspy.NowPlaying) {
	now := w.s.now()
	for _, h := range batch {
		id, observed := h.Playing.UserID, instant(h.Playing.ObservedAt)
		if at, ok := stored[id]; ok && at.After(observed) && songspy.IsAhead(at, now) && !songspy.IsAhead(observed, now) {
			rows = append(rows, songspy.NowPlaying{UserID: id, ObservedAt: observed.Add(-time.Microsecond)})
		}
	}
	return rows
}

// writePlaying writes the players' states and returns the hearings that were
// newer than what is stored.
func (w *writing) writePlaying(batch []indexed) ([]indexed, error) {
	rows := make([]songspy.NowPlaying, len(batch))
	for i, h := range batch {
		rows[i] = h.Playing
	}
	wrote, err := w.s.upsertPlaying(w.ctx, w.conn, rows)
	if err != nil {
		return nil, err
	}
	var stale []songspy.UserID
	for _, h := range batch {
		w.outcome[h.index] = songspy.Written{TrackID: h.Playing.TrackID}
		if !wrote[h.Playing.UserID] {
			stale = append(stale, h.Playing.UserID)
		}
	}
	if len(stale) == 0 {
		return batch, nil
	}
	stored, err := w.s.observedAt(w.ctx, w.conn, stale)
	if err != nil {
		return nil, err
	}
	if ahead := w.ahead(batch, stored); len(ahead) > 0 {
		if err := w.s.pullBack(w.ctx, w.conn, ahead); err != nil {
			return nil, err
		}
		return w.writePlaying(batch)
	}
	return slices.DeleteFunc(batch, func(h indexed) bool {
		if at, ok := stored[h.Playing.UserID]; ok && at.After(instant(h.Playing.ObservedAt)) {
			w.outcome[h.index] = songspy.Written{Dropped: true}
		}
		return !wrote[h.Playing.UserID]
	}), nil
}
