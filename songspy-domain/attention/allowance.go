package attention

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// day is the time over which an allowance is divided.
	day = 24 * time.Hour
	// anonymousShare is the fraction of the allowance that all viewers who are not signed in may
	// use together.
	anonymousShare = 0.25
	// viewersMax is the largest number of viewers that an Allowance distinguishes. There must
	// be a limit, because one client that is not signed in can use very many addresses, and so
	// count as very many viewers. All further viewers who are signed in share one account of
	// used calls, and all further viewers who are not signed in share another.
	viewersMax = 1 << 16
)

// ViewerKey identifies a viewer in an Allowance.
type ViewerKey struct {
	Hash     songspy.ViewerHash
	SignedIn bool
}

// Allowance counts the calls that may be made for viewers, in addition to the planned polls. It
// is a token bucket that holds the calls of 24 hours, refills in 24 hours and is full at the
// start. Each viewer of the last 24 hours has an equal share, but all viewers who are not signed
// in have at most anonymousShare together.
//
// The zero Allowance allows nothing until SetDaily is called. It is not safe for
// concurrent use.
type Allowance struct {
	daily     float64 // calls in 24 hours
	all       bucket
	anonymous bucket // for all viewers together who are not signed in
	viewers   map[ViewerKey]*account
	counts    [2]int // the number of viewers who are not signed in, and of signed-in viewers
	prunedAt  time.Time
}

// account is what one viewer has used of their share.
type account struct {
	used     float64 // in calls; in 24 hours it shrinks by the viewer's share
	at       time.Time
	lastSeen time.Time
}

// bucket is a token bucket of calls that fills up in 24 hours.
type bucket struct {
	left float64
	at   time.Time
}

func (b *bucket) fill(now time.Time, capacity float64) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left += capacity * passed.Seconds() / day.Seconds()
	}
	b.at, b.left = now, min(b.left, capacity)
}

// SetDaily sets how many calls may be made in 24 hours. If the old number was 0, as at the start,
// SetDaily fills the allowance. Otherwise it keeps the fraction that is left: if half of the old
// number was left, half of the new number is left.
func (a *Allowance) SetDaily(now time.Time, calls float64) {
	if a.daily == 0 {
		a.all, a.anonymous = bucket{calls, now}, bucket{anonymousShare * calls, now}
	} else {
		a.fill(now)
		part := calls / a.daily
		a.all.left, a.anonymous.left = a.all.left*part, a.anonymous.left*part
	}
	a.daily = calls
	a.prune(now)
}

func (a *Allowance) fill(now time.Time) {
	a.all.fill(now, a.daily)
	a.anonymous.fill(now, anonymousShare*a.daily)
}

// Left returns how many calls may be made now.
func (a *Allowance) Left(now time.Time) float64 {
	a.fill(now)
	return a.all.left
}

// Weight returns how much the viewers count together: a viewer with an unused share counts 1, a
// viewer whose share is used up counts 0, and the others count the fraction of their share that
// is left. Weight returns 0 if the allowance has less than one call left.
func (a *Allowance) Weight(now time.Time, viewers []ViewerKey) (weight float64) {
	a.fill(now)
	if a.all.left < 1 {
		return 0
	}
	for _, v := range viewers {
		weight += a.unused(now, v)
	}
	return weight
}

// Payment is what viewers paid for one poll.
type Payment []payment

type payment struct {
	viewer ViewerKey
	part   float64 // the fraction of the call that the viewer paid
}

// Pay counts one call for the viewers. Each viewer pays a fraction of it, in proportion to what
// is left of the viewer's share. If the viewers have no weight, Pay counts nothing and returns
// nil.
func (a *Allowance) Pay(now time.Time, viewers []ViewerKey) Payment {
	weight := a.Weight(now, viewers)
	if weight <= 0 {
		return nil
	}
	paid := make(Payment, len(viewers))
	for i, v := range viewers {
		paid[i] = payment{v, a.unused(now, v) / weight}
	}
	a.Correct(now, paid, 1)
	return paid
}

// Correct changes afterwards what a poll costs its viewers, in the proportions in which they
// paid: it adds the number calls to the one call that Pay counted. If calls is negative, it gives
// that many calls back to the viewers: -1 gives back the whole call.
func (a *Allowance) Correct(now time.Time, paid Payment, calls float64) {
	a.fill(now)
	for _, p := range paid {
		viewer := a.account(now, p.viewer)
		viewer.used = max(0, viewer.used+calls*p.part)
		a.all.left -= calls * p.part
		if !p.viewer.SignedIn {
			a.anonymous.left -= calls * p.part
		}
	}
}

// unused returns which fraction of the viewer's share is left. It returns 0 for a viewer who is
// not signed in if such viewers have used up the calls that they may use together.
func (a *Allowance) unused(now time.Time, v ViewerKey) float64 {
	if !v.SignedIn && a.anonymous.left < 1 {
		return 0
	}
	return max(0, 1-a.account(now, v).used/a.share(v.SignedIn))
}

// share returns how many calls in 24 hours one viewer may use: an equal share of all calls. But
// if the viewers who are not signed in would have more than anonymousShare of the calls together,
// they divide anonymousShare of the calls, and the viewers who are signed in divide the rest.
func (a *Allowance) share(signedIn bool) float64 {
	anonymous, known := float64(a.counts[0]), float64(a.counts[1])
	equal := a.daily / max(1, anonymous+known)
	if signedIn {
		return max(equal, (1-anonymousShare)*a.daily/max(1, known))
	}
	return min(equal, anonymousShare*a.daily/max(1, anonymous))
}

// account returns the viewer's account. First it reduces the calls that the viewer has used, in
// proportion to the time since the last call of account for the viewer: in 24 hours by the
// viewer's whole share. For a new viewer it creates an account, or returns the shared account if
// there are viewersMax accounts already.
func (a *Allowance) account(now time.Time, v ViewerKey) *account {
	known := a.viewers[v]
	if known == nil {
		if len(a.viewers) >= viewersMax {
			v.Hash = songspy.ViewerHash{}
			known = a.viewers[v]
		}
		if known == nil {
			if a.viewers == nil {
				a.viewers = map[ViewerKey]*account{}
			}
			known = &account{at: now}
			a.viewers[v] = known
			a.counts[kind(v)]++
		}
	}
	if passed := now.Sub(known.at); passed > 0 {
		known.used = max(0, known.used-a.share(v.SignedIn)*passed.Seconds()/day.Seconds())
	}
	known.at, known.lastSeen = now, now
	return known
}

func kind(v ViewerKey) int {
	if v.SignedIn {
		return 1
	}
	return 0
}

// prune forgets the viewers who were not seen for 24 hours, so that the other viewers have
// larger shares. It does so at most once an hour.
func (a *Allowance) prune(now time.Time) {
	if now.Sub(a.prunedAt) < day/24 && !now.Before(a.prunedAt) {
		return
	}
	a.prunedAt = now
	for v, known := range a.viewers {
		if now.Sub(known.lastSeen) >= day {
			delete(a.viewers, v)
			a.counts[kind(v)]--
		}
	}
}
