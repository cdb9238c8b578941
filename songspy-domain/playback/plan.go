package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Reason is why a look is made; metrics are counted by it.
type PollReason string

// The reasons.
const (
	PollInterval      PollReason = "floor"         // the seed's promise: at least once an interval
	PollTrackEnd      PollReason = "end"           // the song is predicted to be over
	PollMidTrack      PollReason = "between"       // a long song may be skipped
	PollSkipping      PollReason = "skips"         // skips come in runs
	PollIdleCheck     PollReason = "silence"       // one silence closes nothing: ask again
	PollQuota         PollReason = "budget"        // the day's calls do not allow the floor
	PollProof         PollReason = "proof"         // of what history never tells, enough must be seen
	PollAdvertisement PollReason = "advertisement" // music comes back soon
	PollDoubtful      PollReason = "doubt"         // another track was shown with a progress that is not its own
)

// When what is worth a look, beyond the floor.
const (
	// afterEnd is how long after the predicted end the next song is in sight.
	nextTrackDelay = 1500 * time.Millisecond
	// soonest is when an advertisement or a silence is looked at again.
	recheckAfter = 30 * time.Second
	// mostSkips is how far into a song most of those who skip it have done so.
	skipWindow = 45 * time.Second
	// tooLate is how far into a song the floor's own look in between finds
	// skips too late: another one is worth its call.
	midTrackTooLate = 105 * time.Second
	// just is how long after something is enough a look finds it so.
	proofMargin = time.Second
	// hardly keeps two looks apart when a song outlives its prediction by a little.
	pollGapMin = 3 * time.Second
	// ahead is how many polls a play may cost beyond one each interval, in tenths.
	extraPollTenths = 27
	// mostProofs is how many polls of a play prove that it counts.
	proofPollsMax = 2
	// mostDoubts is how many polls check a doubtful answer.
	doubtPollsMax = 2
)

// Look is one planned look at one player.
type Poll struct {
	At     time.Time
	Reason PollReason
}

// NextLook says when a listener who was just looked at, at now, is worth the
// next look: never later than one interval, so that any look counts for the
// floor. phase is the listener's fixed place in the interval
// (songspy.PhaseOf); a listener with nothing better to wait for drifts back to
// it, by a quarter of an interval at most, so that no back-off brings everyone
// into step.
func NextPoll(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	next := preferredPoll(n, last, now, phase, interval)
	if at := affordableAt(n, interval); next.At.Before(at) {
		next = Poll{earlier(at, now.Add(interval)), PollInterval}
	}
	return next
}

// affordable is the time before which a listener is worth no more polls than one
// each interval: what a play, or a break of advertisements, has cost ahead of
// that is spent. A play teaches within its first polls, or not at all.
func affordableAt(n songspy.NowPlaying, interval time.Duration) time.Time {
	if n.Polls == 0 {
		return time.Time{}
	}
	return n.OpenedAt.Add(time.Duration(n.Polls)*interval - interval*extraPollTenths/10)
}

// wanted is the next look as NextLook would have it, whatever it costs.
func preferredPoll(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	early := min(recheckAfter, interval/6)
	switch {
	case n.DoubtedAt != nil && n.IsOpen() && last == songspy.ObservedPlaying:
		return Poll{doubtCheckAt(*n.DoubtedAt, now, interval), PollDoubtful}
	case last == songspy.ObservedAdvertisement:
		return Poll{now.Add(early), PollAdvertisement}
	case last == songspy.ObservedIdle && n.IsOpen():
		return Poll{now.Add(early), PollIdleCheck}
	case n.State != songspy.PlayerPlaying || n.EndsAt == nil || n.EndsAt.Add(songspy.EndGrace).Before(now):
		return Poll{intervalPollAt(now, phase, interval), PollInterval}
	}
	return pollWhilePlaying(n, now, interval)
}

// doubtAgain is when a doubtful answer is checked: at once, and when it is to be
// believed.
func doubtCheckAt(since, now time.Time, interval time.Duration) time.Time {
	soon := min(pollGapMin, interval)
	at := since.Add(soon)
	if !at.After(now) {
		at = since.Add(doubtConfirmAfter)
	}
	return clamp(at, now.Add(soon), now.Add(interval))
}

