package playback

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// split makes two plays of one that history tells of twice: its track was begun
// anew, which looks like a pause if the song is further in when it is looked at
// again, and else as if somebody had sought back.
func (r *reconciler) splitPlay(item songspy.HistoryItem) bool {
	for j := range r.candidates {
		s := &r.candidates[j]
		reported := s.playedAt()
		if s.Play.Source == songspy.SourceHistory || s.Play.StartedAt.IsZero() || s.Play.DeletedAt != nil ||
			reported.IsZero() || !isSameRecording(s.Track, item.Track) {
			continue
		}
		first, last := earlier(reported, item.PlayedAt), later(reported, item.PlayedAt)
		if slices.ContainsFunc(r.candidates, func(o candidate) bool {
			return o.Play.StartedAt.After(first) && o.Play.StartedAt.Before(s.Play.StartedAt)
		}) {
			continue // something else was heard in between
		}
		byEnd := last.Sub(s.Play.EndedAt).Abs() <= matchTolerance
		restart := last
		if byEnd {
			restart = first
		}
		rest := s.Play.EndedAt.Sub(restart)
		listened := min(s.Play.ListenedMS, toMillis(rest))
		swap := byEnd && reported.Equal(last) // the item that it was told by is the second's
		if restart.Sub(s.Play.StartedAt) < listedPlayMin || rest < listedPlayMin || !songspy.IsCounted(listened, s.Track.DurationMS) ||
			swap && !s.PlayedAt.IsZero() { // the ledger has it otherwise
			continue
		}
		second := candidate{StoredPlay: s.StoredPlay, item: item, isNew: true, clipped: true}
		second.Play.ID, second.PlayedAt = 0, time.Time{}
		second.Play.Probable = false
		second.Play.StartedAt, second.Play.ListenedMS = restart, listened
		if byEnd { // what was heard of it came last
			second.Play.StartedAt = s.Play.EndedAt.Add(-fromMillis(listened))
		}
		if swap {
			second.item, s.item = s.item, item
		}
		second.Play.InferredMS = min(s.Play.InferredMS, listened)
		// What was seen of the first; when in it, nobody knows.
		seen := s.observedMS() - (listened - second.Play.InferredMS)
		s.Play.EndedAt, s.changed = restart, true
		s.Play.ListenedMS, s.Play.Provisional = toMillis(restart.Sub(s.Play.StartedAt)), true
		if most := s.Track.DurationMS; most > 0 {
			s.Play.ListenedMS = min(s.Play.ListenedMS, most)
		}
		s.Play.InferredMS = max(0, s.Play.ListenedMS-seen)
		r.candidates = append(r.candidates, second)
		return true
	}
	return false
}
