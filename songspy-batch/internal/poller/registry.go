package poller

import (
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// Registry holds the users that this process polls, with the queues of their
// polls and history fetches. It may be used concurrently. Methods that only one
// step of a poll calls are next to that step, in poll.go and write.go.
//
// An entryRef identifies an entry. A user who links again gets a new entry. So a
// poll that began before still has the old entryRef, and changes nothing.
//
// Lock order: loader.mu before Registry.mu before the lock of a queue or a budget.
type Registry struct {
	polls   *delayqueue.Queue[songspy.UserID]
	fetches *delayqueue.Queue[songspy.UserID] // the history fetches
	budgets *budgets

	mu        sync.Mutex
	entries   entries
	habits    habitCounts
	readRound uint32 // the number of the full read of the store that began last
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

// stateOf returns a copy of the entry's state, with the history habit (partial plays listed
// or omitted) that is assumed for the account. mu is held.
func (r *Registry) stateOf(id songspy.UserID, e *entry) userState {
	state := r.entries.state(id, e)
	state.habit = r.habits.assumed(e)
	return state
}

// confirm records that the store still holds the link. It returns false, and records
// nothing, if the user has no entry or if the store's link is newer than the entry.
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
	alreadyKnown mergeResult = iota // the user had an entry of this generation of the link, or a newer one
	added                           // the user had no entry
	relinked                        // the user had an entry of an older generation of the link
)

// merge adds a user who was read from the store, or updates the user's entry. An entry of the
// same generation of the link keeps its now-playing state unless the stored one is newer and not
// ahead of the clock. A new entry starts with the given coverage.
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
		r.habits.replace(e, partialPlaysOf(from.PartialPlays))
		if !c.aheadOfClock && microsOf(from.Playing.ObservedAt) > e.observedAt {
			r.entries.setPlaying(e, playing)
			e.unsaved = false
		}
		return alreadyKnown
	}
	if e != nil && e.generation > link.Generation {
		return alreadyKnown // the link was read from the store before the user linked again
	}
	result := added
	if e != nil {
		result = relinked
		r.habits.replace(e, partialPlays{})
	}
	e = r.entries.add(id)
	e.app, e.generation, e.readRound = r.entries.names.of(link.App), link.Generation, r.readRound
	e.answeredUntil, e.linkedAt, e.aheadOfClock = microsOf(c.answeredUntil), microsOf(link.CreatedAt), c.aheadOfClock
	r.entries.setLink(e, link)
	r.entries.setPlaying(e, playing)
	r.entries.setHistoryState(e, c.history)
	r.habits.replace(e, partialPlaysOf(from.PartialPlays))
	return result
}

// recordFailure records why a poll failed, as the reason of a possible gap (time without
// recorded plays). The first reason since the last successful poll stays. Only
// GapAppBlocked replaces an earlier reason, because Spotify may have blocked the app
// already when it refused the earlier polls with an unknown message.
func (r *Registry) recordFailure(ref entryRef, reason songspy.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil && (e.gapReason == 0 || reason == songspy.GapAppBlocked) {
		e.gapReason = r.entries.names.of(string(reason))
	}
}

// setPollReason sets the reason of the user's next poll, if the user has an entry.
func (r *Registry) setPollReason(id songspy.UserID, reason pollReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.get(id); e != nil {
		e.pollReason = reason
	}
}

// advancePoll calls the function choose with the user's state and the planned poll. If it
// returns true, the poll that it returns replaces the planned one. advancePoll does nothing
// while a poll runs or is about to begin, nor after a failed poll, because the wait after
// a failure must be kept.
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
	if earlier, ok := choose(&state, plannedPoll{at: at, reason: e.pollReason}); ok {
		e.pollReason = earlier.reason
		r.polls.Schedule(id, earlier.at)
	}
}

// hasPoll reports whether a poll of the user is planned, or a worker has taken it from the queue and
// still makes it.
func (r *Registry) hasPoll(id songspy.UserID) bool { return r.polls.Pending(id) }

// recordHistoryFetch records a successful history fetch: its time, the
// fingerprint of its answer, and the partial plays that the answer lists or omits.
func (r *Registry) recordHistoryFetch(ref entryRef, at time.Time, hash uint64, learned songspy.PartialPlayCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries.find(ref); e != nil {
		r.entries.setHistoryState(e, r.entries.historyState(e).AfterFetch(at))
		e.historyHash = hash
		r.habits.replace(e, partialPlaysOf(e.partialPlays.value().Add(learned)))
	}
}

// UpdateLink copies the access token and the state of a link to the user's entry, unless the entry
// is as new or newer, or belongs to another generation of the link. It removes the user if the link
// may not be polled any more. tokens.Renewer calls it (OnRenewed) with each link that it has
// changed.
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

// removeIf removes the users for which the function gone returns true.
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

// removeLocked removes the user's entry, planned work and history habit in one
// step, if the user has an entry. mu is held.
func (r *Registry) removeLocked(id songspy.UserID) {
	e := r.entries.get(id)
	if e == nil {
		return
	}
	r.habits.replace(e, partialPlays{})
	r.entries.remove(id)
	r.polls.Remove(id)
	r.fetches.Remove(id)
	r.budgets.forget(id)
}

// countByApp counts, by app, the users who have an open play (listening) and who have none
// (idle).
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

// historyHabit says whether the history of a Spotify account lists partial plays.
type historyHabit uint8

const (
	habitUnknown historyHabit = iota
	listsPartialPlays
	omitsPartialPlays
)

// habitOf returns the history habit that the account's own plays have shown.
func habitOf(p partialPlays) historyHabit {
	switch listed, known := p.value().ListsPartialPlays(); {
	case !known:
		return habitUnknown
	case listed:
		return listsPartialPlays
	}
	return omitsPartialPlays
}

// habitCounts counts the accounts with each known habit. The count of habitUnknown has no
// meaning.
type habitCounts [omitsPartialPlays + 1]int

// minHabitAccounts is how many accounts must have a known habit before the habit of their
// majority is assumed for the other accounts.
const minHabitAccounts = 3

// replace sets the partial plays of an entry, and updates the counts of habits. Registry.mu
// is held.
func (h *habitCounts) replace(e *entry, to partialPlays) {
	h[habitOf(e.partialPlays)]--
	e.partialPlays = to
	h[habitOf(to)]++
}

// assumed returns the habit that is assumed for the account: its own if that is
// known, otherwise that of most accounts. It returns habitUnknown if fewer than
// minHabitAccounts accounts have a known habit, or if both habits are equally frequent.
func (h *habitCounts) assumed(e *entry) historyHabit {
	lists, omits := h[listsPartialPlays], h[omitsPartialPlays]
	switch own := habitOf(e.partialPlays); {
	case own != habitUnknown:
		return own
	case lists+omits < minHabitAccounts || lists == omits:
		return habitUnknown
	case lists > omits:
		return listsPartialPlays
	}
	return omitsPartialPlays
}
