package poller

import (
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// Registry holds the users that this process polls, with the queues of their
// polls and history fetches. It may be used concurrently.
//
// An entryRef identifies a link generation: a user who links again gets a new
// entry. A caller with the old entryRef then changes nothing.
//
// Lock order: loader.mu, Registry.mu, the lock of a queue or a budget.
type Registry struct {
	polls   *delayqueue.Queue[songspy.UserID]
	fetches *delayqueue.Queue[songspy.UserID] // of history
	budgets *budgets

	mu        sync.Mutex
	entries   entries
	habits    habitCounts
	readRound uint32 // the number of the last full read
}

// NewRegistry returns an empty Registry. A nil quota means that calls are not limited.
func NewRegistry(now func() time.Time, quota *QuotaOptions) *Registry {
	return &Registry{
		polls: delayqueue.New[songspy.UserID](now), fetches: delayqueue.New[songspy.UserID](now),
		budgets: newBudgets(quota), entries: newEntries(),
	}
}

// lookup returns a copy of the user's entry.
func (r *Registry) lookup(id songspy.UserID) (state userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(id)
	if e == nil {
		return userState{}, false
	}
	return r.stateOf(id, e), true
}

// stateOf returns a copy of the entry's state, with what the user's history is
// assumed to list: listsPartial and wholePlaysOnly. mu is held.
func (r *Registry) stateOf(id songspy.UserID, e *entry) userState {
	state := r.entries.state(id, e)
	partial, known := r.habits.assumesPartial(e)
	state.listsPartial, state.wholePlaysOnly = partial, known && !partial
	return state
}

// confirm records that the store still holds the link. It returns false if the
// store's link is newer than the entry.
func (r *Registry) confirm(v songspy.LinkVersion) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(v.UserID)
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
	e := r.entries.get(id)
	if e != nil && e.generation == link.Generation {
		e.readRound = r.readRound
		if link.Version > e.version {
			r.entries.setLink(e, link)
		}
		r.habits.replace(e, habitOf(from.PartialPlays))
		if !c.aheadOfClock && microsOf(from.Playing.ObservedAt) > e.observedAt {
			r.entries.setPlaying(e, playing)
			e.dirty = false
		}
		return alreadyKnown
	}
	if e != nil && e.generation > link.Generation {
		return alreadyKnown // the link was read before it was replaced
	}
	result := added
	if e != nil {
		result = relinked
		r.habits.replace(e, habit{})
	}
	e = r.entries.add(id)
	e.app, e.generation, e.readRound = r.entries.names.of(link.App), link.Generation, r.readRound
	e.watchedUntil, e.linkedAt, e.aheadOfClock = microsOf(c.watchedUntil), microsOf(link.CreatedAt), c.aheadOfClock
	r.entries.setLink(e, link)
	r.entries.setPlaying(e, playing)
	r.entries.setHistoryState(e, c.history)
	r.habits.replace(e, habitOf(from.PartialPlays))
	return result
}

// beginPoll marks a poll of the user as running and returns the user's state. It
// fails if the user has no entry or a poll of the user is running.
func (r *Registry) beginPoll(id songspy.UserID) (state userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(id)
	if e == nil || e.polling {
		return userState{}, false
	}
	e.polling = true
	return r.stateOf(id, e), true
}

// stateUpdate is what a poll has changed.
type stateUpdate struct {
	playing  songspy.NowPlaying
	history  playback.HistoryState
	mustSave bool // the store gets the update too
}

// update stores what a poll has changed in the entry. It returns false, and
// changes nothing, if the user was removed or has linked again during the poll.
func (r *Registry) update(ref entryRef, u stateUpdate) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	if e == nil {
		return false
	}
	if observed := microsOf(u.playing.ObservedAt); observed > e.observedAt {
		e.watchedUntil, e.gapReason = observed, 0
	} else if e.gapReason == 0 {
		e.gapReason = r.entries.names.of(string(songspy.GapUnseen)) // the answer could not be read
	}
	r.entries.setPlaying(e, u.playing)
	r.entries.setHistoryState(e, u.history)
	e.dirty = !u.mustSave
	if u.mustSave {
		e.aheadOfClock = false
		e.pendingWrites++
	}
	return true
}

// recordFailure records why a poll failed. The first reason since the last
// successful poll stays.
func (r *Registry) recordFailure(ref entryRef, reason songspy.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil && e.gapReason == 0 {
		e.gapReason = r.entries.names.of(string(reason))
	}
}

// endPoll marks the poll as finished and sets the reason of the next one. It
// calls plan under the lock if the user still has this entry: else another poll
// could begin in between, and the user would be planned twice.
func (r *Registry) endPoll(ref entryRef, reason pollReason, plan func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil {
		e.polling, e.pollReason = false, reason
		plan()
	}
}

// setPollReason sets the reason of the user's next poll.
func (r *Registry) setPollReason(id songspy.UserID, reason pollReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.get(id); e != nil {
		e.pollReason = reason
	}
}

