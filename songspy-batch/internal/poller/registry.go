package poller

import (
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-batch/internal/idmap"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// Registry holds the users that this process polls, with the queues of their
// polls and history fetches. It may be used concurrently.
//
// The pointer to an entry identifies a link generation: a user who links again
// gets a new entry. A caller with the old pointer then changes nothing, because
// update, recordHistoryFetch, setTrackID and remove compare pointers. So an entry
// is never copied; userState is its copy.
//
// Lock order: loader.mu, Registry.mu, the lock of a queue or a budget.
type Registry struct {
	polls   *delayqueue.Queue[songspy.UserID]
	fetches *delayqueue.Queue[songspy.UserID] // of history
	budgets *budgets

	mu        sync.Mutex
	entries   idmap.Map[songspy.UserID, *entry]
	appNames  map[string]*string // one copy of each app's name
	habits    habitCounts
	readRound uint32 // the number of the last full read
}

// NewRegistry returns an empty Registry. A nil quota means that calls are not limited.
func NewRegistry(now func() time.Time, quota *QuotaOptions) *Registry {
	return &Registry{
		polls: delayqueue.New[songspy.UserID](now), fetches: delayqueue.New[songspy.UserID](now),
		budgets: newBudgets(quota), appNames: map[string]*string{},
	}
}

// find returns the user's entry, or nil. mu is held.
func (r *Registry) find(id songspy.UserID) *entry {
	e, _ := r.entries.Get(id)
	return e
}

// lookup returns the user's entry and a copy of its state.
func (r *Registry) lookup(id songspy.UserID) (e *entry, state userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e = r.find(id); e == nil {
		return nil, userState{}, false
	}
	return e, e.state(id), true
}

// stateOf returns a copy of the entry's state, with listsPartial. mu is held.
func (r *Registry) stateOf(id songspy.UserID, e *entry) userState {
	state := e.state(id)
	partial, known := r.habits.assumesPartial(e)
	state.listsPartial, state.wholePlaysOnly = partial, known && !partial
	return state
}

// confirm records that the store still holds the link. It returns false if the
// store's link is newer than the entry.
func (r *Registry) confirm(v songspy.LinkVersion) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(v.UserID)
	if e == nil || e.generation < v.Generation || e.generation == v.Generation && e.version < v.Version {
		return false
	}
	e.readRound = r.readRound
	return true
}

// mergeResult says what merge did.
type mergeResult int

const (
	alreadyKnown mergeResult = iota // the user had an entry of this link
	added                           // the user had no entry
	relinked                        // the user had an entry of an older link
)

// merge takes over a user as read from the store. The entry's now-playing state
// stays if it belongs to the same link and is newer. A new entry starts with the
// given coverage.
func (r *Registry) merge(from songspy.PolledUser, c coverage) mergeResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, link, playing := from.Link.UserID, from.Link, from.Playing
	playing.UserID, playing.Generation = id, link.Generation
	e := r.find(id)
	if e != nil && e.generation == link.Generation {
		e.readRound = r.readRound
		if link.Version > e.version {
			e.setLink(link)
		}
		r.habits.replace(e, habitOf(from.PartialPlays))
		if !c.aheadOfClock && microsOf(from.Playing.ObservedAt) > e.observedAt {
			e.setPlaying(playing)
			e.dirty = false
		}
		return alreadyKnown
	}
	if e != nil && e.generation > link.Generation {
		return alreadyKnown // the link was read before it was replaced
	}
	next := &entry{
		app: r.internApp(link.App), generation: link.Generation, readRound: r.readRound,
		watchedUntil: microsOf(c.watchedUntil), linkedAt: microsOf(link.CreatedAt), aheadOfClock: c.aheadOfClock,
	}
	next.setLink(link)
	next.setPlaying(playing)
	next.setHistoryState(c.history)
	if e != nil {
		r.habits.replace(e, habit{})
	}
	r.habits.replace(next, habitOf(from.PartialPlays))
	r.entries.Put(id, next)
	if e != nil {
		return relinked
	}
	return added
}

