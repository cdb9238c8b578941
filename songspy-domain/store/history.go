package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// ledgerSlack is how far from a play's edges the item may lie that tells of it.
const ledgerSlack = time.Hour

// UpdateHistory lets fn hold an answer of history against what is kept of the
// person around the time that it covers, and writes what that adds: found
// plays, settled ends, gaps, and which items have been told. Nothing else is
// written of the person meanwhile. fn must be quick; nothing that viewers see
// changes.
//
// It returns CodeGone if the person's link is gone or is no longer of the
// generation through which the items were learnt.
func (s *Store) UpdateHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
	fn func(songspy.Kept) songspy.Reconciled,
) (r songspy.Reconciled, err error) {
	if len(items) == 0 {
		return r, nil
	}
	h := retelling{s: s, ctx: ctx, user: id}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		h.conn = tx.Statement.ConnPool
		own, there, err := lockOwn(tx, id)
		if err != nil {
			return err
		}
		if !there || own.LinkGeneration != generation {
			return &songspy.Error{Code: songspy.CodeGone, Message: "The link is gone, or was changed meanwhile."}
		}
		kept, err := h.kept(own, items)
		if err != nil {
			return err
		}
		r = fn(kept)
		return h.write(kept, r)
	})
	if err != nil {
		return songspy.Reconciled{}, err
	}
	s.cacheTracks(h.trackIDs)
	return r, nil
}

// retelling is one transaction's work on one answer of history.
type retelling struct {
	s        *Store
	ctx      context.Context
	conn     gorm.ConnPool
	user     songspy.UserID
	trackIDs map[string]songspy.TrackID
}

// covers is the time that items may tell of, by whichever reading: a play that
// stood still before anybody saw it is dated long after its item.
func covers(items []songspy.HistoryItem) (from, to time.Time) {
	for i, item := range items {
		began, ended := item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt.Add(item.Track.Duration())
		if i == 0 || began.Before(from) {
			from = began
		}
		if i == 0 || ended.After(to) {
			to = ended
		}
	}
	return from.Add(-time.Minute), to.Add(ledgerSlack)
}

// former is how many plays before the time that items may tell of show by which
// edge history has told of this person.
const former = 30

// kept reads what is kept around the items, and some plays before. A deleted play
// has a track only if one of them names it, see recognize.
func (h *retelling) kept(own ownRow, items []songspy.HistoryItem) (k songspy.Kept, err error) {
	from, to := covers(items)
	deleted := map[songspy.PlayID]trackHashes{}
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		p, hashes, err := scanKept(rows)
		k.Plays = append(k.Plays, p)
		if p.Play.DeletedAt != nil {
			deleted[p.Play.ID] = hashes
		}
		return err
	}, selectKept+`WHERE p.user_id = $1 AND p.started_at < $3 AND p.started_at >=
		COALESCE((SELECT MIN(b.started_at) FROM (SELECT started_at FROM plays WHERE user_id = $1 AND started_at <= $2
			ORDER BY started_at DESC LIMIT $4) b), $2)
		ORDER BY p.started_at`, int64(h.user), from, to, former)
	if err != nil {
		return k, err
	}
	if len(deleted) > 0 {
		recognize(h.s.openDeletionKey(h.ctx, h.user, own.DeletionKeySealed), k.Plays, deleted, items)
	}
	for _, p := range k.Plays {
		if p.Play.StartedAt.Before(from) {
			from = p.Play.StartedAt
		}
		if p.Play.EndedAt.After(to) {
			to = p.Play.EndedAt
		}
	}
	heard := map[songspy.PlayID]time.Time{}
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		var at time.Time
		var play songspy.PlayID
		if err := rows.Scan(&at, &play); err != nil {
			return err
		}
		k.Told = append(k.Told, at)
		heard[play] = at
		return nil
	}, `SELECT heard_at, play_id FROM play_ledger WHERE user_id = $1 AND heard_at >= $2 AND heard_at <= $3 ORDER BY heard_at`,
		int64(h.user), from.Add(-ledgerSlack), to.Add(ledgerSlack))
	if err != nil {
		return k, err
	}
	for i := range k.Plays {
		k.Plays[i].HeardAt = heard[k.Plays[i].Play.ID]
	}
	k.Habit, err = h.habit()
	return k, err
}

func (h *retelling) write(kept songspy.Kept, r songspy.Reconciled) error {
	if r.Empty() {
		return nil
	}
	found, err := h.found(r.Found)
	if err != nil {
		return err
	}
	if err := h.refute(r.Refuted); err != nil { // first: what was found may begin where one of these did
		return err
	}
	if err := h.settle(kept, r.Confirmed); err != nil {
		return err
	}
	if err := h.s.insertPlays(h.ctx, h.conn, found); err != nil {
		return err
	}
	if err := h.enter(r); err != nil {
		return err
	}
	if err := h.learn(kept.Habit, r.Learned); err != nil {
		return err
	}
	if err := h.s.upsertUserTracks(h.ctx, h.conn, userTracks(nil, append(found, h.nowProven(kept, r.Confirmed)...))); err != nil {
		return err
	}
	gaps := make([]songspy.Gap, len(r.Gaps))
	for i, g := range r.Gaps {
		g.UserID = h.user
		gaps[i] = g
	}
	return h.s.insertGaps(h.ctx, h.conn, gaps)
}

