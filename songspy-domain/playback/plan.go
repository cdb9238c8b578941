package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// PollReason says why a user is polled at a certain time. Metrics count polls
// by reason.
type PollReason string

// The reasons of the polls that this package plans.
const (
	PollInterval      PollReason = "interval"      // nothing requires an earlier poll, or the play has used up its additional polls
	PollTrackEnd      PollReason = "track_end"     // the track should be over
	PollMidTrack      PollReason = "mid_track"     // the track is longer than the interval, and may have been skipped
	PollSkipping      PollReason = "skipping"      // the user skipped the previous track, so another skip is likely
	PollIdleCheck     PollReason = "idle_check"    // a single idle answer may be false
	PollQuota         PollReason = "quota"         // the quota of calls does not allow a poll in each interval
	PollProof         PollReason = "proof"         // proves that the play is long enough to count, because history may not list it
	PollAdvertisement PollReason = "advertisement" // the last answer showed an advertisement, after which music plays soon
	PollDoubtful      PollReason = "doubtful"      // the last answer showed an impossible progress
)

// These times decide when a user is polled earlier than the regular interval
// requires.
const (
	// nextTrackDelay is how long after the predicted end of a track the next track
	// surely has begun, so that a poll shows it.
	nextTrackDelay = 1500 * time.Millisecond
	// recheckAfter is how long after an advertisement, or an idle answer while a
	// play is open, the user is polled again.
	recheckAfter = 30 * time.Second
	// skipWindow is how long after the start of a track users skip it most
	// often.
	skipWindow = 45 * time.Second
	// midTrackTooLate is the longest wait for a mid-track poll that still finds
	// skipped tracks early enough. If a track has just begun and the interval requires
	// the mid-track poll only later than that, another poll is made before it.
	midTrackTooLate = 105 * time.Second
	// proofMargin is the time from the moment at which a play is long enough to count
	// until the poll that proves it.
	proofMargin = time.Second
	// pollGapMin is the shortest planned time between two polls of a user. It
	// applies, for example, while a track goes on after its predicted end.
	pollGapMin = 3 * time.Second
	// extraPollTenths is how many polls, in tenths, one play may cost in
	// addition to one poll per interval.
	extraPollTenths = 27
	// proofPollsMax limits the polls that prove that a play is long enough to count: such a
	// poll is planned only if the play has cost at most proofPollsMax polls so far. The limit
	// applies only to plays that history never lists, and to plays without progress.
	proofPollsMax = 2
	// doubtPollsMax is how many polls check one doubtful answer (an impossible
	// progress).
	doubtPollsMax = 2
)

// Poll is one planned poll.
type Poll struct {
	At     time.Time
	Reason PollReason
}

// NextPoll returns when to poll a user next, and why, after a poll at now. The
// argument n is the state after that poll, and last is the kind of its observation.
// The next poll comes at most one interval later. The argument phase is the user's
// own offset within the interval (songspy.PhaseOf). It spreads the polls of all users
// over the interval. A poll that came early, for example at the end of a track, moves the
// user off the offset. If nothing requires an earlier poll, the next polls come at most a
// quarter of the interval early, until they fall on the offset again.
func NextPoll(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	return preferredPoll(n, last, now, phase, interval).afforded(n, now, interval)
}

