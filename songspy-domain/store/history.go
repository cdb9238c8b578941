package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// historyItemTolerance is how far the PlayedAt of a history item may be, at most, from the
// start or the end of the stored play to which it belongs.
const historyItemTolerance = time.Hour

// ReconcileHistory calls fn with the user's stored plays around the fetched history
// items. It writes and returns what fn returns: added, corrected and removed plays, gaps,
// and which items are processed. The user stays locked while fn runs, so that no other
// transaction writes data of the user. So fn must be quick. ReconcileHistory publishes no
// change, because past plays are not on the live board.
//
// It returns CodeGone if the user's link is gone or no longer has the
// generation (number) with which the items were fetched.
func (s *Store) ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
	fn func(songspy.StoredPlays) songspy.Reconciliation,
) (r songspy.Reconciliation, err error) {
	if len(items) == 0 {
		return r, nil
	}
	h := reconcileTx{s: s, ctx: ctx, user: id}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		h.conn = tx.Statement.ConnPool
		own, exists, err := lockUser(tx, id)
		if err != nil {
			return err
		}
		if !exists || own.LinkGeneration != generation {
			return &songspy.Error{Code: songspy.CodeGone, Message: "The link is gone or was changed meanwhile."}
		}
		stored, err := h.readStoredPlays(own, items)
		if err != nil {
			return err
		}
		r = fn(stored)
		return h.write(stored, r)
	})
	if err != nil {
		return songspy.Reconciliation{}, err
	}
	s.cacheTracks(h.tracks)
	return r, nil
}

// reconcileTx holds the state of the transaction that corrects a user's stored plays with
// the items of one history fetch.
type reconcileTx struct {
	s      *Store
	ctx    context.Context
	conn   gorm.ConnPool
	user   songspy.UserID
	tracks map[string]storedTrack
}

// historyWindow returns the period in which the stored plays of the items can lie. PlayedAt
// may be the start or the end of a play, so the period reaches one track length before and
// after each item. A play that was paused before its first poll is stored with too late a
// start, so the period ends historyItemTolerance later than that.
func historyWindow(items []songspy.HistoryItem) (from, to time.Time) {
	for i, item := range items {
		began, ended := item.PlayedAt.Add(-item.Track.Duration()), item.PlayedAt.Add(item.Track.Duration())
		if i == 0 || began.Before(from) {
			from = began
		}
		if i == 0 || ended.After(to) {
			to = ended
		}
	}
	return from.Add(-time.Minute), to.Add(historyItemTolerance)
}

// earlierPlaysMax is how many plays from before the fetched items are read, at most. Their
// items show whether PlayedAt is the start or the end of this user's plays.
const earlierPlaysMax = 30

// readStoredPlays reads the user's plays around the given items and up to earlierPlaysMax
// plays before them, the stored history items of that time, and the user's history habit.
// A play that the user deleted gets its track only if one of the given items or another
// play has the same track: see identifyDeleted.
func (h *reconcileTx) readStoredPlays(own lockedUser, items []songspy.HistoryItem) (k songspy.StoredPlays, err error) {
	from, to := historyWindow(items)
	deleted := map[songspy.PlayID]trackHashes{}
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		p, hashes, err := scanStoredPlay(rows)
		k.Plays = append(k.Plays, p)
		if p.Play.DeletedAt != nil {
			deleted[p.Play.ID] = hashes
		}
		return err
	}, selectStoredPlays+`WHERE p.user_id = $1 AND p.started_at < $3 AND p.started_at >=
		COALESCE((SELECT MIN(b.started_at) FROM (SELECT started_at FROM plays WHERE user_id = $1 AND started_at <= $2
			ORDER BY started_at DESC LIMIT $4) b), $2)
		ORDER BY p.started_at`, int64(h.user), from, to, earlierPlaysMax)
	if err != nil {
		return k, err
	}
	if len(deleted) > 0 {
		identifyDeleted(h.s.openDeletionKey(h.ctx, h.user, own.DeletionKeySealed), k.Plays, deleted, items)
	}
	for _, p := range k.Plays {
		if p.Play.StartedAt.Before(from) {
			from = p.Play.StartedAt
		}
		if p.Play.EndedAt.After(to) {
			to = p.Play.EndedAt
		}
	}
	playedAt := map[songspy.PlayID]time.Time{}
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		var at time.Time
		var play songspy.PlayID
		if err := rows.Scan(&at, &play); err != nil {
			return err
		}
		k.ProcessedAt = append(k.ProcessedAt, at)
		playedAt[play] = at
		return nil
	}, `SELECT played_at, play_id FROM history_items WHERE user_id = $1 AND played_at >= $2 AND played_at <= $3 ORDER BY played_at`,
		int64(h.user), from.Add(-historyItemTolerance), to.Add(historyItemTolerance))
	if err != nil {
		return k, err
	}
	for i := range k.Plays {
		k.Plays[i].PlayedAt = playedAt[k.Plays[i].Play.ID]
	}
	k.PartialPlays, err = h.readHabit()
	return k, err
}

