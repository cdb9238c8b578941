package poller

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// refusalWindow is how long an unknown refusal (a 403 response whose message is not known)
	// counts.
	refusalWindow = time.Hour
	// userRefusalLimit is how many unknown refusals of one user within refusalWindow show that
	// they concern this user, and not the Spotify app.
	userRefusalLimit = 3
	// appRefusedUsers and appRefusalsInARow decide when unknown refusals concern the whole app:
	// at least appRefusedUsers users were refused, one of them at least appRefusalsInARow times,
	// and no poll of the app was answered in between. Between two refusals of the same user there
	// is usually a whole poll interval, in which every other user of the app was polled.
	appRefusedUsers   = 2
	appRefusalsInARow = 2
)

// refusalScope says what unknown refusals concern.
type refusalScope int

const (
	scopeUnknown refusalScope = iota // not known yet
	scopeUser
	scopeApp
)

// refusals counts 403 responses of Spotify whose message is not known, per app.
// The counts are in memory: after a restart, the next refusals lead to the same result.
type refusals struct {
	nonEmpty atomic.Bool // whether any refusal is counted; if none is, recordAnswer needs no lock
	mu       sync.Mutex
	byApp    map[string]*appRefusals
}

// appRefusals counts the refusals of one app.
type appRefusals struct {
	timesByUser map[songspy.UserID][]time.Time
	inARow      map[songspy.UserID]int // refusals since the last answered poll of any user of the app
}

// record counts a refusal and returns what the refusals concern. If that is the user or
// the app, record forgets the refusals of that user or app, and counts from 0 again.
func (r *refusals) record(app string, id songspy.UserID, now time.Time) refusalScope {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byApp == nil {
		r.byApp = map[string]*appRefusals{}
	}
	counts := r.byApp[app]
	if counts == nil {
		counts = &appRefusals{timesByUser: map[songspy.UserID][]time.Time{}, inARow: map[songspy.UserID]int{}}
		r.byApp[app] = counts
	}
	r.nonEmpty.Store(true)
	counts.prune(now)
	counts.timesByUser[id] = append(counts.timesByUser[id], now)
	counts.inARow[id]++
	switch {
	case counts.isAppWide():
		delete(r.byApp, app)
		return scopeApp
	case len(counts.timesByUser[id]) >= userRefusalLimit:
		delete(counts.timesByUser, id)
		delete(counts.inARow, id)
		return scopeUser
	}
	return scopeUnknown
}

// isAppWide reports whether the refusals in a row concern the app.
func (a *appRefusals) isAppWide() bool {
	if len(a.inARow) < appRefusedUsers {
		return false
	}
	for _, n := range a.inARow {
		if n >= appRefusalsInARow {
			return true
		}
	}
	return false
}

// prune removes refusals that are older than refusalWindow, and the users who have no other
// refusals.
func (a *appRefusals) prune(now time.Time) {
	for id, times := range a.timesByUser {
		kept := slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t).Abs() > refusalWindow })
		a.timesByUser[id] = kept
		if len(kept) == 0 {
			delete(a.timesByUser, id)
			delete(a.inARow, id)
		}
	}
}

// recordAnswer records an answered poll. It sets the counts of refusals in a row to 0 for all users
// of the app, because the answer shows that Spotify does not refuse the whole app. It also forgets
// all refusals of this user.
func (r *refusals) recordAnswer(app string, id songspy.UserID) {
	if !r.nonEmpty.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if counts := r.byApp[app]; counts != nil {
		clear(counts.inARow)
		delete(counts.timesByUser, id)
		if len(counts.timesByUser) == 0 {
			delete(r.byApp, app)
		}
	}
	r.nonEmpty.Store(len(r.byApp) > 0)
}