// internApp returns the one copy of an app's name. mu is held.
func (r *Registry) internApp(id string) *string {
	if r.appNames[id] == nil {
		r.appNames[id] = &id
	}
	return r.appNames[id]
}

// beginPoll marks a poll of the user as running and returns the user's state. It
// fails if the user has no entry or a poll of the user is running.
func (r *Registry) beginPoll(id songspy.UserID) (e *entry, state userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e = r.find(id)
	if e == nil || e.polling {
		return nil, userState{}, false
	}
	e.polling = true
	return e, r.stateOf(id, e), true
}

// stateUpdate is what a poll has changed.
type stateUpdate struct {
	playing  songspy.NowPlaying
	history  playback.HistoryState
	mustSave bool // the store gets the update too
}

// update stores what a poll has changed in the entry. It returns false, and
// changes nothing, if the user was removed or has linked again during the poll.
func (r *Registry) update(id songspy.UserID, e *entry, u stateUpdate) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(id) != e {
		return false
	}
	if observed := microsOf(u.playing.ObservedAt); observed > e.observedAt {
		e.watchedUntil = observed
		e.setGapReason("")
	} else if e.gapReason() == "" {
		e.setGapReason(songspy.GapUnseen) // the answer could not be read
	}
	e.setPlaying(u.playing)
	e.setHistoryState(u.history)
	e.dirty = !u.mustSave
	if u.mustSave {
		e.aheadOfClock = false
		e.pendingWrites++
	}
	return true
}

// recordFailure records why a poll failed. The first reason since the last
// successful poll stays.
func (r *Registry) recordFailure(e *entry, reason songspy.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.gapReason() == "" {
		e.setGapReason(reason)
	}
}

// endPoll marks the poll as finished and sets the reason of the next one. It
// calls plan under the lock if the user still has this entry: else another poll
// could begin in between, and the user would be planned twice.
func (r *Registry) endPoll(id songspy.UserID, e *entry, reason pollReason, plan func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.polling, e.pollReason = false, reason
	if r.find(id) == e {
		plan()
	}
}

// setPollReason sets the reason of the user's next poll.
func (r *Registry) setPollReason(id songspy.UserID, reason pollReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.find(id); e != nil {
		e.pollReason = reason
	}
}

// isPolling reports whether a poll of the user is running.
func (r *Registry) isPolling(id songspy.UserID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(id)
	return e != nil && e.polling
}

// recordHistoryFetch records a successful history fetch: its time, the
// fingerprint of its answer, and what the answer shows of the account's habit.
func (r *Registry) recordHistoryFetch(id songspy.UserID, e *entry, at time.Time, hash uint64, learned songspy.PartialPlayCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.setHistoryState(e.historyState().AfterFetch(at))
	e.historyHash = hash
	if r.find(id) == e {
		r.habits.replace(e, habitOf(e.habit.value().Add(learned)))
	}
}

// writeDone records that the store has handled an update of the entry.
func (r *Registry) writeDone(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.pendingWrites = max(0, e.pendingWrites-1)
}

// setTrackID sets the store's id of the track that the user is playing.
func (r *Registry) setTrackID(id songspy.UserID, e *entry, uri string, track songspy.TrackID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(id) == e && e.playing != nil && e.playing.TrackURI == uri {
		e.playing.TrackID = track
	}
}

// dirtyEntry is an open play that is newer than the store's.
type dirtyEntry struct {
	entry   *entry
	playing songspy.NowPlaying
}

// takeDirty returns all open plays that are newer than the store's, and marks
// them as taken.
func (r *Registry) takeDirty() (found []dirtyEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries.All() {
		if e.dirty && e.playing != nil && e.playing.IsOpen() {
			e.dirty = false
			found = append(found, dirtyEntry{e, *e.playing})
		}
	}
	return found
}

