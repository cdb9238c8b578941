package listening

import (
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// batch is what looks after one listener: what it remembers, what is on its
// way to the disk, and what the disk holds. Only the disk outlives it.
type batch struct {
	disk
	playing songspy.NowPlaying
	untold  Untold
	watched time.Time
	unsaved bool
	writing []songspy.Hearing
}

// disk holds what the store would hold.
type disk struct {
	stored songspy.NowPlaying
	plays  []songspy.KeptPlay // by start
	told   []time.Time        // the ledger: which items were dealt with
	habit  songspy.HistoryHabit
	id     songspy.PlayID
	shown  songspy.NowPlaying // what viewers were told last
}

const floorOfDay = 3 * time.Minute

// look takes in one answer, as the sweep does.
func (b *batch) look(o songspy.Observation) Outcome {
	out := Step(b.playing, o)
	b.untold = b.untold.Looked(b.playing, out, b.watched, floorOfDay)
	if out.State.ObservedAt.After(b.playing.ObservedAt) {
		b.watched = out.State.ObservedAt
	}
	b.playing = out.State
	if worth := out.Worth || out.Visible || len(out.Plays) > 0; worth {
		b.writing = append(b.writing, songspy.Hearing{Playing: out.State, Plays: out.Plays, Visible: out.Visible})
		b.unsaved = false
	} else {
		b.unsaved = true
	}
	return out
}

// write writes the first n of what is on its way, every one twice, as a batch
// does whose answer was lost.
func (b *batch) write(n int) {
	for _, h := range b.writing[:n] {
		b.hear(h)
		b.hear(h)
	}
	b.writing = b.writing[n:]
}

// stop writes all that is known, as a process does that is told to stop.
func (b *batch) stop() {
	b.write(len(b.writing))
	if b.unsaved && b.playing.Open() {
		b.hear(songspy.Hearing{Playing: b.playing})
	}
}

// start is the next process: it knows what the disk holds, and when looks were made.
func (b *batch) start(now time.Time) {
	asked := now.Add(-HistoryEvery / 2)
	*b = batch{disk: b.disk, playing: b.stored, untold: Untold{AskedAt: asked}, watched: later(b.stored.ObservedAt, b.watched)}
}

// hear writes one hearing, unless it is written already.
func (d *disk) hear(h songspy.Hearing) {
	if !h.Playing.ObservedAt.After(d.stored.ObservedAt) {
		return
	}
	d.stored = restored(h.Playing)
	for _, p := range h.Plays {
		d.add(songspy.KeptPlay{Play: p, Track: trackOf(p.TrackURI)})
	}
	if h.Visible {
		d.shown = d.stored
	}
}

func trackOf(uri string) songspy.Track {
	i := slices.IndexFunc(dayTracks, func(t songspy.Track) bool { return t.URI == uri })
	return dayTracks[i]
}

func (d *disk) add(k songspy.KeptPlay) {
	d.id++
	k.Play.ID, k.Play.TrackURI = d.id, k.Track.URI
	d.plays = append(d.plays, k)
	sortKnown(d.plays)
}

// ask holds an answer of history against what the disk holds; whatever is not
// written yet would be taken for missing, and a silence up to which it fills is written too.
func (b *batch) ask(d day, at, after time.Time) songspy.Reconciled {
	if len(b.writing) > 0 {
		return songspy.Reconciled{}
	}
	answer := NewAnswer(d.history(at, after), after).Tellable(b.playing)
	items := answer.Items
	b.untold = b.untold.Asked(at)
	if len(items) == 0 {
		return songspy.Reconciled{}
	}
	r := Reconcile(b.kept(items), answer, Settled(b.playing))
	b.retell(r)
	if len(r.Found) > 0 && b.unsaved && !b.playing.Open() {
		b.unsaved = false
		b.hear(songspy.Hearing{Playing: b.playing})
	}
	return r
}

// kept is what the store gives around an answer: what reaches into its time,
// and thirty plays before.
func (d *disk) kept(items []songspy.HistoryItem) (k songspy.Kept) {
	from, to := items[0].PlayedAt, items[0].PlayedAt
	for _, i := range items {
		from, to = earlier(from, i.PlayedAt.Add(-i.Track.Duration())), later(to, i.PlayedAt.Add(i.Track.Duration()))
	}
	from, to = from.Add(-time.Minute), to.Add(time.Hour)
	first := max(0, slices.IndexFunc(d.plays, func(p songspy.KeptPlay) bool { return p.Play.StartedAt.After(from) })-30)
	for _, p := range d.plays[first:] {
		if p.Play.StartedAt.Before(to) {
			k.Plays = append(k.Plays, p)
		}
	}
	k.Told, k.Habit = slices.Clone(d.told), d.habit
	return k
}

// retell writes what history adds.
func (d *disk) retell(r songspy.Reconciled) {
	d.plays = slices.DeleteFunc(d.plays, func(k songspy.KeptPlay) bool {
		return slices.ContainsFunc(r.Refuted, func(f songspy.KeptPlay) bool { return f.Play.ID == k.Play.ID })
	})
	for _, c := range r.Confirmed {
		i := slices.IndexFunc(d.plays, func(k songspy.KeptPlay) bool { return k.Play.ID == c.Play.ID })
		d.plays[i].Play = c.Play
		d.enter(c.HeardAt, c.Play.ID)
	}
	for _, f := range r.Found {
		d.add(f)
		d.enter(f.HeardAt, d.id)
	}
	for _, u := range r.Unplaced {
		d.enter(u.PlayedAt, 0)
	}
	d.habit = d.habit.Plus(r.Learned)
	sortKnown(d.plays)
}

// enter writes the ledger's line of an item, in place of a former one.
func (d *disk) enter(heard time.Time, play songspy.PlayID) {
	if heard.IsZero() {
		return
	}
	for i := range d.plays {
		switch k := &d.plays[i]; {
		case k.Play.ID == play:
			k.HeardAt = heard
		case k.HeardAt.Equal(heard):
			k.HeardAt = time.Time{}
		}
	}
	if !slices.ContainsFunc(d.told, heard.Equal) {
		d.told = append(d.told, heard)
	}
}

// reconcile is Reconcile of all that history has.
func reconcile(kept songspy.Kept, items []songspy.HistoryItem, until time.Time) songspy.Reconciled {
	return Reconcile(kept, NewAnswer(items, time.Time{}), until)
}

// tellable are those of all items that may be told while n is open.
func tellable(n songspy.NowPlaying, items []songspy.HistoryItem) []songspy.HistoryItem {
	return NewAnswer(items, time.Time{}).Tellable(n).Items
}
