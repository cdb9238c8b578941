package delayqueue

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// tickInterval is the longest time after which a running queue reads its
	// clock again.
	tickInterval = 20 * time.Second
	// maxTick is the longest time that may pass between two readings of the clock. If
	// more time has passed, the process or the machine was suspended, and the queue's
	// time does not advance between these readings.
	maxTick = time.Minute
	// maxSlew is the largest difference that counts as a gradual correction: the
	// difference between how far the wall clock and the monotonic clock advance between
	// two readings. A larger difference means that the clock was set.
	maxSlew = time.Second
)

// ClockStep is a jump of the clock: the clock was set, or the process was suspended.
type ClockStep struct {
	At time.Time     // when the jump was noticed, by the clock after it
	By time.Duration // negative if the clock was set back
}

// queueClock is a queue's own time. It equals the wall clock until the wall
// clock jumps; then it continues without the jump. So a scheduled time keeps its
// distance when the clock is set or the machine sleeps: no work waits for a
// clock to catch up, and work that was missed during a sleep stays spread.
type queueClock struct {
	lastRead time.Time     // zero if the clock has not been read yet
	offset   time.Duration // the queue's time minus the wall clock
	lastStep ClockStep
}

// read records a reading of the wall clock and returns the queue's time.
func (c *queueClock) read(now time.Time) time.Duration {
	wall := time.Duration(now.UnixNano())
	if c.lastRead.IsZero() {
		c.lastRead = now
		return wall
	}
	before := time.Duration(c.lastRead.UnixNano())
	passed := now.Sub(c.lastRead) // by the monotonic clock, if both times have one
	if (wall - before - passed).Abs() <= maxSlew {
		passed = wall - before
		if passed < 0 && passed >= -maxSlew {
			// The caller read the clock before it locked the queue. Meanwhile another caller
			// has recorded a later reading.
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

// toMicros converts a time of the wall clock to microseconds of the queue's
// time. It rounds up, so that no key is due before its time.
func (c *queueClock) toMicros(at time.Time) int64 {
	return (time.Duration(at.UnixNano()) + c.offset + time.Microsecond - 1).Microseconds()
}

// toTime is the inverse of toMicros.
func (c *queueClock) toTime(micros int64) time.Time {
	return time.UnixMicro(micros - c.offset.Microseconds()).UTC()
}
