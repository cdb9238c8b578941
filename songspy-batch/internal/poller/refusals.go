package poller

import (
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// refusedWithin is how long an unknown refusal counts.
	refusalWindow = time.Hour
	// refusedOften is how many unknown refusals within that time concern the user.
	userRefusalLimit = 3
	// refusedUsers is how many users concern the app, if nobody was answered
	// since and one of them was refused refusedTwice. So a whole interval has
	// passed in which everybody else was polled.
	appRefusedUsers   = 2
	appRefusalsInARow = 2
)

// concern is whom unknown refusals concern.
type refusalScope int

const (
	scopeUnknown refusalScope = iota // not known yet
	scopeUser
	scopeApp
)

// refusals counts, for each app, the 403s in words that are not known. It is
// kept by each process, in memory: after a restart the next refusals show the
// same again.
type refusals struct {
	nonEmpty atomic.Bool // something is counted
	mu       sync.Mutex
	byApp    map[string]*appRefusals
}

// refused is what is counted of one app.
type appRefusals struct {
	timesByUser map[songspy.UserID][]time.Time
	inARow      map[songspy.UserID]int // refusals since the last poll that was answered
}

// note enters a refusal and says whom it concerns. What concerned somebody is
// not counted again.
func (r *refusals) record(app string, id songspy.UserID, now time.Time) refusalScope {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byApp == nil {
		r.byApp = map[string]*appRefusals{}
	}
	of := r.byApp[app]
	if of == nil {
		of = &appRefusals{timesByUser: map[songspy.UserID][]time.Time{}, inARow: map[songspy.UserID]int{}}
		r.byApp[app] = of
	}
	r.nonEmpty.Store(true)
	of.prune(now)
	of.timesByUser[id] = append(of.timesByUser[id], now)
	of.inARow[id]++
	switch {
	case of.isAppWide():
		delete(r.byApp, app)
		return scopeApp
	case len(of.timesByUser[id]) >= userRefusalLimit:
		delete(of.timesByUser, id)
		delete(of.inARow, id)
		return scopeUser
	}
	return scopeUnknown
}

// concernsApp reports whether the refusals in a row concern the app.
func (of *appRefusals) isAppWide() bool {
	if len(of.inARow) < appRefusedUsers {
		return false
	}
	for _, n := range of.inARow {
		if n >= appRefusalsInARow {
			return true
		}
	}
	return false
}

// forget drops what counts no more.
func (of *appRefusals) prune(now time.Time) {
	for id, times := range of.timesByUser {
		kept := times[:0]
		for _, t := range times {
			if now.Sub(t).Abs() <= refusalWindow {
				kept = append(kept, t)
			}
		}
		of.timesByUser[id] = kept
		if len(kept) == 0 {
			delete(of.timesByUser, id)
			delete(of.inARow, id)
		}
	}
}

// answered enters a poll that was answered: the app is not meant by the
// refusals before it, and neither is the user.
func (r *refusals) recordAnswer(app string, id songspy.UserID) {
	if !r.nonEmpty.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.byApp[app]; of != nil {
		clear(of.inARow)
		delete(of.timesByUser, id)
		if len(of.timesByUser) == 0 {
			delete(r.byApp, app)
		}
	}
	r.nonEmpty.Store(len(r.byApp) > 0)
}