func (h *reconcileTx) write(stored songspy.StoredPlays, r songspy.Reconciliation) error {
	if r.IsEmpty() {
		return nil
	}
	found, err := h.playsToAdd(r.Added)
	if err != nil {
		return err
	}
	if err := h.removePlays(r.Removed); err != nil { // before the insert: an added play may begin at the same time as a removed one
		return err
	}
	if err := h.updateConfirmed(stored, r.Confirmed); err != nil {
		return err
	}
	if err := h.s.insertPlays(h.ctx, h.conn, found); err != nil {
		return err
	}
	if err := h.writeHistoryItems(r); err != nil {
		return err
	}
	if err := h.writeHabit(stored.PartialPlays, r.PartialPlays); err != nil {
		return err
	}
	if err := h.s.upsertUserTracks(h.ctx, h.conn, userTracks(nil, append(found, h.newlyCounted(stored, r.Confirmed)...))); err != nil {
		return err
	}
	gaps := make([]songspy.Gap, len(r.Gaps))
	for i, g := range r.Gaps {
		g.UserID = h.user
		gaps[i] = g
	}
	return h.s.insertGaps(h.ctx, h.conn, gaps)
}

// playsToAdd returns the rows to insert for plays that only history reported, or that were
// split from a stored play. It stores their tracks, if they are not in the catalogue yet, and
// sets the track ids.
func (h *reconcileTx) playsToAdd(found []songspy.StoredPlay) ([]songspy.Play, error) {
	if len(found) == 0 {
		return nil, nil
	}
	tracks := make(map[string]songspy.Track, len(found))
	for _, f := range found {
		tracks[cleanText(f.Track.URI)] = f.Track
	}
	var err error
	if h.tracks, err = h.s.ensureTracks(h.ctx, h.conn, tracks, nil); err != nil {
		return nil, err
	}
	plays := make([]songspy.Play, len(found))
	for i, f := range found {
		plays[i] = f.Play
		plays[i].TrackURI = cleanText(f.Track.URI)
		plays[i].UserID, plays[i].TrackID = h.user, h.tracks[plays[i].TrackURI].id
	}
	return plays, nil
}

