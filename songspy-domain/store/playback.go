package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// updatesPerTx limits the updates of one transaction: enough to make good use
// of each round trip to the database, few enough to hold locks only briefly.
const updatesPerTx = 500

// WritePlaybackUpdates writes the results of polls: player states, new tracks, finished
// plays, users' tracks and gaps. It publishes a change for each update that is Visible to
// viewers. It returns one result for each update, in the order of the updates.
//
// An update is dropped if its user is gone, has linked again or has unlinked since the poll,
// or if the stored state is newer. An update that is already stored counts as written and
// changes nothing. So if the outcome of a write is unknown, the caller can write the same
// updates again. If the database rejects one update, the result of that update has the
// error, and the others are written. The returned error concerns all updates: the database
// did not respond, or rejected every update of a transaction with several. The caller then
// has to write all of them again.
func (s *Store) WritePlaybackUpdates(ctx context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error) {
	written := make([]songspy.PlaybackUpdateResult, len(updates))
	for batch := range splitBatches(updates) {
		if err := s.writeBisecting(ctx, batch, written); err != nil {
			return nil, err
		}
		if allFailed(batch, written) {
			return nil, written[batch[0].index].Err // if all fail, the cause is not in the updates
		}
	}
	for i := range written {
		if written[i].Err != nil {
			s.log.ErrorContext(ctx, "a user's row was rejected",
				logkey.UserID, int64(updates[i].Playing.UserID), logkey.Error, written[i].Err)
		}
	}
	return written, nil
}

func allFailed(batch []indexedUpdate, written []songspy.PlaybackUpdateResult) bool {
	return len(batch) > 1 && !slices.ContainsFunc(batch, func(u indexedUpdate) bool { return written[u.index].Err == nil })
}

// indexedUpdate is an update with its index in the results.
type indexedUpdate struct {
	songspy.PlaybackUpdate
	index int
}

