package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// pollerModel models a batch that polls one user: its memory, its pending writes
// and its store. Only the store and lastPolled survive a crash.
type pollerModel struct {
	storeModel
	playing       songspy.NowPlaying
	historyState  playback.HistoryState
	lastPolled    time.Time
	unsaved       bool
	pendingWrites []songspy.PlaybackUpdate
}

// storeModel holds what the store would hold.
type storeModel struct {
	stored       songspy.NowPlaying
	plays        []songspy.StoredPlay // by start
	processedAt  []time.Time          // the PlayedAt of all items that were processed
	partialPlays songspy.PartialPlayCounts
	lastID       songspy.PlayID
	shown        songspy.NowPlaying // what viewers see
}

const dayInterval = 3 * time.Minute

// poll applies one answer to the state in memory, as the poller does, and adds an update to the
// pending writes if the result must be saved.
func (b *pollerModel) poll(o songspy.Observation) playback.StepResult {
	out := playback.Step(b.playing, o)
	b.historyState = b.historyState.AfterPoll(b.playing, out, b.lastPolled, dayInterval)
	if out.State.ObservedAt.After(b.playing.ObservedAt) {
		b.lastPolled = out.State.ObservedAt
	}
	b.playing = out.State
	if mustSave := out.MustSave || out.Visible || len(out.Plays) > 0; mustSave {
		b.pendingWrites = append(b.pendingWrites, songspy.PlaybackUpdate{Playing: out.State, Plays: out.Plays, Visible: out.Visible})
		b.unsaved = false
	} else {
		b.unsaved = true
	}
	return out
}

// write writes the first n pending updates, each twice, as a batch does if the
// answer of the database was lost.
func (b *pollerModel) write(n int) {
	for _, h := range b.pendingWrites[:n] {
		b.writeUpdate(h)
		b.writeUpdate(h)
	}
	b.pendingWrites = b.pendingWrites[n:]
}

// stop writes all pending updates and the state of the open play, as a process does that stops
// in order.
func (b *pollerModel) stop() {
	b.write(len(b.pendingWrites))
	if b.unsaved && b.playing.IsOpen() {
		b.writeUpdate(songspy.PlaybackUpdate{Playing: b.playing})
	}
}

// start replaces the process by a new one, which knows only the store and the time of the last
// poll. The new process assumes that history was last fetched half a HistoryFetchInterval before now.
func (b *pollerModel) start(now time.Time) {
	asked := now.Add(-playback.HistoryFetchInterval / 2)
	*b = pollerModel{storeModel: b.storeModel, playing: b.stored, historyState: playback.HistoryState{FetchedAt: asked}, lastPolled: instant.Later(b.stored.ObservedAt, b.lastPolled)}
}

// writeUpdate writes one update, unless the store has a state that is as new or newer.
func (d *storeModel) writeUpdate(h songspy.PlaybackUpdate) {
	if !h.Playing.ObservedAt.After(d.stored.ObservedAt) {
		return
	}
	d.stored = storeRoundTrip(h.Playing)
	for _, p := range h.Plays {
		d.add(songspy.StoredPlay{Play: p, Track: trackOf(p.TrackURI)})
	}
	if h.Visible {
		d.shown = d.stored
	}
}

func trackOf(uri string) songspy.Track {
	i := slices.IndexFunc(dayTracks, func(t songspy.Track) bool { return t.URI == uri })
	return dayTracks[i]
}

func (d *storeModel) add(k songspy.StoredPlay) {
	d.lastID++
	k.Play.ID, k.Play.TrackURI = d.lastID, k.Track.URI
	d.plays = append(d.plays, k)
	sortPlays(d.plays)
}

