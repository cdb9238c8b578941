package poller

import (
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/idmap"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// roster is everyone who is to be looked at.
//
// A listener who links anew has another seat: whoever still holds the former
// one finds that it is no longer on the roster.
type registry struct {
	mu        sync.Mutex
	entries   idmap.Map[songspy.UserID, *entry]
	appNames  map[string]*string // what seats share
	habits    habitCounts
	readRound uint32
	onRemove  func(songspy.UserID) // called, under the lock, for whoever leaves
}

func newRegistry(left func(songspy.UserID)) *registry {
	return &registry{appNames: map[string]*string{}, onRemove: left}
}

// seat is the person's; nil if they have none.
func (r *registry) find(id songspy.UserID) *entry {
	entry, _ := r.entries.Get(id)
	return entry
}

// attend notes that the store still holds the person; false if it knows more
// of their link than the roster does.
func (r *registry) confirm(m songspy.LinkVersion) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(m.UserID)
	if l == nil || l.generation < m.Generation || l.generation == m.Generation && l.version < m.Version {
		return false
	}
	l.readRound = r.readRound
	return true
}

// arrival is what a reading of the store said about a person.
type mergeResult int

const (
	alreadyKnown mergeResult = iota // on the roster already
	added                           // not on the roster before
	relinked                        // on the roster under a former link
)

// merge takes over what the store says of a person. What the roster knows of
// their player stays if it is newer and was learnt through the same link. The
// past is of somebody whom it does not know yet.
func (r *registry) merge(from songspy.PolledUser, p coverage) mergeResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, link, playing := from.Link.UserID, from.Link, from.Playing
	playing.UserID, playing.Generation = id, link.Generation
	l := r.find(id)
	if l != nil && l.generation == link.Generation {
		l.readRound = r.readRound
		if link.Version > l.version {
			l.setLink(link)
		}
		r.habits.replace(l, habitOf(from.PartialPlays))
		if !p.aheadOfClock && microsOf(from.Playing.ObservedAt) > l.observedAt {
			l.setPlaying(playing)
			l.dirty = false
		}
		return alreadyKnown
	}
	if l != nil && l.generation > link.Generation {
		return alreadyKnown // an old reading
	}
	next := &entry{generation: link.Generation, readRound: r.readRound, watchedUntil: microsOf(p.watchedUntil), linkedAt: microsOf(link.CreatedAt), aheadOfClock: p.aheadOfClock}
	next.app = r.internApp(link.App)
	next.setLink(link)
	next.setPlaying(playing)
	next.setHistoryState(p.history)
	if l != nil {
		r.habits.replace(l, habit{})
	}
	r.habits.replace(next, habitOf(from.PartialPlays))
	r.entries.Put(id, next)
	if l != nil {
		return relinked
	}
	return added
}

// app is the one copy of an app's name.
func (r *registry) internApp(id string) *string {
	if r.appNames[id] == nil {
		r.appNames[id] = &id
	}
	return r.appNames[id]
}

// renewed takes over a link's new tokens or state; a link that may not be asked
// any more leaves.
func (r *registry) updateLink(link songspy.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(link.UserID)
	switch {
	case l == nil || l.generation != link.Generation || l.version >= link.Version:
	case link.State == songspy.LinkActive || link.State == songspy.LinkSuspect:
		l.setLink(link)
	default:
		r.removeLocked(link.UserID)
	}
}

// begin marks a look at the person as under way and gives what is known for
// it. It fails if the person is not on the roster or is being looked at.
func (r *registry) beginPoll(id songspy.UserID) (entry *entry, copied userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(id)
	if l == nil || l.polling {
		return nil, userState{}, false
	}
	l.polling = true
	return l, r.stateOf(id, l), true
}

// pullBack corrects what is known as of a time that is ahead of now, and gives
// what is known then.
func (r *registry) correctClock(id songspy.UserID, entry *entry, now time.Time) userState {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry.correctClock(id, now)
	return r.stateOf(id, entry)
}

// listener is what is known of the seat's user, and what history is taken to list
// of them.
func (r *registry) stateOf(id songspy.UserID, entry *entry) userState {
	l := entry.state(id)
	l.listsPartial = r.habits.assumesPartial(entry)
	return l
}

// lesson is what one look taught.
type stateUpdate struct {
	playing  songspy.NowPlaying
	history  playback.HistoryState
	mustSave bool // the store is to be told
}

// learn remembers what a look taught; false if the person has left or linked
// anew meanwhile, and nothing of the look may be kept.
func (r *registry) update(id songspy.UserID, entry *entry, t stateUpdate) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(id) != entry {
		return false
	}
	if observed := microsOf(t.playing.ObservedAt); observed > entry.observedAt {
		entry.watchedUntil = observed
		entry.setGapReason("")
	} else if entry.gapReason() == "" {
		entry.setGapReason(songspy.GapUnseen) // an answer that said nothing
	}
	entry.setPlaying(t.playing)
	entry.setHistoryState(t.history)
	entry.dirty = !t.mustSave
	if t.mustSave {
		entry.aheadOfClock = false
		entry.pendingWrites++
	}
	return true
}

// miss remembers why a look told nothing; the first reason of several stays.
func (r *registry) recordFailure(entry *entry, reason songspy.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry.gapReason() == "" {
		entry.setGapReason(reason)
	}
}

