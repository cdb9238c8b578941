package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Reason is why a look is made; metrics are counted by it.
type Reason string

// The reasons.
const (
	ReasonFloor         Reason = "floor"         // the seed's promise: at least once an interval
	ReasonEnd           Reason = "end"           // the song is predicted to be over
	ReasonBetween       Reason = "between"       // a long song may be skipped
	ReasonSkips         Reason = "skips"         // skips come in runs
	ReasonSilence       Reason = "silence"       // one silence closes nothing: ask again
	ReasonBudget        Reason = "budget"        // the day's calls do not allow the floor
	ReasonProof         Reason = "proof"         // of what history never tells, enough must be seen
	ReasonAdvertisement Reason = "advertisement" // music comes back soon
	ReasonDoubt         Reason = "doubt"         // another track was shown with a progress that is not its own
)

// When what is worth a look, beyond the floor.
const (
	// afterEnd is how long after the predicted end the next song is in sight.
	afterEnd = 1500 * time.Millisecond
	// soonest is when an advertisement or a silence is looked at again.
	soonest = 30 * time.Second
	// mostSkips is how far into a song most of those who skip it have done so.
	mostSkips = 45 * time.Second
	// tooLate is how far into a song the floor's own look in between finds
	// skips too late: another one is worth its call.
	tooLate = 105 * time.Second
	// just is how long after something is enough a look finds it so.
	just = time.Second
	// hardly keeps two looks apart when a song outlives its prediction by a little.
	hardly = 3 * time.Second
	// ahead is how many polls a play may cost beyond one each interval, in tenths.
	ahead = 27
	// mostProofs is how many polls of a play prove that it counts.
	mostProofs = 2
	// mostDoubts is how many polls check a doubtful answer.
	mostDoubts = 2
)

// Look is one planned look at one player.
type Look struct {
	At     time.Time
	Reason Reason
}

// NextLook says when a listener who was just looked at, at now, is worth the
// next look: never later than one interval, so that any look counts for the
// floor. phase is the listener's fixed place in the interval
// (songspy.PhaseOf); a listener with nothing better to wait for drifts back to
// it, by a quarter of an interval at most, so that no back-off brings everyone
// into step.
func NextLook(n songspy.NowPlaying, last songspy.Sighting, now time.Time, phase, interval time.Duration) Look {
	return wanted(n, last, now, phase, interval).afforded(n, now, interval)
}

// NextLookProving is NextLook where history does not list partial plays. Polls
// prove that a play counts, and find the track that came after a skipped one.
func NextLookProving(n songspy.NowPlaying, last songspy.Sighting, now time.Time, phase, interval time.Duration) Look {
	return wanted(n, last, now, phase, interval).proving(n, last, now, interval).afforded(n, now, interval)
}

// afforded is the poll, put off to when the listener is worth it.
func (l Look) afforded(n songspy.NowPlaying, now time.Time, interval time.Duration) Look {
	if at := affordable(n, interval); l.At.Before(at) {
		return Look{earlier(at, now.Add(interval)), ReasonFloor}
	}
	return l
}

// affordable is the time before which a listener is worth no more polls than one
// each interval: what a play, or a break of advertisements, has cost ahead of
// that is spent. A play teaches within its first polls, or not at all.
func affordable(n songspy.NowPlaying, interval time.Duration) time.Time {
	if n.Polls == 0 {
		return time.Time{}
	}
	return n.OpenedAt.Add(time.Duration(n.Polls)*interval - interval*ahead/10)
}

// wanted is the next look as NextLook would have it, whatever it costs.
func wanted(n songspy.NowPlaying, last songspy.Sighting, now time.Time, phase, interval time.Duration) Look {
	early := min(soonest, interval/6)
	switch {
	case n.DoubtedAt != nil && n.Open() && last == songspy.SightingPlaying:
		return Look{doubtAgain(*n.DoubtedAt, now, interval), ReasonDoubt}
	case last == songspy.SightingAdvertisement:
		return Look{now.Add(early), ReasonAdvertisement}
	case last == songspy.SightingNothing && n.Open():
		return Look{now.Add(early), ReasonSilence}
	case n.State != songspy.PlayerPlaying || n.EndsAt == nil || n.EndsAt.Add(songspy.EndGrace).Before(now):
		return Look{floor(now, phase, interval), ReasonFloor}
	}
	return whilePlaying(n, now, interval)
}

// doubtAgain is when a doubtful answer is checked: at once, and when it is to be
// believed.
func doubtAgain(since, now time.Time, interval time.Duration) time.Time {
	soon := min(hardly, interval)
	at := since.Add(soon)
	if !at.After(now) {
		at = since.Add(confirms)
	}
	return clamp(at, now.Add(soon), now.Add(interval))
}