// takeDirtyIdle returns the state of an idle user if it is newer than the
// store's, and marks it as taken.
func (r *Registry) takeDirtyIdle(id songspy.UserID, e *entry) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = e.nowPlaying(id)
	if r.find(id) != e || !e.dirty || n.IsOpen() {
		return n, false
	}
	e.dirty = false
	e.pendingWrites++
	return n, true
}

// UpdateLink takes over the new tokens or the new state of a link. It removes the
// user if the link may not be polled any more. tokens.Renewer calls it after each renewal.
func (r *Registry) UpdateLink(link songspy.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.find(link.UserID)
	switch {
	case e == nil || e.generation != link.Generation || e.version >= link.Version:
	case link.State == songspy.LinkActive || link.State == songspy.LinkSuspect:
		e.setLink(link)
	default:
		r.removeLocked(link.UserID)
	}
}

// correctClock sets times of the entry that are ahead of now to now, and returns
// the corrected state.
func (r *Registry) correctClock(id songspy.UserID, e *entry, now time.Time) userState {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.correctClock(id, now)
	return r.stateOf(id, e)
}

// beginRead starts a full read of the store and returns its number.
func (r *Registry) beginRead() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readRound++
	return r.readRound
}

// removeUnread removes the users that the full read with this number did not return.
func (r *Registry) removeUnread(round uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.entries.All() {
		if e.readRound < round {
			r.removeLocked(id)
		}
	}
}

// removeIf removes the users that satisfy gone.
func (r *Registry) removeIf(gone func(songspy.UserID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.entries.All() {
		if gone(id) {
			r.removeLocked(id)
		}
	}
}

// remove removes the user. If e is not nil, it does so only if the user still has
// that entry.
func (r *Registry) remove(id songspy.UserID, e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if current := r.find(id); current != nil && (e == nil || current == e) {
		r.removeLocked(id)
	}
}

// removeLocked removes the user's entry, planned work and listening habit in one
// step. mu is held.
func (r *Registry) removeLocked(id songspy.UserID) {
	if e := r.find(id); e != nil {
		r.habits.replace(e, habit{})
	}
	r.entries.Remove(id)
	r.polls.Remove(id)
	r.fetches.Remove(id)
	r.budgets.forget(id)
}

// countByApp counts the users who are listening and who are idle, by app.
func (r *Registry) countByApp() map[string]userCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	byApp := make(map[string]userCounts, len(r.appNames))
	for _, e := range r.entries.All() {
		counts := byApp[e.appID()]
		if e.playing != nil && e.playing.IsOpen() {
			counts.listening++
		} else {
			counts.idle++
		}
		byApp[e.appID()] = counts
	}
	return byApp
}

func (r *Registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries.Len()
}

// habitCounts counts the accounts whose history lists partial plays, and the
// accounts whose history omits them. Accounts whose habit is not known are not
// counted.
type habitCounts struct{ listsPartial, omitsPartial int }

// minHabitAccounts is the number of accounts with a known habit from which the
// majority's habit is assumed for other accounts.
const minHabitAccounts = 3

// replace sets the habit of an entry and counts it. Registry.mu is held.
func (h *habitCounts) replace(e *entry, to habit) {
	h.add(e.habit, -1)
	e.habit = to
	h.add(to, 1)
}

func (h *habitCounts) add(of habit, n int) {
	switch partial, known := of.value().ListsPartialPlays(); {
	case !known:
	case partial:
		h.listsPartial += n
	default:
		h.omitsPartial += n
	}
}

// assumesPartial reports whether the account's history is assumed to list partial
// plays: by its own habit if that is known, else by the majority's, else false.
// known is false only in the last case.
func (h *habitCounts) assumesPartial(e *entry) (partial, known bool) {
	if partial, known := e.habit.value().ListsPartialPlays(); known {
		return partial, true
	}
	known = h.listsPartial+h.omitsPartial >= minHabitAccounts && h.listsPartial != h.omitsPartial
	return known && h.listsPartial > h.omitsPartial, known
}