// get gives what is known of the person.
func (r *registry) lookup(id songspy.UserID) (entry *entry, copied userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(id)
	if l == nil {
		return nil, userState{}, false
	}
	return l, l.state(id), true
}

// recalled notes that history has answered; told stands for its answer.
func (r *registry) recordHistoryFetch(id songspy.UserID, entry *entry, at time.Time, hash uint64, learned songspy.PartialPlayCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry.setHistoryState(entry.historyState().AfterFetch(at))
	entry.historyHash = hash
	if r.find(id) == entry {
		r.habits.replace(entry, habitOf(entry.habit.value().Add(learned)))
	}
}

// expect notes why the look is made that is planned next.
func (r *registry) setPollReason(id songspy.UserID, reason pollReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.find(id); l != nil {
		l.pollReason = reason
	}
}

// end says that the look is over, and why the next one is made; plan is called
// for whoever is still on the roster, before another look can begin.
func (r *registry) endPoll(id songspy.UserID, entry *entry, reason pollReason, plan func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry.polling, entry.pollReason = false, reason
	if r.find(id) == entry {
		plan()
	}
}

// looking reports whether a look at the person is under way.
func (r *registry) isPolling(id songspy.UserID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.find(id)
	return l != nil && l.polling
}

// wrote notes that an outcome is no longer on its way to the store.
func (r *registry) writeDone(entry *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry.pendingWrites = max(0, entry.pendingWrites-1)
}

// stored notes the id that the store gave to the track that the person hears.
func (r *registry) setTrackID(id songspy.UserID, entry *entry, uri string, track songspy.TrackID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.find(id) == entry && entry.playing != nil && entry.playing.TrackURI == uri {
		entry.playing.TrackID = track
	}
}

// crowds is how many people hear something and how many do not, by the app that
// they linked through.
func (r *registry) countByApp() map[string]userCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := make(map[string]userCounts, len(r.appNames))
	for _, l := range r.entries.All() {
		its := n[l.appID()]
		if l.playing != nil && l.playing.IsOpen() {
			its.listening++
		} else {
			its.idle++
		}
		n[l.appID()] = its
	}
	return n
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries.Len()
}

func (r *registry) removeLocked(id songspy.UserID) {
	if l := r.find(id); l != nil {
		r.habits.replace(l, habit{})
	}
	r.entries.Remove(id)
	r.onRemove(id)
}

// remove takes the person off the roster; with a listener given, only if they
// have not linked anew since.
func (r *registry) remove(id songspy.UserID, entry *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.find(id); l != nil && (entry == nil || l == entry) {
		r.removeLocked(id)
	}
}

// nextRound begins a reading of the whole store.
func (r *registry) beginRead() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readRound++
	return r.readRound
}

// removeAbsent takes off the roster whom the reading did not hold.
func (r *registry) removeUnread(round uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, l := range r.entries.All() {
		if l.readRound < round {
			r.removeLocked(id)
		}
	}
}

// removeThose takes everyone off the roster who is gone.
func (r *registry) removeIf(gone func(songspy.UserID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.entries.All() {
		if gone(id) {
			r.removeLocked(id)
		}
	}
}

// takeUnsaved gives the open plays of which more is known than is stored, each
// to one caller only.
func (r *registry) takeDirty() (found []dirtyEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.entries.All() {
		if l.dirty && l.playing != nil && l.playing.IsOpen() {
			l.dirty = false
			found = append(found, dirtyEntry{l, *l.playing})
		}
	}
	return found
}

type dirtyEntry struct {
	entry   *entry
	playing songspy.NowPlaying
}

// saveSilence hands what is known of somebody who hears nothing to the store,
// if that knows less. Of a silence only the first look is worth a write, but
// history fills the time up to the last: a process that did not know of it
// would let the next play begin within what was found there.
func (s *Poller) flushIdle(id songspy.UserID, entry *entry) {
	if n, newer := s.registry.takeDirtyIdle(id, entry); newer {
		s.writer.put(pendingUpdate{entry, songspy.PlaybackUpdate{Playing: n}})
	}
}

func (r *registry) takeDirtyIdle(id songspy.UserID, entry *entry) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = entry.nowPlaying(id)
	if r.find(id) != entry || !entry.dirty || n.IsOpen() {
		return n, false
	}
	entry.dirty = false
	entry.pendingWrites++
	return n, true
}

// habits counts what the accounts of the roster show of their histories. Accounts
// that do not show a habit yet are not counted.
type habitCounts struct{ listsPartial, omitsPartial int }

// enoughAccounts is how many accounts must show a habit before others are taken
// to have it.
const minHabitAccounts = 3

// change takes over what was learnt of an account. The roster is locked.
func (h *habitCounts) replace(s *entry, to habit) {
	h.add(s.habit, -1)
	s.habit = to
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

// partial reports whether history is taken to list the partial plays of an
// account: what it has shown itself, else what most accounts have, else not.
func (h *habitCounts) assumesPartial(s *entry) bool {
	if partial, known := s.habit.value().ListsPartialPlays(); known {
		return partial
	}
	return h.listsPartial+h.omitsPartial >= minHabitAccounts && h.listsPartial > h.omitsPartial
}
