package population

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Script replaces a person's invented listening by plays. Nil gives the
// invented listening back; an empty list is a person who never listens.
//
// Only Track.URI and Start are needed. A track without a Duration lasts three
// minutes, or until End. Without an End a play runs to the end of
// its track, or to the next play's Start if that comes first: plays never
// overlap. Listened, Complete, Skipped, HeardAt and InHistory are worked out
// where they are zero. A scripted person gets no spurious 204.
func (w *World) Script(person int, plays []Play) {
	w.scripting.Lock()
	defer w.scripting.Unlock()
	scripts := map[int][]play{}
	if old := w.scripts.Load(); old != nil {
		maps.Copy(scripts, *old)
	}
	delete(scripts, person)
	if plays != nil {
		scripts[person] = w.scripted(person, plays)
	}
	w.scripts.Store(&scripts)
}

func (w *World) scripted(person int, words []Play) []play {
	words = slices.Clone(words)
	slices.SortStableFunc(words, func(a, b Play) int { return a.Start.Compare(b.Start) })
	plays := make([]play, len(words))
	for i := range words {
		word := &words[i]
		complete(word)
		p := &plays[i]
		*p = play{
			start: word.Start.UnixMilli(), duration: word.Track.Duration.Milliseconds(), from: word.From.Milliseconds(),
			breakAt: word.PauseAfter.Milliseconds(), pause: word.PauseFor.Milliseconds(), jump: word.Jump.Milliseconds(),
			linger: word.Linger.Milliseconds(), key: hash(w.seed, saltScripted, uint64(person), uint64(word.Start.UnixMilli())),
			track: -1, kind: word.Track.Kind, private: word.Private, offline: word.Offline, noProgress: word.NoProgress,
			speed: int64(math.Round(word.Speed * 1000)), inserted: word.Inserted.Milliseconds(), unlisted: word.Unlisted,
			stall: word.Stall, zero: word.ZeroProgress, mixed: word.Mixed.Milliseconds(),
		}
		if i > 0 {
			p.former, _ = plays[i-1].position(plays[i-1].end)
		}
		runsOut := p.start + p.lasts(p.duration+p.inserted-p.from-p.jump) + p.pause
		p.end = runsOut
		if !word.End.IsZero() {
			p.end = min(p.end, word.End.UnixMilli())
		}
		if i+1 < len(words) {
			p.end = min(p.end, words[i+1].Start.UnixMilli())
		}
		p.sessionEnd = p.end
		if i+1 < len(words) {
			p.linger = min(p.linger, words[i+1].Start.UnixMilli()-p.end)
		}
		p.complete = p.end == runsOut
		word.Complete = word.Complete || p.complete
		p.complete = word.Complete
		w.settle(person, word, p)
		p.scripted = word
	}
	return plays
}

// complete fills in what a script left out of a track.
func complete(word *Play) {
	t := &word.Track
	t.Kind = cmp.Or(t.Kind, KindTrack)
	t.HistoryURI = cmp.Or(t.HistoryURI, t.URI)
	if t.ID == "" && t.Kind != KindLocal {
		t.ID = t.URI[strings.LastIndexByte(t.URI, ':')+1:]
	}
	if t.Duration == 0 {
		t.Duration = 3 * time.Minute
		if !word.End.IsZero() {
			t.Duration = word.From + word.End.Sub(word.Start) - word.PauseFor + word.Jump
		}
	}
}

// settle works out what a script left unsaid.
func (w *World) settle(person int, word *Play, p *play) {
	word.Start, word.End = instant(p.start), instant(p.end)
	word.Linger = time.Duration(p.linger) * time.Millisecond
	word.Listened = ms(p.listened())
	if word.HeardAt.IsZero() {
		if heardAt, from, ok := p.inHistory(w.traits(person)); ok {
			word.HeardAt = instant(heardAt)
			if word.InHistory.IsZero() {
				word.InHistory = instant(from)
			}
		}
	} else if word.InHistory.IsZero() {
		word.InHistory = word.HeardAt
	}
}

func findScripted(plays []play, at int64, p *play) bool {
	i, exact := slices.BinarySearchFunc(plays, at, func(p play, at int64) int {
		return int(min(max(p.start-at, -1), 1))
	})
	if !exact {
		i--
	}
	if i < 0 || at >= plays[i].end+plays[i].linger {
		return false
	}
	*p = plays[i]
	return true
}
