package playback

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// ledger is what is kept of somebody while an answer of history is entered.
type workingSet struct {
	plays        []songspy.StoredPlay // those that are new have ids below zero
	lastNewID    songspy.PlayID       // the last of these
	processedAt  []time.Time
	gaps         []songspy.Gap
	pendingCount int
	pending      []songspy.HistoryItem
	partialPlays songspy.PartialPlayCounts
}

func newWorkingSet(k songspy.StoredPlays) *workingSet {
	return &workingSet{plays: slices.Clone(k.Plays), processedAt: slices.Clone(k.ProcessedAt), partialPlays: k.PartialPlays}
}

func (l *workingSet) storedPlays() songspy.StoredPlays {
	return songspy.StoredPlays{Plays: l.plays, ProcessedAt: l.processedAt, PartialPlays: l.partialPlays}
}

// enter takes over what was made of an answer.
func (l *workingSet) apply(r songspy.Reconciliation) {
	l.plays = slices.DeleteFunc(l.plays, func(k songspy.StoredPlay) bool { return playIndex(r.Removed, k.Play.ID) >= 0 })
	for _, c := range r.Confirmed {
		l.markProcessed(c.PlayedAt)
		i := playIndex(l.plays, c.Play.ID)
		l.plays[i].Play = c.Play
		if !c.PlayedAt.IsZero() {
			l.plays[i].PlayedAt = c.PlayedAt
		}
	}
	for _, f := range r.Added {
		l.markProcessed(f.PlayedAt)
		l.lastNewID--
		f.Play.ID = l.lastNewID
		l.plays = append(l.plays, f)
	}
	for _, u := range r.Unmatched {
		l.markProcessed(u.PlayedAt)
	}
	l.gaps = append(l.gaps, r.Gaps...)
}

// tell notes that an item was told, and that it no longer is of another play.
func (l *workingSet) markProcessed(at time.Time) {
	if at.IsZero() {
		return
	}
	for i := range l.plays {
		if l.plays[i].PlayedAt.Equal(at) {
			l.plays[i].PlayedAt = time.Time{}
		}
	}
	if !slices.ContainsFunc(l.processedAt, at.Equal) {
		l.processedAt = append(l.processedAt, at)
	}
}

func playIndex(plays []songspy.StoredPlay, id songspy.PlayID) int {
	return slices.IndexFunc(plays, func(k songspy.StoredPlay) bool { return k.Play.ID == id })
}

// since is what has changed since then.
func (l *workingSet) changesSince(k songspy.StoredPlays) songspy.Reconciliation {
	r := songspy.Reconciliation{Gaps: l.gaps, Pending: l.pendingCount}
	playedAt := map[int64]bool{}
	for _, at := range k.ProcessedAt {
		playedAt[at.UnixMicro()] = true
	}
	for _, p := range l.plays {
		playedAt[p.PlayedAt.UnixMicro()] = true
		if p.Play.ID < 0 {
			p.Play.ID = 0
			r.Added = append(r.Added, p)
			continue
		}
		before := k.Plays[playIndex(k.Plays, p.Play.ID)]
		if reported := !p.PlayedAt.Equal(before.PlayedAt); reported || p.Play != before.Play {
			if !reported {
				p.PlayedAt = time.Time{}
			}
			r.Confirmed = append(r.Confirmed, p)
		}
	}
	for _, p := range k.Plays {
		if playIndex(l.plays, p.Play.ID) < 0 {
			p.PlayedAt = time.Time{}
			r.Removed = append(r.Removed, p)
		}
	}
	for _, at := range l.processedAt {
		if !playedAt[at.UnixMicro()] {
			r.Unmatched = append(r.Unmatched, songspy.HistoryItem{PlayedAt: at})
		}
	}
	slices.SortFunc(r.Added, func(a, b songspy.StoredPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return r
}
