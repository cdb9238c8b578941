package gate

import "time"

// Day is what an app spends of its calls to the Web API in one day of UTC.
type Day struct {
	// Most is how many calls the operator allows a day; 0: as many as the provider.
	Most int64
	// Of is the midnight with which the day began that is counted.
	Of time.Time
	// Known is what all processes together are known to have spent, and Own
	// what this one has spent since it last said so.
	Known, Own int64
}

// Spent is how many calls the day has cost so far.
func (d Day) Spent(now time.Time) int64 {
	if !d.Of.Equal(Midnight(now)) {
		return 0
	}
	return d.Known + d.Own
}

// Left is how many calls the day still allows; -1 where nothing bounds them.
func (d Day) Left(now time.Time) int64 {
	if d.Most <= 0 {
		return -1
	}
	return max(0, d.Most-d.Spent(now))
}

// over is how long the day still lasts.
func (d Day) over(now time.Time) time.Duration {
	return Midnight(now).Add(24 * time.Hour).Sub(now)
}

// Midnight is when the day began to which a moment belongs, in UTC.
func Midnight(now time.Time) time.Time { return now.UTC().Truncate(24 * time.Hour) }

// spend counts one call.
func (s *State) spend(now time.Time, door Door) {
	if door != API {
		return
	}
	if today := Midnight(now); !s.Day.Of.Equal(today) {
		s.Day.Of, s.Day.Known, s.Day.Own = today, 0, 0
	}
	s.Day.Own++
}

// Settle enters that so many of the process's own calls are known to all now,
// who together have spent that many on that day.
func (s State) Settle(day time.Time, own, known int64) State {
	if s.Day.Of.Equal(day) {
		s.Day.Own -= own
	} else if day.After(s.Day.Of) {
		s.Day.Of, s.Day.Own = day, 0
	} else {
		return s
	}
	s.Day.Known = known
	return s
}
