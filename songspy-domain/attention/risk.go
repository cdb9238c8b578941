package attention

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// How users and players behave, as far as this decides which polls are worth their calls.
const (
	// skipShare is the fraction of the plays that users leave early (skip). It doubles with each
	// track that was skipped in a row, up to skipShareMax.
	skipShare    = 0.12
	skipShareMax = 0.6
	// skipUntil is the fraction of a track's length after which users no longer skip it. Before
	// that, a skip becomes less likely the longer the track has played: the fraction of the plays
	// that users have skipped by a certain age grows with the square root of the age.
	skipUntil = 0.7
	// unknownLength is the assumed time until a track ends whose progress or length is
	// not known.
	unknownLength = 200 * time.Second
	// advertisementLength is the mean time until music follows an advertisement.
	advertisementLength = 20 * time.Second
	// resumeShare is the fraction of the pauses after which the user plays on. The longer a pause
	// has lasted, the longer it is expected to last: half of these users resume within the time
	// that the pause has lasted, plus resumeAfter.
	resumeShare = 0.7
	resumeAfter = 60 * time.Second
	// startAfter is the mean time until a user who plays nothing starts to listen, in an
	// hour of the day with average listening (startWeight 1).
	startAfter = 12 * time.Hour
	// MinGap is the shortest time from any poll of a user to the next poll that is made for
	// viewers.
	MinGap = 15 * time.Second
	// minSaved is the time with a wrong track, in seconds, that a poll must at least save if
	// the user has one viewer, whose share is unused.
	minSaved = 0.2
)

// Risk is the probability that viewers see a wrong track of a user, as a function of the time
// since the user's last poll. A track also counts as wrong if the user has stopped playing but
// viewers see one, and if the user has begun but viewers see none.
type Risk struct {
	// share is the probability that the change, after which viewers see a wrong track, comes at
	// all. All times are in seconds. If mean is 0, the change is a skip: age is the age of the
	// play at the last poll, and until is the age after which nobody skips any more.
	share, age, until float64
	// mean is the average time until the change. But if slowing is set, the change becomes less
	// likely the longer it does not come, and mean is the time within which half of the changes
	// come.
	mean    float64
	slowing bool
}

// RiskOf returns the risk of a user whose last poll has led to the state n. startWeight says how
// likely it is that the user starts to listen at this hour; 1 is the average of all hours.
func RiskOf(n songspy.NowPlaying, startWeight float64) Risk {
	switch {
	case n.Advertisement:
		return Risk{share: 1, mean: advertisementLength.Seconds()}
	case n.State == songspy.PlayerPaused && n.PausedSince != nil:
		return Risk{share: resumeShare, mean: (n.ObservedAt.Sub(*n.PausedSince) + resumeAfter).Seconds(), slowing: true}
	case n.State != songspy.PlayerPlaying:
		return Risk{share: 1, mean: startAfter.Seconds() / max(startWeight, 0.1)}
	case n.EndsAt == nil || n.ProgressMS < 0 || !n.EndsAt.After(n.StartedAt):
		return Risk{share: 1, mean: unknownLength.Seconds()}
	}
	share := min(skipShare*float64(int(1)<<min(n.Skips, 4)), skipShareMax)
	return Risk{share: share, age: max(0, n.ObservedAt.Sub(n.StartedAt).Seconds()), until: skipUntil * n.EndsAt.Sub(n.StartedAt).Seconds()}
}

// Wrong returns the probability that viewers see a wrong track when the given time has passed
// since the last poll.
func (r Risk) Wrong(after time.Duration) float64 {
	t := max(0, after.Seconds())
	switch {
	case r.slowing:
		return r.share * t / (r.mean + t)
	case r.mean > 0:
		return r.share * -math.Expm1(-t/r.mean)
	}
	before := r.leftBefore(r.age)
	return (r.leftBefore(r.age+t) - before) / (1 - before)
}

// leftBefore returns the fraction of the plays that users have skipped by the given age, in
// seconds.
func (r Risk) leftBefore(age float64) float64 { return r.share * math.Sqrt(min(1, age/r.until)) }

// Saved returns how many seconds with a wrong track a poll saves if it comes when the
// time after has passed since the last poll: the product of after and Wrong(after), less
// the seconds with a wrong track that are expected until then. If the Risk after a poll did
// not depend on when the poll was made, polling each user when Saved reaches the same number
// of seconds would leave the least time with a wrong track that as many polls can leave.
func (r Risk) Saved(after time.Duration) float64 {
	return max(0, r.Wrong(after)*after.Seconds()-r.area(max(0, after.Seconds())))
}

// area returns the integral of Wrong from 0 to t seconds: how many seconds with a wrong
// track are expected in that time.
func (r Risk) area(t float64) float64 {
	switch {
	case r.slowing:
		return r.share * (t - r.mean*math.Log1p(t/r.mean))
	case r.mean > 0:
		return r.share * (t + r.mean*math.Expm1(-t/r.mean))
	}
	left := func(age float64) float64 { // the integral of leftBefore from 0 to age
		early := min(age, r.until)
		return r.share * (2*early*math.Sqrt(early/r.until)/3 + age - early)
	}
	before := r.leftBefore(r.age)
	return (left(r.age+t) - left(r.age) - before*t) / (1 - before)
}

// NextPoll returns how long after the last poll another poll for viewers is worth a call. The
// parameter weight is how much the viewers count together (Allowance.Weight). The parameter
// planned is how long after the last poll a poll comes in any case, without viewers. If the result
// worth is true, the result wait is at least MinGap and less than planned, by at least a second
// unless it is MinGap. worth is false if no such poll is worth a call.
func (r Risk) NextPoll(weight float64, planned time.Duration) (wait time.Duration, worth bool) {
	isWorth := func(d time.Duration) bool { return weight*r.Saved(d) >= minSaved }
	low, high := MinGap, planned
	if low >= high || !isWorth(high) {
		return 0, false
	}
	if isWorth(low) {
		return low, true
	}
	for high-low > 100*time.Millisecond {
		if middle := (low + high) / 2; isWorth(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, high < planned-time.Second
}
