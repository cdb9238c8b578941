package reconcile

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// mergePlays corrects the plays of a track if history lists fewer than are stored. First,
// observed plays without an item claim items of other plays (see claimItem). Each claim
// leaves fewer plays, or moves an item nearer to its play, so the loop ends. Then two
// adjacent plays of one track become one if history covers their time and lists only one
// of them. Last, the inferred tails (unproven ends) of unlisted plays are dropped.
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
				last = -1 // the deleted play stays, so the plays before and after it are not adjacent
			}
		default:
			last = j
		}
	}
	for j := range r.candidates {
		r.dropUnlistedTail(j)
	}
}

// claimItem gives candidate j the history item of another play of the same track, as
// findMisassigned or findHistoryOnly finds it. Candidate j must be an observed play that
// counts and that history should list, but that has no item. While an item of the track
// is pending, claimItem does nothing. It reports whether the candidate got an item.
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

// findMisassigned returns an observed play of the same track as the play seen, whose
// history item fits the start or the end of seen, but not its own start or end. It
// returns nil if there is none.
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

// findHistoryOnly returns the nearest play, less than pausedShownMax away from the play
// seen, that has the same track and that only Spotify's history reported, if history
// lists no play between the two. It returns nil if there is none. The two are really
// one play: an earlier answer took a start for an end, or the track was paused before
// polls first saw it.
func (r *reconciler) findHistoryOnly(seen candidate) (nearest *candidate) {
	distance := pausedShownMax
	for i := range r.candidates {
		s := &r.candidates[i]
		only := s.Play.Source == songspy.SourceHistory && s.Play.DeletedAt == nil && !s.removed && !s.playedAt().IsZero()
		apart := instant.Later(s.Play.StartedAt, seen.Play.StartedAt).Sub(instant.Earlier(s.Play.EndedAt, seen.Play.EndedAt))
		if only && isSameRecording(s.Track, seen.Track) && apart < distance && !r.hasListedPlayBetween(*s, seen) {
			nearest, distance = s, apart
		}
	}
	return nearest
}

// takeItemOf moves the history item of another play to this play.
func (s *candidate) takeItemOf(other *candidate) {
	s.item = songspy.HistoryItem{Track: other.Track, PlayedAt: other.playedAt()}
	other.item, other.PlayedAt = songspy.HistoryItem{}, time.Time{}
}

// hasListedPlayBetween reports whether a listed play began between the starts of
// two plays of one track. A play of the same track counts only if its item lies at
// its own edge (start or end); otherwise the item may belong to another play.
func (r *reconciler) hasListedPlayBetween(a, b candidate) bool {
	from, to := instant.Earlier(a.Play.StartedAt, b.Play.StartedAt), instant.Later(a.Play.StartedAt, b.Play.StartedAt)
	return slices.ContainsFunc(r.candidates, func(s candidate) bool {
		between := s.Play.StartedAt.After(from) && s.Play.StartedAt.Before(to) && !s.playedAt().IsZero()
		return between && (!isSameRecording(s.Track, a.Track) || s.distanceTo(songspy.HistoryItem{PlayedAt: s.playedAt()}, r.edge) <= matchTolerance)
	})
}

// sessionGapMax is the longest break between two plays of one listening
// session.
const sessionGapMax = 15 * time.Minute

// dropUnlistedTail removes the inferred time at the end of play j if Spotify's history
// should list the play and does not, and if polls observed less of it than HistoryPlayMin,
// the shortest play that history lists. Some listening sessions never appear in history,
// so history must list the plays directly before and after. A probable play is a partial
// play, so its absence proves something only if this user's history lists partial plays.
func (r *reconciler) dropUnlistedTail(j int) {
	s := &r.candidates[j]
	unobserved := s.observedMS() < songspy.HistoryPlayMin.Milliseconds() && s.Play.InferredMS > 0 && (r.listsPartial || !s.Play.Probable)
	if unobserved && s.playedAt().IsZero() && r.shouldBeListed(*s) && !r.isTrackPending(s.Track) && r.hasListedNeighbour(j, -1) && r.hasListedNeighbour(j, 1) {
		s.dropTail(instant.Milliseconds(s.Play.InferredMS))
		s.changed = true
	}
}

// hasListedNeighbour reports whether Spotify's history lists the play directly before
// play j (if step is −1) or directly after it (if step is 1), and whether that play is
// of the same listening session. The candidates are sorted by start.
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

// isOnePlay reports whether two adjacent plays of a track are really one: the end of
// the first was not observed, the second begins at most pausedShownMax later, and
// Spotify's history lists only one of them, although it covers the time of the other.
// To polls, a pause as long as the track, or seeking back, looks like a second play.
func (r *reconciler) isOnePlay(first, second candidate) bool {
	live := first.Play.Source == songspy.SourceLive && !first.Play.Probable && !second.Play.Probable && second.Play.Source == songspy.SourceLive && !second.isNew
	empty := second.Play.DeletedAt != nil && second.Play.ListenedMS == 0 // joinPlays emptied it in an earlier pass
	unseen := first.Play.InferredMS > 0 || first.Play.Provisional || first.clipped
	near := second.Play.StartedAt.Sub(first.Play.EndedAt) <= pausedShownMax
	if !live || empty || !unseen || !near || !isSameRecording(first.Track, second.Track) || r.isTrackPending(first.Track) {
		return false
	}
	if first.playedAt().IsZero() {
		return r.isCoveredByHistory(first) && !second.playedAt().IsZero()
	}
	if r.listsWhole && !first.Play.Provisional && isLeftEarly(second.StoredPlay) {
		return false // the second play followed directly and ended early, and this history does not list partial plays
	}
	return second.playedAt().IsZero() && r.isCoveredByHistory(second)
}

// joinPlays merges the second play into the first play s: s gets the listening time and
// the end of the second play, and the item of the second play if s has none. But if the
// user deleted the second play, that play stays stored with no listening time, and s stays
// unchanged.
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
