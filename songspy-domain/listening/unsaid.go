package listening

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// unsaid takes back what nobody saw anything of and history does not tell of
// either, though it tells of that time: rounds of a loop that were none.
func (r *reconciliation) unsaid() {
	slices.SortStableFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	for j := range r.slots {
		s := &r.slots[j]
		waits := slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool { return sameTrack(s.Track, i.Track) })
		if s.unseen() && !waits && r.tellable(*s) && s.untold(songspy.HistoryItem{Track: s.Track}) {
			s.refuted = true
		}
	}
	last := -1
	for j := range r.slots {
		if r.slots[j].refuted || r.slots[j].Play.StartedAt.IsZero() {
			continue
		}
		if last >= 0 && r.once(r.slots[last], r.slots[j]) && (last < j-1 || r.slots[j].Play.StartedAt.Sub(r.slots[last].Play.EndedAt) <= seamless) {
			r.slots[last].join(&r.slots[j])
			continue
		}
		last = j
	}
}

// once reports whether two plays of a track, of which the second was taken to
// begin where nobody saw the first end, are told of as one: a pause as long as
// the song looks like that too, or a leap back in the part that nobody saw.
func (r *reconciliation) once(first, second slot) bool {
	live := first.Play.Source == songspy.SourceLive && second.Play.Source == songspy.SourceLive && !second.fresh
	if !live || !sameTrack(first.Track, second.Track) || first.Play.InferredMS == 0 && !first.Play.Provisional && !first.clipped || first.Play.DeletedAt != nil || second.Play.DeletedAt != nil {
		return false
	}
	seen := first.Play.ListenedMS - first.Play.InferredMS + second.Play.ListenedMS
	if length := first.Track.DurationMS; length > 0 && seen > length+ms(jitter) {
		return false // more than one play holds
	}
	if slices.ContainsFunc(r.items, func(i songspy.HistoryItem) bool { return sameTrack(first.Track, i.Track) }) {
		return false // another item waits
	}
	if first.heard().IsZero() { // the ledger is not changed
		return r.tellable(first) && !second.item.PlayedAt.IsZero()
	}
	return second.heard().IsZero() && r.tellable(second)
}

// join makes one play of two.
func (s *slot) join(second *slot) {
	s.Play.ListenedMS = s.Play.ListenedMS - s.Play.InferredMS + second.Play.ListenedMS
	if most := s.Track.DurationMS; most > 0 {
		s.Play.ListenedMS = min(s.Play.ListenedMS, most)
	}
	s.Play.InferredMS = min(second.Play.InferredMS, s.Play.ListenedMS)
	s.Play.EndedAt, s.Play.Provisional, s.moved = second.Play.EndedAt, true, true
	if s.heard().IsZero() {
		s.item, second.item = second.item, songspy.HistoryItem{}
	}
	second.refuted = true
}