// fetchHistory fetches history at the time at, for the items that are later than the time
// after, and reconciles the answer with the store. It does nothing while updates are pending,
// because reconciling would add their plays a second time. If history added plays while the
// player is idle, it also writes the time of the last idle answer, because the next process
// must know up to which time history may add plays.
func (b *pollerModel) fetchHistory(d day, at, after time.Time) songspy.Reconciliation {
	if len(b.pendingWrites) > 0 {
		return songspy.Reconciliation{}
	}
	history := NewHistory(d.history(at, after), after).DeferOpenPlay(b.playing)
	items := history.Items
	b.historyState = b.historyState.AfterFetch(at)
	if len(items) == 0 {
		return songspy.Reconciliation{}
	}
	r := Reconcile(b.storedAround(items), history, playback.SettledUntil(b.playing))
	b.writeReconciliation(r)
	if len(r.Added) > 0 && b.unsaved && !b.playing.IsOpen() {
		b.unsaved = false
		b.writeUpdate(songspy.PlaybackUpdate{Playing: b.playing})
	}
	return r
}

// storedAround returns the stored plays that the store returns for an answer of history: the
// plays around the times of its items, and the thirty plays before.
func (d *storeModel) storedAround(items []songspy.HistoryItem) (k songspy.StoredPlays) {
	from, to := items[0].PlayedAt, items[0].PlayedAt
	for _, i := range items {
		from, to = instant.Earlier(from, i.PlayedAt.Add(-i.Track.Duration())), instant.Later(to, i.PlayedAt.Add(i.Track.Duration()))
	}
	from, to = from.Add(-time.Minute), to.Add(time.Hour)
	first := max(0, slices.IndexFunc(d.plays, func(p songspy.StoredPlay) bool { return p.Play.StartedAt.After(from) })-30)
	for _, p := range d.plays[first:] {
		if p.Play.StartedAt.Before(to) {
			k.Plays = append(k.Plays, p)
		}
	}
	k.ProcessedAt, k.PartialPlays = slices.Clone(d.processedAt), d.partialPlays
	return k
}

// writeReconciliation writes the changes of a reconciliation.
func (d *storeModel) writeReconciliation(r songspy.Reconciliation) {
	d.plays = slices.DeleteFunc(d.plays, func(k songspy.StoredPlay) bool {
		return slices.ContainsFunc(r.Removed, func(f songspy.StoredPlay) bool { return f.Play.ID == k.Play.ID })
	})
	for _, c := range r.Confirmed {
		i := slices.IndexFunc(d.plays, func(k songspy.StoredPlay) bool { return k.Play.ID == c.Play.ID })
		d.plays[i].Play = c.Play
		d.markProcessed(c.PlayedAt, c.Play.ID)
	}
	for _, f := range r.Added {
		d.add(f)
		d.markProcessed(f.PlayedAt, d.lastID)
	}
	for _, u := range r.Unmatched {
		d.markProcessed(u.PlayedAt, 0)
	}
	d.partialPlays = d.partialPlays.Add(r.PartialPlays)
	sortPlays(d.plays)
}

// markProcessed stores that an item was processed, and to which play it belongs; play is 0 if
// it belongs to none. Another play that had the item loses it.
func (d *storeModel) markProcessed(playedAt time.Time, play songspy.PlayID) {
	if playedAt.IsZero() {
		return
	}
	for i := range d.plays {
		switch k := &d.plays[i]; {
		case k.Play.ID == play:
			k.PlayedAt = playedAt
		case k.PlayedAt.Equal(playedAt):
			k.PlayedAt = time.Time{}
		}
	}
	if !slices.ContainsFunc(d.processedAt, playedAt.Equal) {
		d.processedAt = append(d.processedAt, playedAt)
	}
}

// reconcileAll calls Reconcile with items as the answer to a request for all items
// that history holds.
func reconcileAll(stored songspy.StoredPlays, items []songspy.HistoryItem, until time.Time) songspy.Reconciliation {
	return Reconcile(stored, NewHistory(items, time.Time{}), until)
}

// matchableItems returns the items that are not deferred while the player is in the
// state n.
func matchableItems(n songspy.NowPlaying, items []songspy.HistoryItem) []songspy.HistoryItem {
	return NewHistory(items, time.Time{}).DeferOpenPlay(n).Items
}
