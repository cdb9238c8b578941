package songspy

import "time"

// ClockAhead is how far ahead of the clock a stored time may lie. The clocks of
// processes differ by seconds; a time beyond it was stored while a clock ran
// ahead that has been set back since.
const ClockSkewMax = 5 * time.Minute

// IsAhead reports whether a stored time lies more than ClockAhead after now.
func IsAheadOfClock(t, now time.Time) bool { return t.Sub(now) > ClockSkewMax }

// NotAhead returns a stored time as it counts now: itself, or now if it is ahead.
func CapAtNow(t, now time.Time) time.Time {
	if IsAheadOfClock(t, now) {
		return now
	}
	return t
}

// NotAhead returns the state as it counts now. A state that was observed under
// a clock that ran ahead counts as observed a moment before now, and its other
// times keep their distance from that. No time that lies in the past by its
// nature is left ahead.
func (n NowPlaying) CorrectClock(now time.Time) NowPlaying {
	if !n.hasFutureTime(now) {
		return n
	}
	return n.movedBack(now)
}

// ahead reports whether a time of the state that lies in the past by its nature
// lies ahead.
func (n *NowPlaying) hasFutureTime(now time.Time) bool {
	return IsAheadOfClock(n.ObservedAt, now) || IsAheadOfClock(n.SeenAt, now) || IsAheadOfClock(n.StartedAt, now) || IsAheadOfClock(n.OtherSeenAt, now) || IsAheadOfClock(n.OpenedAt, now) ||
		n.PausedSince != nil && IsAheadOfClock(*n.PausedSince, now) || n.IdleSince != nil && IsAheadOfClock(*n.IdleSince, now) ||
		n.DoubtedAt != nil && IsAheadOfClock(*n.DoubtedAt, now)
}

func (n NowPlaying) movedBack(now time.Time) NowPlaying {
	last := now.Add(-time.Microsecond) // an observation made now is later
	if IsAheadOfClock(n.ObservedAt, now) {
		n = n.shifted(last.Sub(n.ObservedAt))
	}
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.OtherSeenAt, &n.OpenedAt} {
		*t = CapAtNow(*t, last)
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.IdleSince, &n.DoubtedAt} {
		if *t != nil {
			then := CapAtNow(**t, last)
			*t = &then
		}
	}
	return n
}

// shifted returns the state with all its times moved by d. Zero times stay.
func (n NowPlaying) shifted(d time.Duration) NowPlaying {
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.OtherSeenAt, &n.OpenedAt} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.IdleSince, &n.DoubtedAt, &n.EndsAt} {
		if *t != nil {
			moved := (*t).Add(d)
			*t = &moved
		}
	}
	return n
}
