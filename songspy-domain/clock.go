package songspy

import "time"

// ClockAhead is how far ahead of the clock a stored time may lie. The clocks of
// processes differ by seconds; a time beyond it was stored while a clock ran
// ahead that has been set back since.
const ClockAhead = 5 * time.Minute

// IsAhead reports whether a stored time lies more than ClockAhead after now.
func IsAhead(t, now time.Time) bool { return t.Sub(now) > ClockAhead }

// NotAhead returns a stored time as it counts now: itself, or now if it is ahead.
func NotAhead(t, now time.Time) time.Time {
	if IsAhead(t, now) {
		return now
	}
	return t
}

// NotAhead returns the state as it counts now. A state that was observed under
// a clock that ran ahead counts as observed a moment before now, and its other
// times keep their distance from that. No time that lies in the past by its
// nature is left ahead.
func (n NowPlaying) NotAhead(now time.Time) NowPlaying {
	if !n.ahead(now) {
		return n
	}
	return n.pulledBack(now)
}

// ahead reports whether a time of the state that lies in the past by its nature
// lies ahead.
func (n *NowPlaying) ahead(now time.Time) bool {
	return IsAhead(n.ObservedAt, now) || IsAhead(n.SeenAt, now) || IsAhead(n.StartedAt, now) || IsAhead(n.ElsewhereAt, now) || IsAhead(n.OpenedAt, now) ||
		n.PausedSince != nil && IsAhead(*n.PausedSince, now) || n.NothingSince != nil && IsAhead(*n.NothingSince, now) ||
		n.DoubtedAt != nil && IsAhead(*n.DoubtedAt, now)
}

func (n NowPlaying) pulledBack(now time.Time) NowPlaying {
	last := now.Add(-time.Microsecond) // an observation made now is later
	if IsAhead(n.ObservedAt, now) {
		n = n.shifted(last.Sub(n.ObservedAt))
	}
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.ElsewhereAt, &n.OpenedAt} {
		*t = NotAhead(*t, last)
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.NothingSince, &n.DoubtedAt} {
		if *t != nil {
			then := NotAhead(**t, last)
			*t = &then
		}
	}
	return n
}

// shifted returns the state with all its times moved by d. Zero times stay.
func (n NowPlaying) shifted(d time.Duration) NowPlaying {
	for _, t := range []*time.Time{&n.ObservedAt, &n.SeenAt, &n.StartedAt, &n.ElsewhereAt, &n.OpenedAt} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	for _, t := range []**time.Time{&n.PausedSince, &n.NothingSince, &n.DoubtedAt, &n.EndsAt} {
		if *t != nil {
			moved := (*t).Add(d)
			*t = &moved
		}
	}
	return n
}
