package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// LongestWait is how long an idle person waits for the next look at most,
// however little the quota leaves.
const IdleWaitMax = 30 * time.Minute

// endShare is about which part of the polls of a listening user are those at
// the ends of tracks; the others are mid-track.
const trackEndShare = 0.5

// Habit is how often somebody has been seen listening in each hour of the day
// (UTC). It is for planning alone.
type HourlyListening [24]uint8

// Listened notes that the person listens now. The past fades.
func (h *HourlyListening) Record(now time.Time) {
	hour := &h[now.UTC().Hour()]
	if *hour == 255 {
		for i := range h {
			h[i] /= 2
		}
	}
	*hour++
}

// enoughSeen is how many sightings tell a habit.
const listeningSeenMin = 20

// Weight is how much more than at a usual hour of the day a look is worth at
// this one: 1 on the average of a day, at least 1/2, and 1 throughout for
// somebody of whom little is known.
func (h *HourlyListening) Weight(now time.Time) float64 {
	if h == nil {
		return 1
	}
	all := 0
	for _, n := range h {
		all += int(n)
	}
	if all < listeningSeenMin {
		return 1
	}
	hour := now.UTC().Hour()
	near := int(h[(hour+23)%24]) + 2*int(h[hour]) + int(h[(hour+1)%24])
	return 0.5 + 0.5*24*float64(near)/float64(4*all)
}

// Sparing is the look with the budget heeded: somebody who is idle waits for
// the given time instead of the interval, divided by the weight of the hour.
// Whoever plays or has just paused is looked at as if there were no budget.
func (l Poll) SlowDownIdle(n songspy.NowPlaying, now time.Time, interval, wait time.Duration, weight float64) Poll {
	if l.Reason != PollInterval || n.State == songspy.PlayerPaused || wait <= interval {
		return l
	}
	wait = min(time.Duration(float64(wait)/weight), IdleWaitMax)
	if wait <= interval {
		return l
	}
	return Poll{now.Add(wait), PollQuota}
}

// Placed is when a poll that is planned for at is made: within that time of at,
// where it is farthest from the others. Few users of one account are so polled
// one after another, not together.
func SpreadPoll(at time.Time, within time.Duration, others []time.Time) time.Time {
	const steps = 6
	best, most := at, time.Duration(-1)
	for i := range 2*steps + 1 {
		// From the middle outwards: 0, 1, -1, 2, -2 …
		step := time.Duration((i + 1) / 2)
		if i%2 == 0 {
			step = -step
		}
		candidate := at.Add(step * within / steps)
		nearest := within
		for _, other := range others {
			nearest = min(nearest, candidate.Sub(other).Abs())
		}
		if nearest > most {
			best, most = candidate, nearest
		}
	}
	return best
}

// Thinned is the poll of a user who is listening where the quota allows only the
// part keep of the polls that are worth a call. Mid-track polls go first: chance,
// from 0 to 1, decides which of them stay. Then polls at the ends of tracks go:
// two polls are mean ÷ keep apart, where mean is the usual time between two polls
// of listening users. History fills in what is not seen.
//
// Polls that prove a play that history never lists stay, and so do those that
// find out whether a session is over. A proof of a track that history can list is
// a mid-track poll.
func (l Poll) ThinOut(n songspy.NowPlaying, now time.Time, keep, chance float64, mean time.Duration) Poll {
	if keep >= 1 || !n.IsOpen() || l.Reason == PollProof && isNeverListed(n.TrackURI) || l.Reason == PollIdleCheck || l.Reason == PollDoubtful {
		return l
	}
	midTrack := l.Reason == PollMidTrack || l.Reason == PollSkipping || l.Reason == PollProof
	if midTrack && n.EndsAt != nil && chance >= (keep-trackEndShare)/(1-trackEndShare) {
		if end := n.EndsAt.Add(nextTrackDelay); end.After(l.At) {
			l = Poll{end, PollTrackEnd}
		}
	}
	if keep >= trackEndShare {
		return l
	}
	if apart := now.Add(min(time.Duration(float64(mean)/keep), IdleWaitMax)); l.At.Before(apart) {
		return Poll{apart, PollQuota}
	}
	return l
}