// whilePlaying says when a song is worth the next look: just after its end,
// and before that where somebody who skips it is likely to have done so. A song
// longer than the interval must be looked at in between anyway, late enough
// that its end lies within the next interval.
func whilePlaying(n songspy.NowPlaying, now time.Time, interval time.Duration) Look {
	early, most := min(soonest, interval/6), min(mostSkips, interval/4)
	least := hardly
	if n.DurationMS < ms(early) {
		least = early // a run of tiny tracks is not worth more
	}
	wait, reason := max(n.EndsAt.Add(afterEnd).Sub(now), min(least, interval)), ReasonEnd
	young := now.Sub(n.StartedAt) < most/2
	if must := wait - interval; must > 0 {
		wait, reason = min(max(most, must), interval), ReasonBetween
		if young && must > min(tooLate, interval*7/12) {
			wait = most
		}
	}
	if again := most * 2 / 3; n.Skips > 0 && n.ProgressMS >= 0 && now.Sub(n.StartedAt) < again*2 && wait > again {
		wait, reason = again, ReasonSkips
	}
	if missing := songspy.Enough(n.DurationMS) - n.ListenedMS; untellable(n.TrackURI) && missing > 0 && n.Polls <= mostProofs {
		if proof := max(milliseconds(missing)+just, min(least, interval)); proof < wait {
			wait, reason = proof, ReasonProof
		}
	}
	return Look{now.Add(wait), reason}
}

// When a track is polled where history lists only whole plays.
const (
	// runs is how far apart polls are in a track that came by a skip: skips come
	// in runs, and what was skipped nobody lists.
	runs = 75 * time.Second
	// lateIn is the part of a track after which such polls find too little.
	lateIn = 0.5
	// inBetween is after which part of the rest of a track the poll comes that a
	// long one needs.
	inBetween = 0.45
	// oneIsEnough is how late the proof may come where the end then lies within
	// the next interval.
	oneIsEnough = 20 * time.Second
)

// proving is the poll where history does not list partial plays. While too
// little of the open play is proven to count, one comes once enough has sounded.
func (l Look) proving(n songspy.NowPlaying, last songspy.Sighting, now time.Time, interval time.Duration) Look {
	missing := milliseconds(songspy.Enough(n.DurationMS) - n.ListenedMS)
	proof := max(missing+just, min(hardly, interval))
	if l.Reason == ReasonFloor && last == songspy.SightingPlaying && n.State == songspy.PlayerPlaying && n.ProgressMS < 0 &&
		missing > 0 && n.Polls <= mostProofs && now.Add(proof).Before(l.At) {
		return Look{now.Add(proof), ReasonProof}
	}
	switch l.Reason {
	case ReasonEnd, ReasonBetween, ReasonSkips:
	default:
		return l
	}
	if n.ProgressMS < 0 || untellable(n.TrackURI) {
		return l
	}
	wait, reason := max(n.EndsAt.Add(afterEnd).Sub(now), min(hardly, interval)), ReasonEnd
	must := wait - interval
	if must > 0 {
		wait, reason = min(max(part(inBetween, wait), must), interval), ReasonBetween
	}
	late := part(lateIn, milliseconds(n.DurationMS))
	if again := min(runs, interval*5/12); n.Skips > 0 && now.Sub(n.StartedAt) < late && again < wait {
		wait, reason = again, ReasonSkips
	}
	if missing > 0 {
		if must <= min(oneIsEnough, interval/9) {
			proof = max(proof, must)
		}
		if proof < wait && now.Add(proof).Before(*n.EndsAt) {
			wait, reason = proof, ReasonProof
		}
	}
	return Look{now.Add(wait), reason}
}

// part is a part of a duration.
func part(of float64, d time.Duration) time.Duration { return time.Duration(of * float64(d)) }

// untellable reports whether history never tells of a track: it lists neither
// episodes, nor chapters, nor what lies on the listener's own disk.
func untellable(uri string) bool {
	return speech(uri) || songspy.IsLocal(uri)
}

// FirstLook says when a listener is worth a look to a planner that has just
// started and knows only what is stored: at the predicted end if that is still
// to come within the interval, else at the listener's own slot.
func FirstLook(n songspy.NowPlaying, now time.Time, phase, interval time.Duration) Look {
	slot := slotAfter(now, phase, interval)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && n.EndsAt.After(now) {
		if end := n.EndsAt.Add(afterEnd); end.Before(slot) {
			return Look{end, ReasonEnd}
		}
	}
	return Look{slot, ReasonFloor}
}

// floor is the listener's own slot where that lies in the interval's last
// quarter; else a quarter less than an interval from now, which brings the
// slot nearer.
func floor(now time.Time, phase, interval time.Duration) time.Time {
	most := interval * 3 / 4
	if slot := slotAfter(now, phase, interval); slot.Sub(now) >= most {
		return slot
	}
	return now.Add(most)
}

// slotAfter is the first time after now that lies at phase within the interval.
func slotAfter(now time.Time, phase, interval time.Duration) time.Time {
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
