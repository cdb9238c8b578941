package sweep

import (
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// refusedWithin is how long an unknown refusal counts.
	refusedWithin = time.Hour
	// refusedOften is how many unknown refusals within that time concern the user.
	refusedOften = 3
	// refusedUsers is how many users concern the app, if nobody was answered
	// since and one of them was refused refusedTwice. So a whole interval has
	// passed in which everybody else was polled.
	refusedUsers = 2
	refusedTwice = 2
)

// concern is whom unknown refusals concern.
type concern int

const (
	concernsNobody concern = iota // not known yet
	concernsUser
	concernsApp
)

// refusals counts, for each app, the 403s in words that are not known. It is
// kept by each process, in memory: after a restart the next refusals show the
// same again.
type refusals struct {
	any  atomic.Bool // something is counted
	mu   sync.Mutex
	apps map[string]*refused
}

// refused is what is counted of one app.
type refused struct {
	times  map[songspy.UserID][]time.Time
	inARow map[songspy.UserID]int // refusals since the last poll that was answered
}

// note enters a refusal and says whom it concerns. What concerned somebody is
// not counted again.
func (r *refusals) note(app string, id songspy.UserID, now time.Time) concern {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apps == nil {
		r.apps = map[string]*refused{}
	}
	of := r.apps[app]
	if of == nil {
		of = &refused{times: map[songspy.UserID][]time.Time{}, inARow: map[songspy.UserID]int{}}
		r.apps[app] = of
	}
	r.any.Store(true)
	of.forget(now)
	of.times[id] = append(of.times[id], now)
	of.inARow[id]++
	switch {
	case of.concernsApp():
		delete(r.apps, app)
		return concernsApp
	case len(of.times[id]) >= refusedOften:
		delete(of.times, id)
		delete(of.inARow, id)
		return concernsUser
	}
	return concernsNobody
}

// concernsApp reports whether the refusals in a row concern the app.
func (of *refused) concernsApp() bool {
	if len(of.inARow) < refusedUsers {
		return false
	}
	for _, n := range of.inARow {
		if n >= refusedTwice {
			return true
		}
	}
	return false
}

// forget drops what counts no more.
func (of *refused) forget(now time.Time) {
	for id, times := range of.times {
		kept := times[:0]
		for _, t := range times {
			if now.Sub(t).Abs() <= refusedWithin {
				kept = append(kept, t)
			}
		}
		of.times[id] = kept
		if len(kept) == 0 {
			delete(of.times, id)
			delete(of.inARow, id)
		}
	}
}

// answered enters a poll that was answered: the app is not meant by the
// refusals before it, and neither is the user.
func (r *refusals) answered(app string, id songspy.UserID) {
	if !r.any.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.apps[app]; of != nil {
		clear(of.inARow)
		delete(of.times, id)
		if len(of.times) == 0 {
			delete(r.apps, app)
		}
	}
	r.any.Store(len(r.apps) > 0)
}
