package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// mend makes one play of two of which history tells once, though it tells of
// that time: what is in doubt is counted once. Each step makes fewer plays, or
// brings an item nearer to the play that it tells of.
func (r *reconciliation) mend() {
	slices.SortStableFunc(r.slots, func(a, b slot) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	for again := true; again; {
		again = false
		for j := range r.slots {
			again = r.unite(j) || again
		}
	}
	r.slots = slices.DeleteFunc(r.slots, func(s slot) bool { return s.fresh && s.refuted && s.item.PlayedAt.IsZero() })
	last := -1
	for j := range r.slots {
		switch {
		case r.slots[j].takenBack() || r.slots[j].Play.StartedAt.IsZero():
		case last >= 0 && r.once(r.slots[last], r.slots[j]):
			r.slots[last].join(&r.slots[j])
			if r.slots[j].Play.DeletedAt != nil {
				last = -1 // it stays between
			}
		default:
			last = j
		}
	}
	for j := range r.slots {
		r.unheard(j)
	}
}

// unite finds the item of a play that was seen, and of which nothing tells, and
// reports whether there is one.
func (r *reconciliation) unite(j int) bool {
	seen := &r.slots[j]
	counts := songspy.Counts(seen.Play.ListenedMS, seen.Track.DurationMS)
	if !counts || seen.refuted || seen.Play.Probable || !seen.heard().IsZero() || !r.asked(*seen) || r.awaitsTrack(seen.Track) {
		return false
	}
	if other := r.neighbour(*seen); other != nil {
		seen.takeItem(other)
		return true
	}
	if guess := r.guess(*seen); guess != nil {
		seen.takeItem(guess)
		guess.refuted = true
		return true
	}
	return false
}

// neighbour is the play that an item at the edge of this one was taken for.
func (r *reconciliation) neighbour(seen slot) *slot {
	for i := range r.slots {
		s := &r.slots[i]
		item := songspy.HistoryItem{PlayedAt: s.heard()}
		told := s.Play.Source == songspy.SourceLive && !s.heard().IsZero() && sameTrack(s.Track, seen.Track)
		if told && s.off(item, readingUnknown) > aside && seen.off(item, readingUnknown) <= aside {
			return s
		}
	}
	return nil
}

// guess is the nearest play of the track that only history knew, with no other
// track in between: its edge was taken for the other, or it stood still unseen.
func (r *reconciliation) guess(seen slot) (nearest *slot) {
	off := lingers
	for i := range r.slots {
		s := &r.slots[i]
		only := s.Play.Source == songspy.SourceHistory && s.Play.DeletedAt == nil && !s.refuted && !s.heard().IsZero()
		apart := later(s.Play.StartedAt, seen.Play.StartedAt).Sub(earlier(s.Play.EndedAt, seen.Play.EndedAt))
		if only && sameTrack(s.Track, seen.Track) && apart < off && !r.between(*s, seen) {
			nearest, off = s, apart
		}
	}
	return nearest
}

// takeItem has the item that tells of another play tell of this one.
func (s *slot) takeItem(other *slot) {
	s.item = songspy.HistoryItem{Track: other.Track, PlayedAt: other.heard()}
	other.item, other.HeardAt = songspy.HistoryItem{}, time.Time{}
}

// between reports whether history tells of another track between two plays.
func (r *reconciliation) between(a, b slot) bool {
	from, to := earlier(a.Play.StartedAt, b.Play.StartedAt), later(a.Play.StartedAt, b.Play.StartedAt)
	return slices.ContainsFunc(r.slots, func(s slot) bool {
		return s.Play.StartedAt.After(from) && s.Play.StartedAt.Before(to) && !s.heard().IsZero() && !sameTrack(s.Track, a.Track)
	})
}

// session is how far apart two plays of one session are at most.
const session = 15 * time.Minute

// unheard takes the tail that nobody saw from a play that history would tell of
// if it had been heard, and does not. Whole sessions never reach history: its
// silence counts only between two plays of the session that it lists. A probable
// play was left early: of that only a history that lists partial plays tells.
func (r *reconciliation) unheard(j int) {
	s := &r.slots[j]
	little := s.witnessed() < ms(countable) && s.Play.InferredMS > 0 && (r.partial || !s.Play.Probable)
	if little && s.heard().IsZero() && r.tellable(*s) && !r.awaitsTrack(s.Track) && r.listedBeside(j, -1) && r.listedBeside(j, 1) {
		s.doubt(milliseconds(s.Play.InferredMS))
		s.moved = true
	}
}

// listedBeside reports whether history lists the play of the same session that
// comes directly before (-1) or after (1) a play. The slots are sorted by start.
func (r *reconciliation) listedBeside(j, step int) bool {
	s := r.slots[j]
	for i := j + step; i >= 0 && i < len(r.slots); i += step {
		other := r.slots[i]
		if other.Play.StartedAt.IsZero() || other.takenBack() {
			continue
		}
		apart := later(other.Play.StartedAt, s.Play.StartedAt).Sub(earlier(other.Play.EndedAt, s.Play.EndedAt))
		return apart <= session && !other.heard().IsZero()
	}
	return false
}

// once reports whether two plays of a track, of which the second was taken to
// begin where nobody saw the first end, are told of as one: a pause as long as
// the song looks like that too, or a leap back in the part that nobody saw.
func (r *reconciliation) once(first, second slot) bool {
	live := first.Play.Source == songspy.SourceLive && !first.Play.Probable && !second.Play.Probable && second.Play.Source == songspy.SourceLive && !second.fresh
	empty := second.Play.DeletedAt != nil && second.Play.ListenedMS == 0 // joined before
	unseen := first.Play.InferredMS > 0 || first.Play.Provisional || first.clipped
	near := second.Play.StartedAt.Sub(first.Play.EndedAt) <= lingers
	if !live || empty || !unseen || !near || !sameTrack(first.Track, second.Track) || r.awaitsTrack(first.Track) {
		return false
	}
	if first.heard().IsZero() {
		return r.asked(first) && !second.heard().IsZero()
	}
	return second.heard().IsZero() && r.asked(second)
}

// join makes one play of two. One that was deleted stays, with nothing in it.
func (s *slot) join(second *slot) {
	if second.Play.DeletedAt != nil {
		second.Play.EndedAt, second.Play.ListenedMS, second.Play.InferredMS, second.moved = second.Play.StartedAt, 0, 0, true
		return
	}
	s.Play.ListenedMS = s.witnessed() + second.Play.ListenedMS
	if most := s.Track.DurationMS; most > 0 {
		s.Play.ListenedMS = min(s.Play.ListenedMS, most)
	}
	s.Play.InferredMS = min(second.Play.InferredMS, s.Play.ListenedMS)
	s.Play.EndedAt, s.Play.Provisional, s.moved = second.Play.EndedAt, true, true
	if s.heard().IsZero() {
		s.takeItem(second)
	}
	second.refuted = true
}
