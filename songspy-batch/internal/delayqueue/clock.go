package delayqueue

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// tickEvery is how often a running queue reads its clock at the least.
	tickInterval = 20 * time.Second
	// longestTick is the most that passes between two readings unless the process
	// stands still. Then the queue's time stands still too.
	maxTick = time.Minute
	// slewed bounds the difference between the wall clock and the monotonic clock
	// that is put down to gentle corrections. A greater one is a step.
	maxSlew = time.Second
)

// Step is a jump of the clock: it was set, or the process stood still.
type ClockStep struct {
	At time.Time // when it was noticed, by the clock as it is since
	By time.Duration
}

// ticking is a queue's own time. It agrees with the wall clock until that
// jumps, and goes on from there: what is planned stays as far ahead as it was,
// whether the clock is set back or forward or the machine sleeps. So nothing
// waits for a clock to catch up, and what a sleep has missed comes due spread
// as it was.
type queueClock struct {
	lastRead time.Time // the last reading; zero: none yet
	offset   time.Duration
	lastStep ClockStep
}

// read takes a reading and returns the queue's time.
func (c *queueClock) read(now time.Time) time.Duration {
	wall := time.Duration(now.UnixNano())
	if c.lastRead.IsZero() {
		c.lastRead = now
		return wall
	}
	before := time.Duration(c.lastRead.UnixNano())
	passed := now.Sub(c.lastRead) // by the monotonic clock, where there is one
	if (wall - before - passed).Abs() <= maxSlew {
		passed = wall - before
		if passed < 0 && passed >= -maxSlew { // a reading that waited for another
			return before + c.offset
		}
	}
	if passed < 0 || passed > maxTick {
		passed = 0
	}
	by := wall - before - passed
	c.offset -= by
	if by.Abs() > songspy.ClockSkewMax {
		c.lastStep = ClockStep{At: now, By: by}
	}
	c.lastRead = now
	return wall + c.offset
}

// of is a time of the wall clock in the queue's time, in whole microseconds:
// rounded up, since nothing is due before its time.
func (c *queueClock) toMicros(at time.Time) int64 {
	return (time.Duration(at.UnixNano()) + c.offset + time.Microsecond - 1).Microseconds()
}

// wall is the opposite of of.
func (c *queueClock) toTime(micros int64) time.Time {
	return time.UnixMicro(micros - c.offset.Microseconds()).UTC()
}
