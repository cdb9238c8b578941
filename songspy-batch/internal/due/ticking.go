package due

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// tickEvery is how often a running queue reads its clock at the least.
	tickEvery = 20 * time.Second
	// longestTick is the most that passes between two readings unless the process
	// stands still. Then the queue's time stands still too.
	longestTick = time.Minute
	// slewed bounds the difference between the wall clock and the monotonic clock
	// that is put down to gentle corrections. A greater one is a step.
	slewed = time.Second
)

// Step is a jump of the clock: it was set, or the process stood still.
type Step struct {
	At time.Time // when it was noticed, by the clock as it is since
	By time.Duration
}

// ticking is a queue's own time. It agrees with the wall clock until that
// jumps, and goes on from there: what is planned stays as far ahead as it was,
// whether the clock is set back or forward or the machine sleeps. So nothing
// waits for a clock to catch up, and what a sleep has missed comes due spread
// as it was.
type ticking struct {
	last   time.Time // the last reading; zero: none yet
	offset time.Duration
	step   Step
}

// read takes a reading and returns the queue's time.
func (c *ticking) read(now time.Time) time.Duration {
	wall := time.Duration(now.UnixNano())
	if c.last.IsZero() {
		c.last = now
		return wall
	}
	before := time.Duration(c.last.UnixNano())
	passed := now.Sub(c.last) // by the monotonic clock, where there is one
	if (wall - before - passed).Abs() <= slewed {
		passed = wall - before
		if passed < 0 && passed >= -slewed { // a reading that waited for another
			return before + c.offset
		}
	}
	if passed < 0 || passed > longestTick {
		passed = 0
	}
	by := wall - before - passed
	c.offset -= by
	if by.Abs() > songspy.ClockAhead {
		c.step = Step{At: now, By: by}
	}
	c.last = now
	return wall + c.offset
}

// of is a time of the wall clock in the queue's time, in whole microseconds:
// rounded up, since nothing is due before its time.
func (c *ticking) of(at time.Time) int64 {
	return (time.Duration(at.UnixNano()) + c.offset + time.Microsecond - 1).Microseconds()
}

// wall is the opposite of of.
func (c *ticking) wall(micros int64) time.Time {
	return time.UnixMicro(micros - c.offset.Microseconds()).UTC()
}
