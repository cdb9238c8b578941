package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// mend makes one play of two of which history tells once, though it tells of
// that time: what is in doubt is counted once. Each step makes fewer plays, or
// brings an item nearer to the play that it tells of.
func (r *reconciler) mergePlays() {
	slices.SortStableFunc(r.candidates, func(a, b candidate) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	for again := true; again; {
		again = false
		for j := range r.candidates {
			again = r.claimItem(j) || again
		}
	}
	r.candidates = slices.DeleteFunc(r.candidates, func(s candidate) bool { return s.isNew && s.removed && s.item.PlayedAt.IsZero() })
	last := -1
	for j := range r.candidates {
		switch {
		case r.candidates[j].isRemoved() || r.candidates[j].Play.StartedAt.IsZero():
		case last >= 0 && r.isOnePlay(r.candidates[last], r.candidates[j]):
			r.candidates[last].joinPlays(&r.candidates[j])
			if r.candidates[j].Play.DeletedAt != nil {
				last = -1 // it stays between
			}
		default:
			last = j
		}
	}
	for j := range r.candidates {
		r.dropUnlistedTail(j)
	}
}

// unite finds the item of a play that was seen, and of which nothing tells, and
// reports whether there is one.
func (r *reconciler) claimItem(j int) bool {
	seen := &r.candidates[j]
	counted := songspy.IsCounted(seen.Play.ListenedMS, seen.Track.DurationMS)
	if !counted || seen.removed || seen.Play.Probable || !seen.playedAt().IsZero() || !r.isCoveredByHistory(*seen) || r.isTrackPending(seen.Track) {
		return false
	}
	if other := r.findMisassigned(*seen); other != nil {
		seen.takeItemOf(other)
		return true
	}
	if guess := r.findHistoryOnly(*seen); guess != nil {
		seen.takeItemOf(guess)
		guess.removed = true
		return true
	}
	return false
}

// neighbour is the play that an item at the edge of this one was taken for.
func (r *reconciler) findMisassigned(seen candidate) *candidate {
	for i := range r.candidates {
		s := &r.candidates[i]
		item := songspy.HistoryItem{PlayedAt: s.playedAt()}
		reported := s.Play.Source == songspy.SourceLive && !s.playedAt().IsZero() && isSameRecording(s.Track, seen.Track)
		if reported && s.distanceTo(item, edgeUnknown) > matchTolerance && seen.distanceTo(item, edgeUnknown) <= matchTolerance {
			return s
		}
	}
	return nil
}

// guess is the nearest play of the track that only history knew, with no other
// track in between: its edge was taken for the other, or it stood still unseen.
func (r *reconciler) findHistoryOnly(seen candidate) (nearest *candidate) {
	distance := pausedShownMax
	for i := range r.candidates {
		s := &r.candidates[i]
		only := s.Play.Source == songspy.SourceHistory && s.Play.DeletedAt == nil && !s.removed && !s.playedAt().IsZero()
		apart := instant.Later(s.Play.StartedAt, seen.Play.StartedAt).Sub(instant.Earlier(s.Play.EndedAt, seen.Play.EndedAt))
		if only && isSameRecording(s.Track, seen.Track) && apart < distance && !r.hasOtherTrackBetween(*s, seen) {
			nearest, distance = s, apart
		}
	}
	return nearest
}

// takeItem has the item that tells of another play tell of this one.
func (s *candidate) takeItemOf(other *candidate) {
	s.item = songspy.HistoryItem{Track: other.Track, PlayedAt: other.playedAt()}
	other.item, other.PlayedAt = songspy.HistoryItem{}, time.Time{}
}

// between reports whether history tells of another track between two plays.
func (r *reconciler) hasOtherTrackBetween(a, b candidate) bool {
	from, to := instant.Earlier(a.Play.StartedAt, b.Play.StartedAt), instant.Later(a.Play.StartedAt, b.Play.StartedAt)
	return slices.ContainsFunc(r.candidates, func(s candidate) bool {
		return s.Play.StartedAt.After(from) && s.Play.StartedAt.Before(to) && !s.playedAt().IsZero() && !isSameRecording(s.Track, a.Track)
	})
}

// session is how far apart two plays of one session are at most.
const sessionGapMax = 15 * time.Minute

// unheard takes the tail that nobody saw from a play that history would tell of
// if it had been heard, and does not. Whole sessions never reach history: its
// silence counts only between two plays of the session that it lists. A probable
// play was left early: of that only a history that lists partial plays tells.
func (r *reconciler) dropUnlistedTail(j int) {
	s := &r.candidates[j]
	unobserved := s.observedMS() < songspy.HistoryPlayMin.Milliseconds() && s.Play.InferredMS > 0 && (r.listsPartial || !s.Play.Probable)
	if unobserved && s.playedAt().IsZero() && r.shouldBeListed(*s) && !r.isTrackPending(s.Track) && r.hasListedNeighbour(j, -1) && r.hasListedNeighbour(j, 1) {
		s.dropTail(instant.Milliseconds(s.Play.InferredMS))
		s.changed = true
	}
}

// listedBeside reports whether history lists the play of the same session that
// comes directly before (-1) or after (1) a play. The slots are sorted by start.
func (r *reconciler) hasListedNeighbour(j, step int) bool {
	s := r.candidates[j]
	for i := j + step; i >= 0 && i < len(r.candidates); i += step {
		other := r.candidates[i]
		if other.Play.StartedAt.IsZero() || other.isRemoved() {
			continue
		}
		apart := instant.Later(other.Play.StartedAt, s.Play.StartedAt).Sub(instant.Earlier(other.Play.EndedAt, s.Play.EndedAt))
		return apart <= sessionGapMax && !other.playedAt().IsZero()
	}
	return false
}

// once reports whether two plays of a track, of which the second was taken to
// begin where nobody saw the first end, are told of as one: a pause as long as
// the song looks like that too, or a leap back in the part that nobody saw.
func (r *reconciler) isOnePlay(first, second candidate) bool {
	live := first.Play.Source == songspy.SourceLive && !first.Play.Probable && !second.Play.Probable && second.Play.Source == songspy.SourceLive && !second.isNew
	empty := second.Play.DeletedAt != nil && second.Play.ListenedMS == 0 // joined before
	unseen := first.Play.InferredMS > 0 || first.Play.Provisional || first.clipped
	near := second.Play.StartedAt.Sub(first.Play.EndedAt) <= pausedShownMax
	if !live || empty || !unseen || !near || !isSameRecording(first.Track, second.Track) || r.isTrackPending(first.Track) {
		return false
	}
	if first.playedAt().IsZero() {
		return r.isCoveredByHistory(first) && !second.playedAt().IsZero()
	}
	return second.playedAt().IsZero() && r.isCoveredByHistory(second)
}

// join makes one play of two. One that was deleted stays, with nothing in it.
func (s *candidate) joinPlays(second *candidate) {
	if second.Play.DeletedAt != nil {
		second.Play.EndedAt, second.Play.ListenedMS, second.Play.InferredMS, second.changed = second.Play.StartedAt, 0, 0, true
		return
	}
	s.Play.ListenedMS = s.observedMS() + second.Play.ListenedMS
	if most := s.Track.DurationMS; most > 0 {
		s.Play.ListenedMS = min(s.Play.ListenedMS, most)
	}
	s.Play.InferredMS = min(second.Play.InferredMS, s.Play.ListenedMS)
	s.Play.EndedAt, s.Play.Provisional, s.changed = second.Play.EndedAt, true, true
	if s.playedAt().IsZero() {
		s.takeItemOf(second)
	}
	second.removed = true
}
