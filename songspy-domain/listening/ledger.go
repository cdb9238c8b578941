package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// ledger is what is kept of somebody while an answer of history is entered.
type ledger struct {
	plays   []songspy.KeptPlay // those that are new have ids below zero
	fresh   songspy.PlayID     // the last of these
	told    []time.Time
	gaps    []songspy.Gap
	waiting int
	waits   []songspy.HistoryItem
	habit   songspy.HistoryHabit
}

func newLedger(k songspy.Kept) *ledger {
	return &ledger{plays: slices.Clone(k.Plays), told: slices.Clone(k.Told), habit: k.Habit}
}

func (l *ledger) kept() songspy.Kept {
	return songspy.Kept{Plays: l.plays, Told: l.told, Habit: l.habit}
}

// enter takes over what was made of an answer.
func (l *ledger) enter(r songspy.Reconciled) {
	l.plays = slices.DeleteFunc(l.plays, func(k songspy.KeptPlay) bool { return index(r.Refuted, k.Play.ID) >= 0 })
	for _, c := range r.Confirmed {
		l.tell(c.HeardAt)
		i := index(l.plays, c.Play.ID)
		l.plays[i].Play = c.Play
		if !c.HeardAt.IsZero() {
			l.plays[i].HeardAt = c.HeardAt
		}
	}
	for _, f := range r.Found {
		l.tell(f.HeardAt)
		l.fresh--
		f.Play.ID = l.fresh
		l.plays = append(l.plays, f)
	}
	for _, u := range r.Unplaced {
		l.tell(u.PlayedAt)
	}
	l.gaps = append(l.gaps, r.Gaps...)
}

// tell notes that an item was told, and that it no longer is of another play.
func (l *ledger) tell(at time.Time) {
	if at.IsZero() {
		return
	}
	for i := range l.plays {
		if l.plays[i].HeardAt.Equal(at) {
			l.plays[i].HeardAt = time.Time{}
		}
	}
	if !slices.ContainsFunc(l.told, at.Equal) {
		l.told = append(l.told, at)
	}
}

func index(plays []songspy.KeptPlay, id songspy.PlayID) int {
	return slices.IndexFunc(plays, func(k songspy.KeptPlay) bool { return k.Play.ID == id })
}

// since is what has changed since then.
func (l *ledger) since(k songspy.Kept) songspy.Reconciled {
	r := songspy.Reconciled{Gaps: l.gaps, Waiting: l.waiting}
	heard := map[int64]bool{}
	for _, at := range k.Told {
		heard[at.UnixMicro()] = true
	}
	for _, p := range l.plays {
		heard[p.HeardAt.UnixMicro()] = true
		if p.Play.ID < 0 {
			p.Play.ID = 0
			r.Found = append(r.Found, p)
			continue
		}
		before := k.Plays[index(k.Plays, p.Play.ID)]
		if told := !p.HeardAt.Equal(before.HeardAt); told || p.Play != before.Play {
			if !told {
				p.HeardAt = time.Time{}
			}
			r.Confirmed = append(r.Confirmed, p)
		}
	}
	for _, p := range k.Plays {
		if index(l.plays, p.Play.ID) < 0 {
			p.HeardAt = time.Time{}
			r.Refuted = append(r.Refuted, p)
		}
	}
	for _, at := range l.told {
		if !heard[at.UnixMicro()] {
			r.Unplaced = append(r.Unplaced, songspy.HistoryItem{PlayedAt: at})
		}
	}
	slices.SortFunc(r.Found, func(a, b songspy.KeptPlay) int { return a.Play.StartedAt.Compare(b.Play.StartedAt) })
	return r
}