// whilePlaying says when a song is worth the next look: just after its end,
// and before that where somebody who skips it is likely to have done so. A song
// longer than the interval must be looked at in between anyway, late enough
// that its end lies within the next interval.
func pollWhilePlaying(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	early, most := min(recheckAfter, interval/6), min(skipWindow, interval/4)
	least := pollGapMin
	if n.DurationMS < toMillis(early) {
		least = early // a run of tiny tracks is not worth more
	}
	wait, reason := max(n.EndsAt.Add(nextTrackDelay).Sub(now), min(least, interval)), PollTrackEnd
	young := now.Sub(n.StartedAt) < most/2
	if must := wait - interval; must > 0 {
		wait, reason = min(max(most, must), interval), PollMidTrack
		if young && must > min(midTrackTooLate, interval*7/12) {
			wait = most
		}
	}
	if again := most * 2 / 3; n.Skips > 0 && n.ProgressMS >= 0 && now.Sub(n.StartedAt) < again*2 && wait > again {
		wait, reason = again, PollSkipping
	}
	if missing := songspy.MinListenedMS(n.DurationMS) - n.ListenedMS; isNeverListed(n.TrackURI) && missing > 0 && n.Polls <= proofPollsMax {
		if proof := max(fromMillis(missing)+proofMargin, min(least, interval)); proof < wait {
			wait, reason = proof, PollProof
		}
	}
	return Poll{now.Add(wait), reason}
}

// When a track is polled where history lists only whole plays.
const (
	// runs is how far apart polls are in a track that came by a skip, until late
	// in it: skips come in runs, and what was skipped nobody lists.
	skippingPollGap = time.Minute
	// inBetween is how long after the proof the poll in the middle of a track comes.
	midTrackAfter = 75 * time.Second
	// oneIsEnough is how late that poll may have to come to stand for the proof
	// too; in a track that came by a skip, tooLate is.
	midTrackProofMax = 45 * time.Second
	// lateIn is the part of a track after which hardly anybody skips it.
	lateTrackShare = 0.7
)

// Proving is the look where history does not list partial plays. While too
// little of the open play is proven to count, a poll comes once enough has
// sounded; one that the middle of the track needs anyway stands for it.
func (l Poll) WithProof(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	switch l.Reason {
	case PollTrackEnd, PollMidTrack, PollSkipping:
	default:
		return l
	}
	if n.State != songspy.PlayerPlaying || n.EndsAt == nil || n.ProgressMS < 0 || isNeverListed(n.TrackURI) {
		return l
	}
	wait, reason := max(n.EndsAt.Add(nextTrackDelay).Sub(now), min(pollGapMin, interval)), PollTrackEnd
	must := wait - interval
	if must > 0 {
		wait, reason = min(max(min(midTrackAfter, interval*5/12), must), interval), PollMidTrack
	}
	late := time.Duration(lateTrackShare * float64(fromMillis(n.DurationMS)))
	if again := min(skippingPollGap, interval/3); n.Skips > 0 && now.Sub(n.StartedAt) < late && again < wait {
		wait, reason = again, PollSkipping
	}
	if missing := songspy.MinListenedMS(n.DurationMS) - n.ListenedMS; missing > 0 {
		proof := max(fromMillis(missing)+proofMargin, min(pollGapMin, interval))
		if n.Skips == 0 && must <= min(midTrackProofMax, interval/4) || n.Skips > 0 && must <= min(midTrackTooLate, interval*7/12) {
			proof = max(proof, must)
		}
		if proof < wait && now.Add(proof).Before(*n.EndsAt) {
			wait, reason = proof, PollProof
		}
	}
	return Poll{now.Add(wait), reason}
}

// untellable reports whether history never tells of a track: it lists neither
// episodes, nor chapters, nor what lies on the listener's own disk.
func isNeverListed(uri string) bool {
	return isSpeech(uri) || songspy.IsLocal(uri)
}

// FirstLook says when a listener is worth a look to a planner that has just
// started and knows only what is stored: at the predicted end if that is still
// to come within the interval, else at the listener's own slot.
func FirstPoll(n songspy.NowPlaying, now time.Time, phase, interval time.Duration) Poll {
	phaseAt := nextPhaseAt(now, phase, interval)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && n.EndsAt.After(now) {
		if end := n.EndsAt.Add(nextTrackDelay); end.Before(phaseAt) {
			return Poll{end, PollTrackEnd}
		}
	}
	return Poll{phaseAt, PollInterval}
}

// floor is the listener's own slot where that lies in the interval's last
// quarter; else a quarter less than an interval from now, which brings the
// slot nearer.
func intervalPollAt(now time.Time, phase, interval time.Duration) time.Time {
	most := interval * 3 / 4
	if phaseAt := nextPhaseAt(now, phase, interval); phaseAt.Sub(now) >= most {
		return phaseAt
	}
	return now.Add(most)
}

// slotAfter is the first time after now that lies at phase within the interval.
func nextPhaseAt(now time.Time, phase, interval time.Duration) time.Time {
	if interval <= 0 {
		return now
	}
	into := time.Duration(now.UnixNano() % int64(interval))
	wait := phase - into
	if wait <= 0 {
		wait += interval
	}
	return now.Add(wait)
}

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
