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
	// shortWindow is the shorter of the two periods over which renewals are counted to
	// detect an outage of Spotify's token renewal. If there are many links, it contains
	// enough renewals to detect an outage soon.
	shortWindow = 5 * time.Minute
	// longWindow is the longer of the two periods, for instances with few links: each
	// link is renewed about every half hour, so the period contains a renewal of each.
	longWindow = 40 * time.Minute
	// minRefusals is how many links Spotify must reject within a window before
	// that counts as an outage. One less suffices if Spotify accepted no renewal.
	minRefusals = 3
	// grantsToRecover is how many renewals in a row Spotify must accept before
	// an outage counts as over.
	grantsToRecover = 3
	// refusalRelevantFor is how long after a rejected poll of a Spotify app the successful
	// polls of that app count as evidence against an outage.
	refusalRelevantFor = 2 * time.Hour
	// maxOutage is how long an outage may last. Rejections after that count as
	// permanent, for example because the app was deleted at Spotify.
	maxOutage = 24 * time.Hour
)

// outage distinguishes an outage of Spotify from users who revoke their
// consent. It counts grants (renewals that Spotify accepted) and rejections of one
// app's links. It does no I/O; the time is an argument.
//
// It looks at the last five and at the last forty minutes. An outage begins if, in one
// of these two periods, Spotify rejected at least three links and made at most as many
// grants, or if it rejected two links and made no grant. The outage ends after three
// grants in a row, or when that condition no longer holds. So one rejected link is
// never an outage. If two users of a tiny instance revoke their consent within forty
// minutes, that looks like an outage, and they are asked to link again later than
// otherwise.
type outage struct {
	refusedAt   map[songspy.UserID]time.Time // the last rejection of each link
	grants      []minuteCount                // the number of grants in each minute, oldest first
	grantStreak int                          // grants since the last rejection
	since       time.Time                    // when the outage was detected; zero if there is none
	lastRefusal time.Time
}

type minuteCount struct {
	at    time.Time
	count int
}

// recordRefusal records that Spotify refused to renew the link's token.
func (o *outage) recordRefusal(id songspy.UserID, now time.Time) {
	if o.refusedAt == nil {
		o.refusedAt = map[songspy.UserID]time.Time{}
	}
	o.refusedAt[id], o.grantStreak, o.lastRefusal = now, 0, now
	o.evaluate(now)
}

// recordGrant records that Spotify renewed the link's token.
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
	switch begun := o.matchesOutage(now, shortWindow) || o.matchesOutage(now, longWindow); {
	case o.grantStreak >= grantsToRecover || !begun:
		o.since = time.Time{}
	case o.since.IsZero():
		o.since = now
	}
}

// matchesOutage reports whether the renewals within the window before now meet the
// condition for an outage, which the comment of the type outage describes.
func (o *outage) matchesOutage(now time.Time, window time.Duration) bool {
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

// isActive reports whether Spotify has an outage now. An outage that was detected a day
// ago (maxOutage) or earlier does not count any more.
func (o *outage) isActive(now time.Time) bool {
	return !o.since.IsZero() && now.Sub(o.since) < maxOutage
}

// outages decides for every Spotify app whether it has an outage. Renewer has one for
// renewals and one for polls, in which a successful poll counts as a grant.
type outages struct {
	nonEmpty atomic.Bool // whether byApp has an entry
	mu       sync.Mutex
	byApp    map[string]*outage
}

// record adds the result of one renewal of the link. The result on says whether the
// link's app has an outage now, and changed says whether that differs from before.
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

// recordPollGrant counts a successful poll as evidence against an outage if Spotify
// rejected polls of the app within the last two hours (refusalRelevantFor). Rejected
// users are polled about every hour, and all successful polls in between must count.
// recordPollGrant forgets apps without such rejections, and takes no lock if no app has
// any. It returns true if the poll has ended an outage.
func (o *outages) recordPollGrant(app string, id songspy.UserID, now time.Time) (ended bool) {
	if !o.nonEmpty.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, state := range o.byApp {
		if now.Sub(state.lastRefusal).Abs() > refusalRelevantFor {
			delete(o.byApp, name)
		}
	}
	o.nonEmpty.Store(len(o.byApp) > 0)
	state := o.byApp[app]
	if state == nil {
		return false
	}
	before := state.isActive(now)
	state.recordGrant(id, now)
	return before && !state.isActive(now)
}

// activeSince returns the Spotify apps that have an outage now, each with the
// time at which it was detected.
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

// Outages returns the apps for which it is known whether they have an outage: true if
// Spotify rejects at least half of the app's renewals, and false if it accepted the
// last three. An app is missing while neither is the case.
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

// Notes returns, for the operator, a sentence for each of the operator's apps whose
// token renewals Spotify rejects (an outage).
func (r *Renewer) Notes() (notes []string) {
	for app, since := range r.outages.activeSince(r.Now()) {
		if _, isUserApp := songspy.UserAppClientID(app); isUserApp {
			continue // it affects only the users of that app
		}
		notes = append(notes, fmt.Sprintf(
			"Spotify has rejected most renewals of app %s since %s. This counts as an outage: no user is asked to link again.",
			app, since.UTC().Format(time.RFC3339)))
	}
	slices.Sort(notes)
	return notes
}
