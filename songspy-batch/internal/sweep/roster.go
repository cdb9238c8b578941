package sweep

import (
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/rows"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// roster is everyone who is to be looked at.
//
// A listener who links anew has another seat: whoever still holds the former
// one finds that it is no longer on the roster.
type roster struct {
	mu     sync.Mutex
	people rows.Of[songspy.UserID, *seat]
	apps   map[string]*string // what seats share
	habits habits
	round  uint32
	left   func(songspy.UserID) // called, under the lock, for whoever leaves
}

func newRoster(left func(songspy.UserID)) *roster {
	return &roster{apps: map[string]*string{}, left: left}
}

// seat is the person's; nil if they have none.
func (r *roster) seat(id songspy.UserID) *seat {
	who, _ := r.people.Get(id)
	return who
}

// attend notes that the store still holds the person; false if it knows more
// of their link than the roster does.
func (r *roster) attend(m songspy.LinkMark) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.seat(m.UserID)
	if l == nil || l.generation < m.Generation || l.generation == m.Generation && l.version < m.Version {
		return false
	}
	l.round = r.round
	return true
}

// arrival is what a reading of the store said about a person.
type arrival int

const (
	known    arrival = iota // on the roster already
	fresh                   // not on the roster before
	relinked                // on the roster under a former link
)

// merge takes over what the store says of a person. What the roster knows of
// their player stays if it is newer and was learnt through the same link. The
// past is of somebody whom it does not know yet.
func (r *roster) merge(from songspy.Listener, p past) arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, link, playing := from.Link.UserID, from.Link, from.Playing
	playing.UserID, playing.Generation = id, link.Generation
	l := r.seat(id)
	if l != nil && l.generation == link.Generation {
		l.round = r.round
		if link.Version > l.version {
			l.take(link)
		}
		r.habits.change(l, habitOf(from.Habit))
		if !p.ahead && microsOf(from.Playing.ObservedAt) > l.observed {
			l.play(playing)
			l.unsaved = false
		}
		return known
	}
	if l != nil && l.generation > link.Generation {
		return known // an old reading
	}
	next := &seat{generation: link.Generation, round: r.round, watched: microsOf(p.watched), linked: microsOf(link.CreatedAt), ahead: p.ahead}
	next.app = r.app(link.App)
	next.take(link)
	next.play(playing)
	next.leaveUntold(p.untold)
	if l != nil {
		r.habits.change(l, habit{})
	}
	r.habits.change(next, habitOf(from.Habit))
	r.people.Put(id, next)
	if l != nil {
		return relinked
	}
	return fresh
}

// app is the one copy of an app's name.
func (r *roster) app(id string) *string {
	if r.apps[id] == nil {
		r.apps[id] = &id
	}
	return r.apps[id]
}

// renewed takes over a link's new tokens or state; a link that may not be asked
// any more leaves.
func (r *roster) renewed(link songspy.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.seat(link.UserID)
	switch {
	case l == nil || l.generation != link.Generation || l.version >= link.Version:
	case link.State == songspy.LinkActive || link.State == songspy.LinkSuspect:
		l.take(link)
	default:
		r.drop(link.UserID)
	}
}

// begin marks a look at the person as under way and gives what is known for
// it. It fails if the person is not on the roster or is being looked at.
func (r *roster) begin(id songspy.UserID) (who *seat, copied listener, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.seat(id)
	if l == nil || l.looking {
		return nil, listener{}, false
	}
	l.looking = true
	return l, r.listener(id, l), true
}

// pullBack corrects what is known as of a time that is ahead of now, and gives
// what is known then.
func (r *roster) pullBack(id songspy.UserID, who *seat, now time.Time) listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	who.pullBack(id, now)
	return r.listener(id, who)
}

// listener is what is known of the seat's user, and what history is taken to list
// of them.
func (r *roster) listener(id songspy.UserID, who *seat) listener {
	l := who.listener(id)
	partial, known := r.habits.partial(who)
	l.partial, l.wholeOnly = partial, known && !partial
	return l
}

// lesson is what one look taught.
type lesson struct {
	playing songspy.NowPlaying
	untold  listening.Untold
	worth   bool // the store is to be told
}

// learn remembers what a look taught; false if the person has left or linked
// anew meanwhile, and nothing of the look may be kept.
func (r *roster) learn(id songspy.UserID, who *seat, t lesson) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seat(id) != who {
		return false
	}
	if observed := microsOf(t.playing.ObservedAt); observed > who.observed {
		who.watched = observed
		who.setBlind("")
	} else if who.blind() == "" {
		who.setBlind(songspy.GapUnseen) // an answer that said nothing
	}
	who.play(t.playing)
	who.leaveUntold(t.untold)
	who.unsaved = !t.worth
	if t.worth {
		who.ahead = false
		who.writing++
	}
	return true
}

// miss remembers why a look told nothing; the first reason of several stays.
func (r *roster) miss(who *seat, why songspy.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if who.blind() == "" {
		who.setBlind(why)
	}
}

// get gives what is known of the person.
func (r *roster) get(id songspy.UserID) (who *seat, copied listener, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.seat(id)
	if l == nil {
		return nil, listener{}, false
	}
	return l, l.listener(id), true
}

// recalled notes that history has answered; told stands for its answer.
func (r *roster) recalled(id songspy.UserID, who *seat, at time.Time, told uint64, learned songspy.HistoryHabit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who.leaveUntold(who.untold().Asked(at))
	who.told = told
	if r.seat(id) == who {
		r.habits.change(who, habitOf(who.habit.value().Plus(learned)))
	}
}

// expect notes why the look is made that is planned next.
func (r *roster) expect(id songspy.UserID, why reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.seat(id); l != nil {
		l.why = why
	}
}

// end says that the look is over, and why the next one is made; plan is called
// for whoever is still on the roster, before another look can begin.
func (r *roster) end(id songspy.UserID, who *seat, why reason, plan func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who.looking, who.why = false, why
	if r.seat(id) == who {
		plan()
	}
}

// looking reports whether a look at the person is under way.
func (r *roster) looking(id songspy.UserID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.seat(id)
	return l != nil && l.looking
}

// wrote notes that an outcome is no longer on its way to the store.
func (r *roster) wrote(who *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who.writing = max(0, who.writing-1)
}

// stored notes the id that the store gave to the track that the person hears.
func (r *roster) stored(id songspy.UserID, who *seat, uri string, track songspy.TrackID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seat(id) == who && who.playing != nil && who.playing.TrackURI == uri {
		who.playing.TrackID = track
	}
}

// crowds is how many people hear something and how many do not, by the app that
// they linked through.
func (r *roster) crowds() map[string]headcount {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := make(map[string]headcount, len(r.apps))
	for _, l := range r.people.All() {
		its := n[l.appID()]
		if l.playing != nil && l.playing.Open() {
			its.listening++
		} else {
			its.idle++
		}
		n[l.appID()] = its
	}
	return n
}

func (r *roster) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.Len()
}
