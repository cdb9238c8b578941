package refresh

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
	soonWindow = 5 * time.Minute
	// wideWindow shows one of an instance with a few, each of which is renewed
	// once in half an hour.
	wideWindow = 40 * time.Minute
	// several refusals at once are no coincidence.
	several = 3
	// recovered is how many grants in a row end an outage.
	recovered = 3
	// watchedFor is how long answered polls count after a refused one.
	watchedFor = 2 * time.Hour
	// longestOutage is how long refusals are held to be the provider's fault: an
	// app that was taken from its users is refused for ever.
	longestOutage = 24 * time.Hour
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
	refused map[songspy.UserID]time.Time // when a link was refused last
	granted []minute                     // grants by the minute, oldest first
	streak  int                          // grants since the last refusal
	since   time.Time                    // when the outage was noticed; zero: there is none
	last    time.Time                    // the last refusal
}

type minute struct {
	at time.Time
	n  int
}

// refuse enters a refusal.
func (o *outage) refuse(id songspy.UserID, now time.Time) {
	if o.refused == nil {
		o.refused = map[songspy.UserID]time.Time{}
	}
	o.refused[id], o.streak, o.last = now, 0, now
	o.judge(now)
}

// grant enters a renewal that went well.
func (o *outage) grant(id songspy.UserID, now time.Time) {
	delete(o.refused, id)
	at := now.Truncate(time.Minute)
	if last := len(o.granted) - 1; last >= 0 && o.granted[last].at.Equal(at) {
		o.granted[last].n++
	} else {
		o.granted = append(o.granted, minute{at, 1})
	}
	o.streak++
	o.judge(now)
}

func (o *outage) judge(now time.Time) {
	for id, at := range o.refused {
		if now.Sub(at) > wideWindow {
			delete(o.refused, id)
		}
	}
	o.granted = slices.DeleteFunc(o.granted, func(m minute) bool { return now.Sub(m.at) > wideWindow })
	switch begun := o.shows(now, soonWindow) || o.shows(now, wideWindow); {
	case o.streak >= recovered || !begun:
		o.since = time.Time{}
	case o.since.IsZero():
		o.since = now
	}
}

// shows reports whether the window before now looks like an outage.
func (o *outage) shows(now time.Time, window time.Duration) bool {
	refused, granted := 0, 0
	for _, at := range o.refused {
		if now.Sub(at) <= window {
			refused++
		}
	}
	for _, m := range o.granted {
		if now.Sub(m.at) <= window {
			granted += m.n
		}
	}
	return refused >= several && refused >= granted || refused == several-1 && granted == 0
}

// on reports whether refusals are held to be the provider's fault now.
func (o *outage) on(now time.Time) bool {
	return !o.since.IsZero() && now.Sub(o.since) < longestOutage
}

// outages watches the renewals of every app.
type outages struct {
	any  atomic.Bool // an app is watched
	mu   sync.Mutex
	apps map[string]*outage
}

// enter notes what became of a renewal; it gives whether an outage is on, and
// whether that has just changed.
func (o *outages) enter(l songspy.Link, refused bool, now time.Time) (on, turned bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	app := o.apps[l.App]
	if app == nil {
		app = &outage{}
		if o.apps == nil {
			o.apps = map[string]*outage{}
		}
		o.apps[l.App] = app
		o.any.Store(true)
	}
	before := app.on(now)
	if refused {
		app.refuse(l.UserID, now)
	} else {
		app.grant(l.UserID, now)
	}
	on = app.on(now)
	return on, on != before
}

// grantWatched enters a grant of an app that had a refusal within two hours, and
// forgets every other app. Refused users are tried once in an hour, so that
// the grants between two tries count. Without such an app it costs nothing.
func (o *outages) grantWatched(app string, id songspy.UserID, now time.Time) (ended bool) {
	if !o.any.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, of := range o.apps {
		if now.Sub(of.last).Abs() > watchedFor {
			delete(o.apps, name)
		}
	}
	o.any.Store(len(o.apps) > 0)
	of := o.apps[app]
	if of == nil {
		return false
	}
	before := of.on(now)
	of.grant(id, now)
	return before && !of.on(now)
}

// since gives when each app's outage was noticed that is on.
func (o *outages) since(now time.Time) map[string]time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	on := map[string]time.Time{}
	for name, app := range o.apps {
		if app.on(now) {
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
	for name, app := range r.outages.apps {
		if on := app.on(now); on || app.streak >= recovered {
			known[name] = on
		}
	}
	return known
}

// Notes says in sentences which apps' renewals are refused throughout.
func (r *Renewer) Notes() (notes []string) {
	for app, since := range r.outages.since(r.Now()) {
		if _, brought := songspy.OwnClientID(app); brought {
			continue // only its people are not seen meanwhile
		}
		notes = append(notes, fmt.Sprintf(
			"Spotify has refused nearly every renewal of app %s since %s; that is taken for an outage, and nobody is asked to link anew.",
			app, since.UTC().Format(time.RFC3339)))
	}
	slices.Sort(notes)
	return notes
}
