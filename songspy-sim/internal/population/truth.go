package population

import (
	"cmp"
	"slices"
	"time"
)

// Showing is what a player really does at one instant.
type Showing struct {
	State    State
	Play     Play          // zero when State is Nothing
	Progress time.Duration // position in the track
	Visible  bool          // the Web API shows it: neither private nor offline
}

// Now tells what a person's player does at an instant.
func (w *World) Now(person int, at time.Time) Showing {
	var p play
	now := at.UnixMilli()
	if !w.find(person, now, &p) {
		return Showing{State: Nothing}
	}
	position, paused := p.position(now)
	s := Showing{
		State: Playing, Play: w.export(person, &p), Progress: time.Duration(position) * time.Millisecond,
		Visible: !p.private && !p.offline,
	}
	if paused {
		s.State = Paused
	}
	return s
}

// Truth lists a person's plays that overlap [from, to), oldest first.
func (w *World) Truth(person int, from, to time.Time) []Play {
	var plays []Play
	w.each(person, from.UnixMilli(), to.UnixMilli(), func(p *play) bool {
		plays = append(plays, w.export(person, p))
		return true
	})
	return plays
}

// Heard is one line of a person's listening history.
type Heard struct {
	Track *Track
	At    int64 // played_at, milliseconds since 1970
	Key   uint64
}

// historyLimit is all that the Web API remembers of a person.
const historyLimit = 50

// History lists what recently-played knows at an instant: the last 50 plays
// that have arrived there, newest first. With completeOnly it knows only
// tracks that reached their end, as some have reported.
func (w *World) History(person int, at time.Time, completeOnly bool) []Heard {
	now := at.UnixMilli()
	t := w.traits(person)
	var heard []Heard
	add := func(p *play) bool {
		heardAt, from, ok := p.inHistory(t)
		if ok && from <= now && (p.complete || !completeOnly) {
			heard = append(heard, Heard{Track: w.item(p), At: heardAt, Key: p.key})
		}
		return true
	}
	newest := func() []Heard {
		slices.SortStableFunc(heard, func(a, b Heard) int { return cmp.Compare(b.At, a.At) })
		return heard[:min(len(heard), historyLimit)]
	}
	if _, ok := w.script(person); ok {
		w.each(person, w.epoch, now, add)
		return newest()
	}
	const patience = 400 // slots without a single play, and history is taken to be empty
	first := w.slotOf(person, w.epoch)
	for slot := w.slotOf(person, now); slot >= max(first, w.slotOf(person, now)-patience) && len(heard) < historyLimit; slot-- {
		begin := slot*w.slot + w.phase(person)
		w.each(person, begin, min(begin+w.slot, now), add)
	}
	return newest()
}

func (w *World) export(person int, p *play) Play {
	if p.scripted != nil {
		return *p.scripted
	}
	out := Play{
		Track: Track{Kind: p.kind, Duration: ms(p.duration)},
		Start: instant(p.start), End: instant(p.end), From: ms(p.from),
		PauseAfter: ms(p.breakAt), PauseFor: ms(p.pause), Jump: ms(p.jump),
		Listened: ms(p.listened()), Complete: p.complete, Skipped: p.skipped,
		Private: p.private, Offline: p.offline, NoProgress: p.noProgress, Linger: ms(p.linger),
		Speed: float64(p.speed) / 1000, Inserted: ms(p.inserted), Unlisted: p.unlisted, Stall: p.stall, ZeroProgress: p.zero, Mixed: ms(p.mixed),
	}
	if t := w.item(p); t != nil {
		out.Track = *t
	}
	if heardAt, from, ok := p.inHistory(w.traits(person)); ok {
		out.HeardAt, out.InHistory = instant(heardAt), instant(from)
	}
	return out
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func instant(n int64) time.Time { return time.UnixMilli(n).UTC() }
