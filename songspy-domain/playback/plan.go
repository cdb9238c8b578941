package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// PollReason is why a poll is made. Metrics count polls by it.
type PollReason string

// The reasons of polls.
const (
	PollInterval      PollReason = "interval"      // at least once per interval
	PollTrackEnd      PollReason = "track_end"     // the track should be over
	PollMidTrack      PollReason = "mid_track"     // a long track may be skipped
	PollSkipping      PollReason = "skipping"      // skips come in runs
	PollIdleCheck     PollReason = "idle_check"    // a single idle answer may be false
	PollQuota         PollReason = "quota"         // the quota allows no poll per interval
	PollProof         PollReason = "proof"         // history will not list the track
	PollAdvertisement PollReason = "advertisement" // music follows soon
	PollDoubtful      PollReason = "doubtful"      // the answer showed an impossible progress
)

// When to poll earlier than once per interval.
const (
	// nextTrackDelay is how long after the predicted end the next track is visible.
	nextTrackDelay = 1500 * time.Millisecond
	// recheckAfter is when an advertisement or an idle answer is checked again.
	recheckAfter = 30 * time.Second
	// skipWindow is the time from a track's start in which most skips happen.
	skipWindow = 45 * time.Second
	// midTrackTooLate is how long a mid-track poll may wait before skips are found too
	// late. If the interval allows a longer wait, an earlier poll is worth its call.
	midTrackTooLate = 105 * time.Second
	// proofMargin is the time between the moment at which enough was played and the
	// poll that proves it.
	proofMargin = time.Second
	// pollGapMin keeps two polls apart when a track ends a little later than predicted.
	pollGapMin = 3 * time.Second
	// extraPollTenths is how many polls a play may cost beyond one per interval, in
	// tenths of a poll.
	extraPollTenths = 27
	// proofPollsMax is how many polls of a play may prove that it counts.
	proofPollsMax = 2
	// doubtPollsMax is how many polls check a doubtful answer.
	doubtPollsMax = 2
)

// Poll is one planned poll.
type Poll struct {
	At     time.Time
	Reason PollReason
}

// NextPoll returns when to poll a user next, and why, after a poll at now. The next
// poll comes at most one interval later. phase is the user's fixed place in the
// interval (songspy.PhaseOf). A user without a reason to be polled earlier moves back
// to the phase by up to a quarter of the interval each time, so that users stay spread.
func NextPoll(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	return preferredPoll(n, last, now, phase, interval).afforded(n, now, interval)
}

// NextPollWithProof is NextPoll for accounts whose history does not list partial
// plays. Its polls prove that a play counts, and find the track after a skipped
// one.
func NextPollWithProof(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	return preferredPoll(n, last, now, phase, interval).withProof(n, last, now, interval).afforded(n, now, interval)
}

// afforded delays the poll if the play has used its extra polls.
func (l Poll) afforded(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	if at := affordableAt(n, interval); l.At.Before(at) {
		return Poll{instant.Earlier(at, now.Add(interval)), PollInterval}
	}
	return l
}

// affordableAt returns the time before which a user is polled once per interval
// only, because the open play or advertisement break has used its extra polls.
func affordableAt(n songspy.NowPlaying, interval time.Duration) time.Time {
	if n.Polls == 0 {
		return time.Time{}
	}
	return n.OpenedAt.Add(time.Duration(n.Polls)*interval - interval*extraPollTenths/10)
}

// preferredPoll is NextPoll without the limit of affordableAt.
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

// doubtCheckAt returns when to check a doubtful answer: at once, and when it is
// old enough to be believed.
func doubtCheckAt(since, now time.Time, interval time.Duration) time.Time {
	soon := min(pollGapMin, interval)
	at := since.Add(soon)
	if !at.After(now) {
		at = since.Add(doubtConfirmAfter)
	}
	return instant.Clamp(at, now.Add(soon), now.Add(interval))
}