// found is the found plays with the ids of their tracks.
func (h *retelling) found(found []songspy.KeptPlay) ([]songspy.Play, error) {
	if len(found) == 0 {
		return nil, nil
	}
	tracks := make(map[string]songspy.Track, len(found))
	for _, f := range found {
		tracks[clean(f.Track.URI)] = f.Track
	}
	ids, err := h.s.trackIDsOf(h.ctx, h.conn, tracks, nil)
	if err != nil {
		return nil, err
	}
	h.trackIDs = ids
	plays := make([]songspy.Play, len(found))
	for i, f := range found {
		plays[i] = f.Play
		plays[i].TrackURI = clean(f.Track.URI)
		plays[i].UserID, plays[i].TrackID = h.user, ids[plays[i].TrackURI]
	}
	return plays, nil
}

// settle writes the confirmed plays of which more is known now.
func (h *retelling) settle(kept songspy.Kept, confirmed []songspy.KeptPlay) error {
	before := make(map[songspy.PlayID]songspy.Play, len(kept.Plays))
	for _, k := range kept.Plays {
		before[k.Play.ID] = k.Play
	}
	var changed []songspy.Play
	for _, c := range confirmed {
		if before[c.Play.ID] != c.Play {
			changed = append(changed, c.Play)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	type row = songspy.Play
	v := &relation{}
	column(v, changed, "id", "bigint", func(p *row) int64 { return int64(p.ID) })
	column(v, changed, "user_id", "bigint", func(*row) int64 { return int64(h.user) })
	column(v, changed, "started_at", "timestamptz", func(p *row) time.Time { return p.StartedAt })
	column(v, changed, "ended_at", "timestamptz", func(p *row) time.Time { return p.EndedAt })
	column(v, changed, "listened_ms", "bigint", func(p *row) int64 { return p.ListenedMS })
	column(v, changed, "inferred_ms", "bigint", func(p *row) int64 { return p.InferredMS })
	column(v, changed, "provisional", "boolean", func(p *row) bool { return p.Provisional })
	column(v, changed, "probable", "boolean", func(p *row) bool { return p.Probable })
	return h.s.execWith(h.ctx, h.conn, v, `UPDATE plays SET ended_at = v.ended_at, listened_ms = v.listened_ms,
		inferred_ms = v.inferred_ms, provisional = v.provisional, probable = v.probable
		FROM v WHERE plays.user_id = v.user_id AND plays.started_at = v.started_at AND plays.id = v.id`)
}

// refute takes back plays that were none, or that another one is. Nothing is left
// of them but the ledger's lines.
func (h *retelling) refute(refuted []songspy.KeptPlay) error {
	for _, k := range refuted {
		if _, err := h.conn.ExecContext(h.ctx, `DELETE FROM plays WHERE user_id = $1 AND id = $2`,
			int64(h.user), int64(k.Play.ID)); err != nil {
			return err
		}
		if err := h.s.uncountPlay(h.ctx, h.conn, h.user, k.Play); err != nil {
			return err
		}
	}
	return nil
}

// enter notes which items have been told, and of which play: of none, 0. An item
// that was taken for another play's moves to the one that it tells of.
func (h *retelling) enter(r songspy.Reconciled) error {
	type entry struct {
		heardAt   time.Time
		play      songspy.PlayID
		startedAt *time.Time // of a play that has only just got its id
	}
	var entries []entry
	for _, c := range r.Confirmed {
		if !c.HeardAt.IsZero() {
			entries = append(entries, entry{heardAt: c.HeardAt, play: c.Play.ID})
		}
	}
	for _, f := range r.Found {
		entries = append(entries, entry{heardAt: f.HeardAt, startedAt: &f.Play.StartedAt})
	}
	for _, u := range r.Unplaced {
		entries = append(entries, entry{heardAt: u.PlayedAt})
	}
	if len(entries) == 0 {
		return nil
	}
	v := &relation{}
	column(v, entries, "user_id", "bigint", func(*entry) int64 { return int64(h.user) })
	column(v, entries, "heard_at", "timestamptz", func(e *entry) time.Time { return e.heardAt })
	column(v, entries, "play_id", "bigint", func(e *entry) int64 { return int64(e.play) })
	column(v, entries, "started_at", "timestamptz", func(e *entry) *time.Time { return e.startedAt })
	return h.s.execWith(h.ctx, h.conn, v, `INSERT INTO play_ledger (user_id, heard_at, play_id)
		SELECT v.user_id, v.heard_at, COALESCE(
			(SELECT MAX(p.id) FROM plays p WHERE p.user_id = v.user_id AND p.started_at = v.started_at), v.play_id)
		FROM v WHERE true
		ON CONFLICT (user_id, heard_at) DO UPDATE SET play_id = excluded.play_id WHERE excluded.play_id <> 0`)
}