// NextPollWithProof is NextPoll for users whose history is not known to list
// partial plays, which ended before their track did. Polls must then prove that
// a play is long enough to count, and find the tracks after a skipped one.
func NextPollWithProof(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll {
	return preferredPoll(n, last, now, phase, interval).withProof(n, last, now, interval).afforded(n, now, interval)
}

// afforded delays the poll if the current play has already used all polls that
// it may cost beyond one per interval.
func (p Poll) afforded(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	if at := affordableAt(n, interval); p.At.Before(at) {
		return Poll{instant.Earlier(at, now.Add(interval)), PollInterval}
	}
	return p
}

// affordableAt returns the time until which a user is polled only once per
// interval, because the open (unfinished) play or advertisement break has used
// all polls that it may cost beyond that.
func affordableAt(n songspy.NowPlaying, interval time.Duration) time.Time {
	if n.Polls == 0 {
		return time.Time{}
	}
	return n.OpenedAt.Add(time.Duration(n.Polls)*interval - interval*extraPollTenths/10)
}

// preferredPoll returns the poll that NextPoll would plan if the number of polls of
// one play were not limited.
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

// doubtCheckAt returns when to poll again after doubtful answers (an impossible
// progress). The argument since is the time of the first of them. There is one poll
// pollGapMin after it, and one doubtConfirmAfter after it, when a doubtful answer would
// be believed.
func doubtCheckAt(since, now time.Time, interval time.Duration) time.Time {
	soon := min(pollGapMin, interval)
	at := since.Add(soon)
	if !at.After(now) {
		at = since.Add(doubtConfirmAfter)
	}
	return instant.Clamp(at, now.Add(soon), now.Add(interval))
}

// pollWhilePlaying returns when to poll a user while a track plays: just after
// its predicted end, and earlier when users are likely to have skipped it. A
// track longer than the interval needs a poll in between, late enough that the
// next interval contains the track's end.
func pollWhilePlaying(n songspy.NowPlaying, now time.Time, interval time.Duration) Poll {
	early, most := min(recheckAfter, interval/6), min(skipWindow, interval/4)
	least := pollGapMin
	if n.DurationMS < early.Milliseconds() {
		least = early // a run of very short tracks is not worth more polls
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

// These values decide when a user is polled whose history at Spotify is not known
// to list partial plays (NextPollWithProof).
const (
	// skippingPollGap is the time between polls of a track that began after a
	// skip. The user is likely to skip again, and history does not list skipped
	// tracks.
	skippingPollGap = 75 * time.Second
	// lateTrackShare is the fraction of a track's length after which users rarely
	// skip the track, so that polls to find skips are not worth their calls.
	lateTrackShare = 0.5
	// midTrackAfter is the fraction of a long track's remaining time after which the
	// mid-track poll is made.
	midTrackAfter = 0.45
	// midTrackProofMax is the longest wait to which the poll that proves a play is
	// delayed, so that the track's end comes at most one interval after it. Then no
	// other mid-track poll is needed. If the wait would be longer, the poll is not
	// delayed.
	midTrackProofMax = 20 * time.Second
)

// withProof changes a planned poll as NextPollWithProof needs it. Until polls
// prove that the open play counts, the next poll is made when the play has
// lasted long enough to count.
func (p Poll) withProof(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, interval time.Duration) Poll {
	missing := instant.Milliseconds(songspy.MinListenedMS(n.DurationMS) - n.ListenedMS)
	proof := max(missing+proofMargin, min(pollGapMin, interval))
	if p.Reason == PollInterval && last == songspy.ObservedPlaying && n.State == songspy.PlayerPlaying && n.ProgressMS < 0 &&
		missing > 0 && n.Polls <= proofPollsMax && now.Add(proof).Before(p.At) {
		return Poll{now.Add(proof), PollProof}
	}
	switch p.Reason {
	case PollTrackEnd, PollMidTrack, PollSkipping:
	default:
		return p
	}
	if n.ProgressMS < 0 || songspy.IsNeverListed(n.TrackURI) {
		return p
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

// part returns d multiplied by a fraction (the parameter of).
func part(of float64, d time.Duration) time.Duration { return time.Duration(of * float64(d)) }

// FirstPoll returns when to poll a user first after the process has started.
// Only the stored state is known then. The poll is made nextTrackDelay after the
// predicted end of the current play, or at the user's phase (own time within the
// interval) if that is earlier.
func FirstPoll(n songspy.NowPlaying, now time.Time, phase, interval time.Duration) Poll {
	phaseAt := nextPhaseAt(now, phase, interval)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && n.EndsAt.After(now) {
		if end := n.EndsAt.Add(nextTrackDelay); end.Before(phaseAt) {
			return Poll{end, PollTrackEnd}
		}
	}
	return Poll{phaseAt, PollInterval}
}

// intervalPollAt returns when a user is polled if nothing requires an earlier
// poll: at the user's phase (own time within the interval), if that lies in the
// last quarter of the interval that begins now. Otherwise it is three quarters
// of an interval from now, so that later polls come nearer to the phase.
func intervalPollAt(now time.Time, phase, interval time.Duration) time.Time {
	most := interval * 3 / 4
	if phaseAt := nextPhaseAt(now, phase, interval); phaseAt.Sub(now) >= most {
		return phaseAt
	}
	return now.Add(most)
}

// nextPhaseAt returns the next time after now that is at the given phase
// (offset) of an interval. The first interval begins at the Unix epoch.
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

// IdleWaitMax is the longest time between two polls of a user who plays
// nothing, however small the quota of calls is.
const IdleWaitMax = 30 * time.Minute

// trackEndShare is the approximate fraction of a listening user's polls that come
// at track ends. The other polls are mid-track polls.
const trackEndShare = 0.5

// HourlyListening counts how often a user was observed listening in each hour
// of the day (UTC). It is only used to plan polls.
type HourlyListening [24]uint8

// Record counts one observation that the user is listening now. Before a count
// would exceed 255, it halves all counts, so that old observations weigh less.
func (h *HourlyListening) Record(now time.Time) {
	hour := &h[now.UTC().Hour()]
	if *hour == 255 {
		for i := range h {
			h[i] /= 2
		}
	}
	*hour++
}

// listeningSeenMin is how many observations HourlyListening needs before its
// counts are used.
const listeningSeenMin = 20

// Weight returns how many times as much a poll at this hour is worth as one at an
// average hour: 1 on average over the day, and at least 1/2. It returns 1 if there
// are fewer than listeningSeenMin observations.
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

// SlowDownIdle delays the poll of a user who plays nothing, as the quota of calls
// requires. The poll comes wait ÷ weight from now, and at most IdleWaitMax from now. If
// wait or that time is at most interval, the poll stays unchanged. The argument wait is
// the time between two polls of an idle user, and weight says how likely it is that the
// user listens at this hour (HourlyListening.Weight). Polls for other reasons than
// PollInterval, and polls of a paused user, are not delayed.
func (p Poll) SlowDownIdle(n songspy.NowPlaying, now time.Time, interval, wait time.Duration, weight float64) Poll {
	if p.Reason != PollInterval || n.State == songspy.PlayerPaused || wait <= interval {
		return p
	}
	wait = min(time.Duration(float64(wait)/weight), IdleWaitMax)
	if wait <= interval {
		return p
	}
	return Poll{now.Add(wait), PollQuota}
}

// SpreadPoll moves a poll from the time at to the time that is farthest from the
// other polls, earlier or later by at most the duration within. So the polls of a
// Spotify developer account with few users are not made all at the same time.
func SpreadPoll(at time.Time, within time.Duration, others []time.Time) time.Time {
	const steps = 6
	best, most := at, time.Duration(-1)
	for i := range 2*steps + 1 {
		// Try the planned time first, then times farther and farther from it:
		// 0, 1, -1, 2, -2 …
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

// ThinOut delays the poll of a user who is listening if the quota of calls allows
// only a fraction of such polls. The argument keep is that fraction, above 0; 1 means that
// all polls are made. Mid-track polls are postponed to the end of the track first; chance, a random
// number from 0 to 1, decides which of them are still made. If keep is below
// trackEndShare, that is not enough. Then the next poll comes at least mean ÷ keep (but at
// most IdleWaitMax) from now, where mean is the usual time between two polls of listening
// users. Spotify's history adds the plays that are missed.
//
// Polls are always made if they prove a play that history never lists, or check
// an idle or a doubtful answer. A poll that proves a play that history can list
// counts as a mid-track poll.
func (p Poll) ThinOut(n songspy.NowPlaying, now time.Time, keep, chance float64, mean time.Duration) Poll {
	if keep >= 1 || !n.IsOpen() || p.Reason == PollProof && songspy.IsNeverListed(n.TrackURI) || p.Reason == PollIdleCheck || p.Reason == PollDoubtful {
		return p
	}
	midTrack := p.Reason == PollMidTrack || p.Reason == PollSkipping || p.Reason == PollProof
	if midTrack && n.EndsAt != nil && chance >= (keep-trackEndShare)/(1-trackEndShare) {
		if end := n.EndsAt.Add(nextTrackDelay); end.After(p.At) {
			p = Poll{end, PollTrackEnd}
		}
	}
	if keep >= trackEndShare {
		return p
	}
	if apart := now.Add(min(time.Duration(float64(mean)/keep), IdleWaitMax)); p.At.Before(apart) {
		return Poll{apart, PollQuota}
	}
	return p
}
