package tokens

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// soonWindow shows an outage of an instance with many links within minutes.
	shortWindow = 5 * time.Minute
	// wideWindow shows one of an instance with a few, each of which is renewed
	// once in half an hour.
	longWindow = 40 * time.Minute
	// several refusals at once are no coincidence.
	minRefusals = 3
	// recovered is how many grants in a row end an outage.
	grantsToRecover = 3
	// watchedFor is how long answered polls count after a refused one.
	refusalRelevantFor = 2 * time.Hour
	// longestOutage is how long refusals are held to be the provider's fault: an
	// app that was taken from its users is refused for ever.
	maxOutage = 24 * time.Hour
)

// outage watches the renewals of one app's links, and tells a provider that
// refuses everybody from people who have withdrawn their consent. It is a
// value of what was reported to it; the time is passed in.
//
// It holds an outage to have begun when, of the links renewed within five or
// within forty minutes, at least three and at least half were refused, or two
// and nobody else; and to be over after three grants in a row, or once that no
// longer holds. So a single link that is refused is never one, and two people
// of a tiny instance who withdraw within forty minutes are taken for one: it
// costs them a later request to link anew.
type outage struct {
	refusedAt   map[songspy.UserID]time.Time // when a link was refused last
	grants      []minuteCount                // grants by the minute, oldest first
	grantStreak int                          // grants since the last refusal
	since       time.Time                    // when the outage was noticed; zero: there is none
	lastRefusal time.Time                    // the last refusal
}

type minuteCount struct {
	at    time.Time
	count int
}

// refuse enters a refusal.
func (o *outage) recordRefusal(id songspy.UserID, now time.Time) {
	if o.refusedAt == nil {
		o.refusedAt = map[songspy.UserID]time.Time{}
	}
	o.refusedAt[id], o.grantStreak, o.lastRefusal = now, 0, now
	o.evaluate(now)
}

// grant enters a renewal that went well.
func (o *outage) recordGrant(id songspy.UserID, now time.Time) {
	delete(o.refusedAt, id)
	at := now.Truncate(time.Minute)
	if last := len(o.grants) - 1; last >= 0 && o.grants[last].at.Equal(at) {
		o.grants[last].count++
	} else {
		o.grants = append(o.grants, minuteCount{at, 1})
	}
	o.grantStreak++
	o.evaluate(now)
}

func (o *outage) evaluate(now time.Time) {
	for id, at := range o.refusedAt {
		if now.Sub(at) > longWindow {
			delete(o.refusedAt, id)
		}
	}
	o.grants = slices.DeleteFunc(o.grants, func(m minuteCount) bool { return now.Sub(m.at) > longWindow })
	switch begun := o.looksLikeOutage(now, shortWindow) || o.looksLikeOutage(now, longWindow); {
	case o.grantStreak >= grantsToRecover || !begun:
		o.since = time.Time{}
	case o.since.IsZero():
		o.since = now
	}
}

// shows reports whether the window before now looks like an outage.
func (o *outage) looksLikeOutage(now time.Time, window time.Duration) bool {
	refused, granted := 0, 0
	for _, at := range o.refusedAt {
		if now.Sub(at) <= window {
			refused++
		}
	}
	for _, m := range o.grants {
		if now.Sub(m.at) <= window {
			granted += m.count
		}
	}
	return refused >= minRefusals && refused >= granted || refused == minRefusals-1 && granted == 0
}

// on reports whether refusals are held to be the provider's fault now.
func (o *outage) isActive(now time.Time) bool {
	return !o.since.IsZero() && now.Sub(o.since) < maxOutage
}

// outages watches the renewals of every app.
type outages struct {
	nonEmpty atomic.Bool // an app is watched
	mu       sync.Mutex
	byApp    map[string]*outage
}

// enter notes what became of a renewal; it gives whether an outage is on, and
// whether that has just changed.
func (o *outages) record(l songspy.Link, refused bool, now time.Time) (on, changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	app := o.byApp[l.App]
	if app == nil {
		app = &outage{}
		if o.byApp == nil {
			o.byApp = map[string]*outage{}
		}
		o.byApp[l.App] = app
		o.nonEmpty.Store(true)
	}
	before := app.isActive(now)
	if refused {
		app.recordRefusal(l.UserID, now)
	} else {
		app.recordGrant(l.UserID, now)
	}
	on = app.isActive(now)
	return on, on != before
}

// grantWatched enters a grant of an app that had a refusal within two hours, and
// forgets every other app. Refused users are tried once in an hour, so that
// the grants between two tries count. Without such an app it costs nothing.
func (o *outages) recordPollGrant(app string, id songspy.UserID, now time.Time) (ended bool) {
	if !o.nonEmpty.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, of := range o.byApp {
		if now.Sub(of.lastRefusal).Abs() > refusalRelevantFor {
			delete(o.byApp, name)
		}
	}
	o.nonEmpty.Store(len(o.byApp) > 0)
	of := o.byApp[app]
	if of == nil {
		return false
	}
	before := of.isActive(now)
	of.recordGrant(id, now)
	return before && !of.isActive(now)
}

// since gives when each app's outage was noticed that is on.
func (o *outages) activeSince(now time.Time) map[string]time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	on := map[string]time.Time{}
	for name, app := range o.byApp {
		if app.isActive(now) {
			on[name] = app.since
		}
	}
	return on
}

// Outages says of which apps it is known how their renewals fare: true, nearly
// all are refused; false, the last ones were honoured. Of an app that has had
// too few since the start it says nothing.
func (r *Renewer) Outages() map[string]bool {
	now := r.Now()
	r.outages.mu.Lock()
	defer r.outages.mu.Unlock()
	known := map[string]bool{}
	for name, app := range r.outages.byApp {
		if on := app.isActive(now); on || app.grantStreak >= grantsToRecover {
			known[name] = on
		}
	}
	return known
}

// Notes says in sentences which apps' renewals are refused throughout.
func (r *Renewer) Notes() (notes []string) {
	for app, since := range r.outages.activeSince(r.Now()) {
		if _, isUserApp := songspy.UserAppClientID(app); isUserApp {
			continue // only its people are not seen meanwhile
		}
		notes = append(notes, fmt.Sprintf(
			"Spotify has refused nearly every renewal of app %s since %s; that is taken for an outage, and nobody is asked to link anew.",
			app, since.UTC().Format(time.RFC3339)))
	}
	slices.Sort(notes)
	return notes
}
