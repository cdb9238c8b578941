package store

import (
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// OnRecorded has fn told of all that this Store records from now on, each play
// and gap once, whatever recorded it. It must be quick, and safe to call at the
// same time from several goroutines.
func (s *Store) OnRecorded(fn func(songspy.Recorded)) { s.pool.recorded.Store(&fn) }

// recorded is what one transaction records.
type recorded songspy.Recorded

// recording is what the transaction has recorded so far.
func recording(conn gorm.ConnPool) *recorded {
	if tx, ok := conn.(*txPool); ok {
		return &tx.recorded
	}
	return &recorded{} // of a statement by itself, which nothing here is
}

func (r *recorded) play(s songspy.PlaySource) {
	if r.Plays == nil {
		r.Plays = map[songspy.PlaySource]int{}
	}
	r.Plays[s]++
}

func (r *recorded) gap(why songspy.GapReason) {
	if r.Gaps == nil {
		r.Gaps = map[songspy.GapReason]int{}
	}
	r.Gaps[why]++
}
