package songspy

import "time"

// ClockSkewMax is how far a stored time may lie ahead of the local clock without
// being corrected. The clocks of processes differ by seconds only. So a time that
// lies further ahead was stored while a clock was fast, and that clock has been
// set back since.
const ClockSkewMax = 5 * time.Minute

// IsAheadOfClock reports whether a stored time lies more than ClockSkewMax
// after now.
func IsAheadOfClock(t, now time.Time) bool {
	return t.After(now) && t.Sub(now) > ClockSkewMax // After is checked first, because it is much faster than Sub, and most times are in the past
}

// CapAtNow returns now if t lies more than ClockSkewMax after now
// (IsAheadOfClock), otherwise t.
func CapAtNow(t, now time.Time) time.Time {
	if IsAheadOfClock(t, now) {
		return now
	}
	return t
}

// CorrectClock returns the player's state with corrected times. Times that are ahead
// of the clock (IsAheadOfClock) were stored by a process with a fast clock. If
// ObservedAt is ahead of the clock, it becomes one microsecond before now, and all
// other times move back by the same amount. Any other time that is then still ahead
// of the clock also becomes one microsecond before now, except EndsAt, which may lie
// in the future.
func (n NowPlaying) CorrectClock(now time.Time) NowPlaying {
	if !n.HasFutureTime(now) {
		return n
	}
	return n.movedBack(now)
}

// HasFutureTime reports whether one of the state's times, except EndsAt, lies more
// than ClockSkewMax after now. EndsAt is a prediction and may lie in the future.
func (n *NowPlaying) HasFutureTime(now time.Time) bool {
	return IsAheadOfClock(n.ObservedAt, now) || IsAheadOfClock(n.SeenAt, now) || IsAheadOfClock(n.StartedAt, now) || IsAheadOfClock(n.OtherSeenAt, now) || IsAheadOfClock(n.OpenedAt, now) ||
		n.PausedSince != nil && IsAheadOfClock(*n.PausedSince, now) || n.IdleSince != nil && IsAheadOfClock(*n.IdleSince, now) ||
		n.DoubtedAt != nil && IsAheadOfClock(*n.DoubtedAt, now)
}

func (n NowPlaying) movedBack(now time.Time) NowPlaying {
	last := now.Add(-time.Microsecond) // earlier than now, so that playback.Step does not ignore an observation made at now
	if IsAheadOfClock(n.ObservedAt, now) {
		n = n.shifted(last.Sub(n.ObservedAt))
	}
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.OtherSeenAt, &n.OpenedAt} {
		*t = CapAtNow(*t, last)
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.IdleSince, &n.DoubtedAt} {
		if *t != nil {
			*t = new(CapAtNow(**t, last))
		}
	}
	return n
}

// shifted returns the state with all its times moved by d. Zero times and nil
// pointers stay unchanged.
func (n NowPlaying) shifted(d time.Duration) NowPlaying {
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.OtherSeenAt, &n.OpenedAt} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.IdleSince, &n.DoubtedAt, &n.EndsAt} {
		if *t != nil {
			*t = new((*t).Add(d))
		}
	}
	return n
}