// updateConfirmed writes those confirmed plays that differ from the stored plays.
func (h *reconcileTx) updateConfirmed(stored songspy.StoredPlays, confirmed []songspy.StoredPlay) error {
	before := make(map[songspy.PlayID]songspy.Play, len(stored.Plays))
	for _, k := range stored.Plays {
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
	v := &rowset{}
	addColumn(v, changed, "id", "bigint", func(p *row) int64 { return int64(p.ID) })
	addColumn(v, changed, "user_id", "bigint", func(*row) int64 { return int64(h.user) })
	addColumn(v, changed, "stored_start", "timestamptz", func(p *row) time.Time { return before[p.ID].StartedAt })
	addColumn(v, changed, "started_at", "timestamptz", func(p *row) time.Time { return p.StartedAt })
	addColumn(v, changed, "ended_at", "timestamptz", func(p *row) time.Time { return p.EndedAt })
	addColumn(v, changed, "listened_ms", "bigint", func(p *row) int64 { return p.ListenedMS })
	addColumn(v, changed, "inferred_ms", "bigint", func(p *row) int64 { return p.InferredMS })
	addColumn(v, changed, "provisional", "boolean", func(p *row) bool { return p.Provisional })
	addColumn(v, changed, "probable", "boolean", func(p *row) bool { return p.Probable })
	return h.s.execRowset(h.ctx, h.conn, v, `UPDATE plays SET started_at = v.started_at, ended_at = v.ended_at,
		listened_ms = v.listened_ms, inferred_ms = v.inferred_ms, provisional = v.provisional, probable = v.probable
		FROM v WHERE plays.user_id = v.user_id AND plays.started_at = v.stored_start AND plays.id = v.id`)
}

// removePlays deletes plays that history has shown to be false or duplicate. The rows of
// history items stay, so that no item is processed again.
func (h *reconcileTx) removePlays(removed []songspy.StoredPlay) error {
	for _, k := range removed {
		if _, err := h.conn.ExecContext(h.ctx, `DELETE FROM plays WHERE user_id = $1 AND id = $2`,
			int64(h.user), int64(k.Play.ID)); err != nil {
			return err
		}
		if err := h.s.decrementPlayCount(h.ctx, h.conn, h.user, k.Play); err != nil {
			return err
		}
	}
	return nil
}

// writeHistoryItems stores the history items that are processed now, each with the id of
// its play, or 0 if it belongs to none. If an item is stored already, its play is replaced,
// unless the new id is 0.
func (h *reconcileTx) writeHistoryItems(r songspy.Reconciliation) error {
	type historyItem struct {
		playedAt  time.Time
		play      songspy.PlayID
		startedAt *time.Time // the start of a play that this transaction has inserted, whose id is not known; nil for other items
	}
	var entries []historyItem
	for _, c := range r.Confirmed {
		if !c.PlayedAt.IsZero() {
			entries = append(entries, historyItem{playedAt: c.PlayedAt, play: c.Play.ID})
		}
	}
	for _, f := range r.Added {
		entries = append(entries, historyItem{playedAt: f.PlayedAt, startedAt: &f.Play.StartedAt})
	}
	for _, u := range r.Unmatched {
		entries = append(entries, historyItem{playedAt: u.PlayedAt})
	}
	if len(entries) == 0 {
		return nil
	}
	v := &rowset{}
	addColumn(v, entries, "user_id", "bigint", func(*historyItem) int64 { return int64(h.user) })
	addColumn(v, entries, "played_at", "timestamptz", func(e *historyItem) time.Time { return e.playedAt })
	addColumn(v, entries, "play_id", "bigint", func(e *historyItem) int64 { return int64(e.play) })
	addColumn(v, entries, "started_at", "timestamptz", func(e *historyItem) *time.Time { return e.startedAt })
	return h.s.execRowset(h.ctx, h.conn, v, `INSERT INTO history_items (user_id, played_at, play_id)
		SELECT v.user_id, v.played_at, COALESCE(
			(SELECT MAX(p.id) FROM plays p WHERE p.user_id = v.user_id AND p.started_at = v.started_at), v.play_id)
		FROM v WHERE true
		ON CONFLICT (user_id, played_at) DO UPDATE SET play_id = excluded.play_id WHERE excluded.play_id <> 0`)
}

// historyHabitRow tells GORM the name of the table of history habits. The table
// stores, for each user, how often Spotify's history listed or omitted plays
// that ended before their track did.
type historyHabitRow struct{}

func (historyHabitRow) TableName() string { return "history_habits" }

// readHabit reads the stored evidence for whether the user's history lists
// partial plays.
func (h *reconcileTx) readHabit() (habit songspy.PartialPlayCounts, err error) {
	err = queryRows(h.ctx, h.conn, func(rows *sql.Rows) error {
		return rows.Scan(&habit.Listed, &habit.Unlisted)
	}, `SELECT listed, unlisted FROM history_habits WHERE user_id = $1`, int64(h.user))
	return habit, err
}

// writeHabit stores the history habit after this history fetch: the counts that readHabit
// has read (before) plus the counts that the fetch adds (learned).
func (h *reconcileTx) writeHabit(before, learned songspy.PartialPlayCounts) error {
	if learned == (songspy.PartialPlayCounts{}) {
		return nil
	}
	now := before.Add(learned)
	_, err := h.conn.ExecContext(h.ctx, `INSERT INTO history_habits (user_id, listed, unlisted) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET listed = excluded.listed, unlisted = excluded.unlisted`,
		int64(h.user), int64(now.Listed), int64(now.Unlisted))
	return err
}

// newlyCounted returns the plays that were only probable and that history confirms now.
// From now on they count as plays of the user.
func (h *reconcileTx) newlyCounted(stored songspy.StoredPlays, confirmed []songspy.StoredPlay) (proven []songspy.Play) {
	probable := make(map[songspy.PlayID]bool)
	for _, k := range stored.Plays {
		if k.Play.Probable && k.Play.DeletedAt == nil {
			probable[k.Play.ID] = true
		}
	}
	for _, c := range confirmed {
		if probable[c.Play.ID] && !c.Play.Probable {
			p := c.Play
			p.UserID = h.user
			proven = append(proven, p)
			recordedBy(h.conn).addPlay(p.Source)
		}
	}
	return proven
}
