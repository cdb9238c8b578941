package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// split makes two plays of one that history tells of twice: its track was begun
// anew, which looks like a pause if the song is further in when it is looked at
// again, and else as if somebody had sought back.
func (r *reconciliation) split(item songspy.HistoryItem) bool {
	for j := range r.slots {
		s := &r.slots[j]
		told := s.heard()
		if s.Play.Source == songspy.SourceHistory || s.Play.StartedAt.IsZero() || s.Play.DeletedAt != nil ||
			told.IsZero() || !sameTrack(s.Track, item.Track) {
			continue
		}
		first, last := earlier(told, item.PlayedAt), later(told, item.PlayedAt)
		if slices.ContainsFunc(r.slots, func(o slot) bool { return o.Play.StartedAt.After(first) && o.Play.StartedAt.Before(s.Play.StartedAt) }) {
			continue // something else was heard in between
		}
		byEnd := last.Sub(s.Play.EndedAt).Abs() <= aside
		anew := last
		if byEnd {
			anew = first
		}
		rest := s.Play.EndedAt.Sub(anew)
		listened := min(s.Play.ListenedMS, ms(rest))
		swap := byEnd && told.Equal(last) // the item that it was told by is the second's
		if anew.Sub(s.Play.StartedAt) < countable || rest < countable || !songspy.Counts(listened, s.Track.DurationMS) ||
			swap && !s.HeardAt.IsZero() { // the ledger has it otherwise
			continue
		}
		second := slot{KeptPlay: s.KeptPlay, item: item, fresh: true, clipped: true}
		second.Play.ID, second.HeardAt = 0, time.Time{}
		second.Play.Probable = false
		second.Play.StartedAt, second.Play.ListenedMS = anew, listened
		if byEnd { // what was heard of it came last
			second.Play.StartedAt = s.Play.EndedAt.Add(-milliseconds(listened))
		}
		if swap {
			second.item, s.item = s.item, item
		}
		second.Play.InferredMS = min(s.Play.InferredMS, listened)
		// What was seen of the first; when in it, nobody knows.
		seen := s.witnessed() - (listened - second.Play.InferredMS)
		s.Play.EndedAt, s.moved = anew, true
		s.Play.ListenedMS, s.Play.Provisional = ms(anew.Sub(s.Play.StartedAt)), true
		if most := s.Track.DurationMS; most > 0 {
			s.Play.ListenedMS = min(s.Play.ListenedMS, most)
		}
		s.Play.InferredMS = max(0, s.Play.ListenedMS-seen)
		r.slots = append(r.slots, second)
		return true
	}
	return false
}