// splitBatches splits the updates into batches of at most updatesPerTx, in which each user
// occurs at most once.
func splitBatches(updates []songspy.PlaybackUpdate) func(yield func([]indexedUpdate) bool) {
	return func(yield func([]indexedUpdate) bool) {
		var batch []indexedUpdate
		in := make(map[songspy.UserID]bool, updatesPerTx)
		for i, u := range updates {
			if in[u.Playing.UserID] || len(batch) == updatesPerTx {
				if !yield(batch) {
					return
				}
				batch = nil
				clear(in)
			}
			batch = append(batch, indexedUpdate{u, i})
			in[u.Playing.UserID] = true
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// writeBisecting writes the batch in one transaction. If the database rejects the
// transaction, it splits the batch in two and writes each half in the same way. So in the
// end it leaves out only the updates that the database rejects, and stores the error in
// their results. It returns an error only if the database does not respond.
func (s *Store) writeBisecting(ctx context.Context, batch []indexedUpdate, written []songspy.PlaybackUpdateResult) error {
	err := s.writeBatch(ctx, batch, written)
	if err == nil || songspy.CodeOf(err) == songspy.CodeUnavailable {
		return err
	}
	if len(batch) == 1 {
		written[batch[0].index] = songspy.PlaybackUpdateResult{Err: err}
		return nil
	}
	half := len(batch) / 2
	if err := s.writeBisecting(ctx, batch[:half], written); err != nil {
		return err
	}
	return s.writeBisecting(ctx, batch[half:], written)
}

func (s *Store) writeBatch(ctx context.Context, batch []indexedUpdate, written []songspy.PlaybackUpdateResult) error {
	var w writeTx
	err := s.inTx(ctx, func(tx *gorm.DB) error {
		w = writeTx{s: s, ctx: ctx, conn: tx.Statement.ConnPool, results: make(map[int]songspy.PlaybackUpdateResult, len(batch))}
		return w.write(tx, batch)
	})
	if err != nil {
		return err
	}
	s.cacheTracks(w.tracks)
	for i, o := range w.results {
		written[i] = o
	}
	return nil
}

// writeTx is the transaction that writes one batch of playback updates (results
// of polls).
type writeTx struct {
	s       *Store
	ctx     context.Context
	conn    gorm.ConnPool
	tracks  map[string]storedTrack
	results map[int]songspy.PlaybackUpdateResult
}

func (w *writeTx) write(tx *gorm.DB, batch []indexedUpdate) error {
	current, err := w.lockCurrentUsers(batch)
	if err != nil || len(current) == 0 {
		return err
	}
	ready, err := w.resolveTracks(current)
	if err != nil || len(ready) == 0 {
		return err
	}
	newer, err := w.writeNowPlaying(ready)
	if err != nil || len(newer) == 0 {
		return err
	}
	var playing []songspy.NowPlaying
	var plays []songspy.Play
	var gaps []songspy.Gap
	var seen []songspy.UserID
	for _, u := range newer {
		playing = append(playing, u.Playing)
		plays = append(plays, u.Plays...)
		if u.Gap != nil {
			gap := *u.Gap
			gap.UserID = u.Playing.UserID
			gaps = append(gaps, gap)
		}
		if u.Visible {
			seen = append(seen, u.Playing.UserID)
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
	return w.s.publishChanges(tx, songspy.ChangePlaying, seen...)
}

// lockCurrentUsers drops the updates of users that no longer exist or that have
// linked Spotify again or unlinked it since the poll. It locks all users that exist
// until the transaction ends. It returns the remaining updates sorted by user.
func (w *writeTx) lockCurrentUsers(batch []indexedUpdate) ([]indexedUpdate, error) {
	batch = slices.Clone(batch)
	slices.SortFunc(batch, func(a, b indexedUpdate) int { return cmp.Compare(a.Playing.UserID, b.Playing.UserID) })
	ids := make([]songspy.UserID, len(batch))
	for i, u := range batch {
		ids[i] = u.Playing.UserID
	}
	generations := make(map[songspy.UserID]int64, len(batch))
	err := w.s.queryRowset(w.ctx, w.conn, userIDRowset(ids), `SELECT u.id, u.link_generation FROM users u
		WHERE u.id IN (SELECT user_id FROM v) ORDER BY u.id`+w.s.engine.forKeyShare(),
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
	return slices.DeleteFunc(batch, func(u indexedUpdate) bool {
		generation, exists := generations[u.Playing.UserID]
		outdated := !exists || generation != u.Playing.Generation
		w.results[u.index] = songspy.PlaybackUpdateResult{Dropped: outdated}
		return outdated
	}), nil
}

// storedAhead finds updates that look older than the stored state of their user only
// because the time of that state is ahead of the clock: the clock was set back after the
// state was written. For each such update it returns a row with the time to which the
// stored state must be set, a microsecond before the update, so that the update counts as
// newer.
func (w *writeTx) storedAhead(batch []indexedUpdate, stored map[songspy.UserID]time.Time) (rows []songspy.NowPlaying) {
	now := w.s.now()
	for _, u := range batch {
		id, observed := u.Playing.UserID, dbTime(u.Playing.ObservedAt)
		if at, ok := stored[id]; ok && at.After(observed) && songspy.IsAheadOfClock(at, now) && !songspy.IsAheadOfClock(observed, now) {
			rows = append(rows, songspy.NowPlaying{UserID: id, ObservedAt: observed.Add(-time.Microsecond)})
		}
	}
	return rows
}

// writeNowPlaying writes the players' states, and returns the updates that were newer than
// the stored states. It marks the results of updates that are older than the stored state
// as dropped. An update that has the same time as the stored state is stored already, so it
// is neither returned nor marked as dropped.
func (w *writeTx) writeNowPlaying(batch []indexedUpdate) ([]indexedUpdate, error) {
	rows := make([]songspy.NowPlaying, len(batch))
	for i, u := range batch {
		rows[i] = u.Playing
	}
	wrote, err := w.s.upsertNowPlaying(w.ctx, w.conn, rows)
	if err != nil {
		return nil, err
	}
	var stale []songspy.UserID
	for _, u := range batch {
		w.results[u.index] = songspy.PlaybackUpdateResult{TrackID: u.Playing.TrackID}
		if !wrote[u.Playing.UserID] {
			stale = append(stale, u.Playing.UserID)
		}
	}
	if len(stale) == 0 {
		return batch, nil
	}
	stored, err := w.s.readObservedAt(w.ctx, w.conn, stale)
	if err != nil {
		return nil, err
	}
	if ahead := w.storedAhead(batch, stored); len(ahead) > 0 {
		if err := w.s.setObservedAt(w.ctx, w.conn, ahead); err != nil {
			return nil, err
		}
		return w.writeNowPlaying(batch)
	}
	return slices.DeleteFunc(batch, func(u indexedUpdate) bool {
		if at, ok := stored[u.Playing.UserID]; ok && at.After(dbTime(u.Playing.ObservedAt)) {
			w.results[u.index] = songspy.PlaybackUpdateResult{Dropped: true}
		}
		return !wrote[u.Playing.UserID]
	}), nil
}

// resolveTracks sets the track ids of the updates by the tracks' URIs, and inserts tracks
// that are not stored yet. It returns the updates whose tracks all have an id then. An
// update is left out if it names a track without an id, and the URI is neither in the
// Tracks of the batch nor stored; its result gets an error. The id of a local file is
// always read again by its URI: the file may have been deleted from the table of tracks, so
// that its id is outdated.
func (w *writeTx) resolveTracks(batch []indexedUpdate) (_ []indexedUpdate, err error) {
	tracks := map[string]songspy.Track{}
	for i := range batch {
		batch[i].PlaybackUpdate = cleanURIs(batch[i].PlaybackUpdate)
		for _, t := range batch[i].Tracks {
			tracks[t.URI] = t
		}
	}
	named := map[string]bool{} // URIs to look up: no update contains the track, and the reference has no id or is to a local file
	for _, u := range batch {
		for _, r := range trackReferences(&u.PlaybackUpdate) {
			if _, given := tracks[r.uri]; !given && (*r.id == 0 || songspy.IsLocal(r.uri)) {
				named[r.uri] = true
			}
		}
	}
	uris := make([]string, 0, len(named))
	for uri := range named {
		uris = append(uris, uri)
	}
	if w.tracks, err = w.s.ensureTracks(w.ctx, w.conn, tracks, uris); err != nil {
		return nil, err
	}
	ready := batch[:0]
	for _, u := range batch {
		if err := fillTrackIDs(&u.PlaybackUpdate, w.tracks); err != nil {
			w.results[u.index] = songspy.PlaybackUpdateResult{Err: err}
			continue
		}
		ready = append(ready, u)
	}
	return ready, nil
}

// trackReference is a pointer to a track id in an update, and the URI of that track.
type trackReference struct {
	id  *songspy.TrackID
	uri string
}

func trackReferences(u *songspy.PlaybackUpdate) []trackReference {
	refs := make([]trackReference, 0, 1+len(u.Plays))
	if u.Playing.IsOpen() {
		refs = append(refs, trackReference{&u.Playing.TrackID, u.Playing.TrackURI})
	}
	for i := range u.Plays {
		refs = append(refs, trackReference{&u.Plays[i].TrackID, u.Plays[i].TrackURI})
	}
	return refs
}

// fillTrackIDs sets each track id of the update to that of the stored track with the same
// URI; stored is keyed by URI. If stored has no such track, the id that the update already
// has stays, except for a local file, whose id becomes 0. If a track has no id in the end,
// fillTrackIDs returns CodeInvalid.
func fillTrackIDs(u *songspy.PlaybackUpdate, stored map[string]storedTrack) error {
	if !u.Playing.IsOpen() {
		u.Playing.TrackID = 0
	}
	for _, r := range trackReferences(u) {
		if t, ok := stored[r.uri]; ok || songspy.IsLocal(r.uri) {
			*r.id = t.id
		}
		if *r.id == 0 {
			return &songspy.Error{
				Code:    songspy.CodeInvalid,
				Message: "The update names a track that is neither in its Tracks nor stored. Add it to Tracks.",
			}
		}
	}
	return nil
}

// cleanURIs returns a copy of the update in which the URIs to look up have the form in which
// the database stores them. It also sets the user's id in every play.
func cleanURIs(u songspy.PlaybackUpdate) songspy.PlaybackUpdate {
	u.Playing.TrackURI = cleanText(u.Playing.TrackURI)
	u.Tracks, u.Plays = slices.Clone(u.Tracks), slices.Clone(u.Plays)
	for i := range u.Tracks {
		u.Tracks[i].URI = cleanText(u.Tracks[i].URI)
	}
	for i := range u.Plays {
		u.Plays[i].TrackURI = cleanText(u.Plays[i].TrackURI)
		u.Plays[i].UserID = u.Playing.UserID
	}
	return u
}
