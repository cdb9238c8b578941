package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// LongestWait is how long an idle person waits for the next look at most,
// however little a day's budget leaves.
const LongestWait = 30 * time.Minute

// reserve is the part of what is left of a day that is not planned with: what
// listeners will need is an estimate.
const reserve = 0.02

// Budget is what an app may still spend in a day, at one moment. The zero
// Budget bounds nothing.
type Budget struct {
	// Left is how many calls the day still allows, and Rest how long it lasts.
	Left int64
	Rest time.Duration
	// Listening is how many of them those who listen are expected to need.
	Listening float64
	// Idle is how many people are to share the others.
	Idle int
}

// Wait is how long an idle person waits for the next look: as long as it takes
// for all of them to have one each out of what listeners leave over, evenly
// until the day ends. It is at least the interval and at most LongestWait.
func (b Budget) Wait(interval time.Duration) time.Duration {
	if b.Rest <= 0 {
		return interval
	}
	over := float64(b.Left)*(1-reserve) - b.Listening
	if over < 1 {
		return max(interval, LongestWait)
	}
	wait := float64(b.Rest) * float64(max(b.Idle, 1)) / over
	return max(interval, time.Duration(min(wait, float64(LongestWait))))
}

// Habit is how often somebody has been seen listening in each hour of the day
// (UTC). It is for planning alone.
type Habit [24]uint8

// Listened notes that the person listens now. The past fades.
func (h *Habit) Listened(now time.Time) {
	hour := &h[now.UTC().Hour()]
	if *hour == 255 {
		for i := range h {
			h[i] /= 2
		}
	}
	*hour++
}

// enoughSeen is how many sightings tell a habit.
const enoughSeen = 20

// Weight is how much more than at a usual hour of the day a look is worth at
// this one: 1 on the average of a day, at least 1/2, and 1 throughout for
// somebody of whom little is known.
func (h *Habit) Weight(now time.Time) float64 {
	if h == nil {
		return 1
	}
	all := 0
	for _, n := range h {
		all += int(n)
	}
	if all < enoughSeen {
		return 1
	}
	hour := now.UTC().Hour()
	near := int(h[(hour+23)%24]) + 2*int(h[hour]) + int(h[(hour+1)%24])
	return 0.5 + 0.5*24*float64(near)/float64(4*all)
}

// Sparing is the look with the budget heeded: somebody who is idle waits for
// the given time instead of the interval, divided by the weight of the hour.
// Whoever plays or has just paused is looked at as if there were no budget.
func (l Look) Sparing(n songspy.NowPlaying, now time.Time, interval, wait time.Duration, weight float64) Look {
	if l.Reason != ReasonFloor || n.State == songspy.PlayerPaused || wait <= interval {
		return l
	}
	wait = min(time.Duration(float64(wait)/weight), LongestWait)
	if wait <= interval {
		return l
	}
	return Look{now.Add(wait), ReasonBudget}
}