// advancePoll moves the user's next poll to the time that choose returns, if choose
// returns true. It does nothing while a poll runs or is about to begin, and after a
// failed poll, whose next time must be kept.
func (r *Registry) advancePoll(id songspy.UserID, choose func(*userState, plannedPoll) (plannedPoll, bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(id)
	if e == nil || e.polling || e.pollReason == reasonRetry {
		return
	}
	at, ok := r.polls.At(id)
	if !ok {
		return
	}
	state := r.stateOf(id, e)
	if earlier, ok := choose(&state, plannedPoll{at, e.pollReason}); ok {
		e.pollReason = earlier.reason
		r.polls.Schedule(id, earlier.at)
	}
}

// isPolling reports whether a poll of the user is running.
func (r *Registry) isPolling(id songspy.UserID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(id)
	return e != nil && e.polling
}

// recordHistoryFetch records a successful history fetch: its time, the
// fingerprint of its answer, and what the answer shows of the account's habit.
func (r *Registry) recordHistoryFetch(ref entryRef, at time.Time, hash uint64, learned songspy.PartialPlayCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil {
		r.entries.setHistoryState(e, r.entries.historyState(e).AfterFetch(at))
		e.historyHash = hash
		r.habits.replace(e, habitOf(e.habit.value().Add(learned)))
	}
}

// writeDone records that the store has handled an update of the entry.
func (r *Registry) writeDone(ref entryRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil {
		e.pendingWrites = max(0, e.pendingWrites-1)
	}
}

// setTrackID sets the store's id of the track that the user is playing.
func (r *Registry) setTrackID(ref entryRef, uri string, track songspy.TrackID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil {
		r.entries.setTrackID(e, uri, track)
	}
}

// pendingState is a state that is newer than the store's.
type pendingState struct {
	ref     entryRef
	playing songspy.NowPlaying
}

// takeDirty returns all open plays that are newer than the store's, and marks
// them as taken.
func (r *Registry) takeDirty() (found []pendingState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.entries.all() {
		if e.dirty && r.entries.isOpen(e) {
			e.dirty = false
			found = append(found, pendingState{entryRef{id, e.serial}, r.entries.nowPlaying(id, e)})
		}
	}
	return found
}

// takeDirtyIdle returns the state of an idle user if it is newer than the
// store's, and marks it as taken.
func (r *Registry) takeDirtyIdle(ref entryRef) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	if e == nil || !e.dirty || r.entries.isOpen(e) {
		return n, false
	}
	e.dirty = false
	e.pendingWrites++
	return r.entries.nowPlaying(ref.user, e), true
}

// UpdateLink takes over the new tokens or the new state of a link. It removes the
// user if the link may not be polled any more. tokens.Renewer calls it after each renewal.
func (r *Registry) UpdateLink(link songspy.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(link.UserID)
	switch {
	case e == nil || e.generation != link.Generation || e.version >= link.Version:
	case link.State == songspy.LinkActive || link.State == songspy.LinkSuspect:
		r.entries.setLink(e, link)
	default:
		r.removeLocked(link.UserID)
	}
}

// correctClock sets times of the entry that are ahead of now to now, and returns
// the corrected state. It returns the given state if the user was removed.
func (r *Registry) correctClock(state userState, now time.Time) userState {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(state.entryRef)
	if e == nil {
		return state
	}
	r.entries.correctClock(state.user, e, now)
	return r.stateOf(state.user, e)
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
	for id, e := range r.entries.all() {
		if e.readRound < round {
			r.removeLocked(id)
		}
	}
}

// removeIf removes the users that satisfy gone.
func (r *Registry) removeIf(gone func(songspy.UserID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.entries.all() {
		if gone(id) {
			r.removeLocked(id)
		}
	}
}

// remove removes the user if the user still has this entry.
func (r *Registry) remove(ref entryRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries.find(ref) != nil {
		r.removeLocked(ref.user)
	}
}

// removeUser removes the user.
func (r *Registry) removeUser(id songspy.UserID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeLocked(id)
}

// removeLocked removes the user's entry, planned work and listening habit in one
// step, if the user has an entry. mu is held.
func (r *Registry) removeLocked(id songspy.UserID) {
	e := r.entries.get(id)
	if e == nil {
		return
	}
	r.habits.replace(e, habit{})
	r.entries.remove(id)
	r.polls.Remove(id)
	r.fetches.Remove(id)
	r.budgets.forget(id)
}

// countByApp counts the users who are listening and who are idle, by app.
func (r *Registry) countByApp() map[string]userCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	byName := map[name]userCounts{}
	for _, e := range r.entries.all() {
		counts := byName[e.app]
		if r.entries.isOpen(e) {
			counts.listening++
		} else {
			counts.idle++
		}
		byName[e.app] = counts
	}
	byApp := make(map[string]userCounts, len(byName))
	for app, counts := range byName {
		byApp[r.entries.names.text(app)] = counts
	}
	return byApp
}

func (r *Registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries.places.Len()
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