// pollWhilePlaying returns when to poll while a track plays: just after its end,
// and earlier where users are likely to have skipped it. A track longer than the
// interval needs a poll in between, late enough that the end lies within the next
// interval.
func pollWhilePlaying(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	early, most := min(recheckAfter, interval/6), min(skipWindow, interval/4)
	least := pollGapMin
	if n.DurationMS < early.Milliseconds() {
		least = early // a run of very short tracks is not worth more
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
	if missing := songspy.MinListenedMS(n.DurationMS) - n.ListenedMS; songspy.IsNeverListed(n.TrackURI) && missing > 0 && n.Polls <= proofPollsMax {
		if proof := max(instant.Milliseconds(missing)+proofMargin, min(least, interval)); proof < wait {
			wait, reason = proof, PollProof
		}
	}
	return Poll{now.Add(wait), reason}
}

// When to poll where history lists whole plays only.
const (
	// skippingPollGap is how far apart polls are in a track that followed a skip:
	// skips come in runs, and history does not list them.
	skippingPollGap = 75 * time.Second
	// lateTrackShare is the part of a track after which polls for skips find too
	// little.
	lateTrackShare = 0.5
	// midTrackAfter is the part of a long track's rest after which its mid-track
	// poll comes.
	midTrackAfter = 0.45
	// midTrackProofMax bounds how long a proof waits so that the track's end lies
	// within the next interval and no mid-track poll is needed.
	midTrackProofMax = 20 * time.Second
)

// withProof returns the poll for an account whose history does not list partial plays.
// While too little of the open play is proven, the poll comes as soon as enough was
// played.
func (l Poll) withProof(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, interval time.Duration) Poll {
	missing := instant.Milliseconds(songspy.MinListenedMS(n.DurationMS) - n.ListenedMS)
	proof := max(missing+proofMargin, min(pollGapMin, interval))
	if l.Reason == PollInterval && last == songspy.ObservedPlaying && n.State == songspy.PlayerPlaying && n.ProgressMS < 0 &&
		missing > 0 && n.Polls <= proofPollsMax && now.Add(proof).Before(l.At) {
		return Poll{now.Add(proof), PollProof}
	}
	switch l.Reason {
	case PollTrackEnd, PollMidTrack, PollSkipping:
	default:
		return l
	}
	if n.ProgressMS < 0 || songspy.IsNeverListed(n.TrackURI) {
		return l
	}
	wait, reason := max(n.EndsAt.Add(nextTrackDelay).Sub(now), min(pollGapMin, interval)), PollTrackEnd
	must := wait - interval
	if must > 0 {
		wait, reason = min(max(part(midTrackAfter, wait), must), interval), PollMidTrack
	}
	late := part(lateTrackShare, instant.Milliseconds(n.DurationMS))
	if again := min(skippingPollGap, interval*5/12); n.Skips > 0 && now.Sub(n.StartedAt) < late && again < wait {
		wait, reason = again, PollSkipping
	}
	if missing > 0 {
		if must <= min(midTrackProofMax, interval/9) {
			proof = max(proof, must)
		}
		if proof < wait && now.Add(proof).Before(*n.EndsAt) {
			wait, reason = proof, PollProof
		}
	}
	return Poll{now.Add(wait), reason}
}

// part returns a part of a duration.
func part(of float64, d time.Duration) time.Duration { return time.Duration(of * float64(d)) }

// FirstPoll returns a user's first poll after a start, when only the stored state is
// known: at the predicted end if that comes before the user's phase, otherwise at the
// phase.
func FirstPoll(n songspy.NowPlaying, now time.Time, phase, interval time.Duration) Poll {
	phaseAt := nextPhaseAt(now, phase, interval)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && n.EndsAt.After(now) {
		if end := n.EndsAt.Add(nextTrackDelay); end.Before(phaseAt) {
			return Poll{end, PollTrackEnd}
		}
	}
	return Poll{phaseAt, PollInterval}
}

// intervalPollAt returns the user's phase if it lies in the last quarter of the
// interval. Otherwise it returns a time three quarters of an interval from now,
// which brings the phase nearer.
func intervalPollAt(now time.Time, phase, interval time.Duration) time.Time {
	most := interval * 3 / 4
	if phaseAt := nextPhaseAt(now, phase, interval); phaseAt.Sub(now) >= most {
		return phaseAt
	}
	return now.Add(most)
}

// nextPhaseAt returns the first time after now at the phase.
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

// IdleWaitMax is the longest time between two polls of an idle user, however
// small the quota is.
const IdleWaitMax = 30 * time.Minute

// trackEndShare is the approximate fraction of a listening user's polls that come
// at track ends. The rest are mid-track.
const trackEndShare = 0.5

// HourlyListening counts how often a user was observed listening in each hour of
// the day (UTC). Only planning uses it.
type HourlyListening [24]uint8

// Record counts the user as listening now. Older counts fade.
func (h *HourlyListening) Record(now time.Time) {
	hour := &h[now.UTC().Hour()]
	if *hour == 255 {
		for i := range h {
			h[i] /= 2
		}
	}
	*hour++
}

// listeningSeenMin is how many observations make the counts usable.
const listeningSeenMin = 20

// Weight returns how much more a poll is worth at this hour than at an average
// one: 1 on average, at least 1/2, and 1 while little is known.
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

// SlowDownIdle delays the poll of an idle user to what the quota allows: wait,
// divided by the weight of the hour. Users who play or have just paused are
// polled as usual.
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

// SpreadPoll returns a time for a poll that is planned at the given time: the one that
// is farthest from the other polls, and earlier or later by no more than the given
// duration. So the polls of an account with few users do not come together.
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

// ThinOut delays the poll of a listening user if the quota allows only the part
// keep of these polls. Mid-track polls go first: chance, from 0 to 1, decides
// which stay. Then polls at track ends go: two polls are mean ÷ keep apart,
// where mean is the usual time between two polls of listening users. History
// fills in the rest.
//
// Polls that prove a play that history never lists stay, and so do those that
// check whether a session is over. The proof of a track that history can list
// counts as a mid-track poll.
func (l Poll) ThinOut(n songspy.NowPlaying, now time.Time, keep, chance float64, mean time.Duration) Poll {
	if keep >= 1 || !n.IsOpen() || l.Reason == PollProof && songspy.IsNeverListed(n.TrackURI) || l.Reason == PollIdleCheck || l.Reason == PollDoubtful {
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
