package store

import (
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// OnRecorded has fn told of all that this Store records from now on, each play
// and gap once, whatever recorded it. It must be quick, and safe to call at the
// same time from several goroutines.
func (s *Store) OnRecorded(fn func(songspy.RecordedCounts)) { s.pool.onRecorded.Store(&fn) }

// recorded is what one transaction records.
type txRecorded songspy.RecordedCounts

// recording is what the transaction has recorded so far.
func recordedBy(conn gorm.ConnPool) *txRecorded {
	if tx, ok := conn.(*txPool); ok {
		return &tx.recorded
	}
	return &txRecorded{} // of a statement by itself, which nothing here is
}

func (r *txRecorded) addPlay(s songspy.PlaySource) {
	if r.Plays == nil {
		r.Plays = map[songspy.PlaySource]int{}
	}
	r.Plays[s]++
}

func (r *txRecorded) addGap(reason songspy.GapReason) {
	if r.Gaps == nil {
		r.Gaps = map[songspy.GapReason]int{}
	}
	r.Gaps[reason]++
}
