package store

import (
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Recorded is what a transaction that has committed adds to what is known of
// people's listening.
type Recorded struct {
	Plays map[songspy.PlaySource]int
	Gaps  map[songspy.GapReason]int
}

// OnRecorded has fn told of all that this Store records from now on, each play
// and gap once, whatever recorded it. It must be quick, and safe to call at the
// same time from several goroutines.
func (s *Store) OnRecorded(fn func(Recorded)) { s.pool.recorded.Store(&fn) }

// recording is what the transaction has recorded so far.
func recording(conn gorm.ConnPool) *Recorded {
	if tx, ok := conn.(*txPool); ok {
		return &tx.recorded
	}
	return &Recorded{} // of a statement by itself, which nothing here is
}

func (r *Recorded) play(s songspy.PlaySource) {
	if r.Plays == nil {
		r.Plays = map[songspy.PlaySource]int{}
	}
	r.Plays[s]++
}

func (r *Recorded) gap(why songspy.GapReason) {
	if r.Gaps == nil {
		r.Gaps = map[songspy.GapReason]int{}
	}
	r.Gaps[why]++
}
