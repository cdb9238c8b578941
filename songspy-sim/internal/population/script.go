package population

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Script replaces a person's generated plays. A nil slice restores the generated plays. An
// empty slice that is not nil means that the person never plays anything.
//
// Only Track.URI and Start are required. If a track has no Duration, it is as long as the
// play lasts until End, or three minutes if there is no End either. A play ends at the end
// of its track, at its End or at the Start of the next play, whichever comes first, so
// plays never overlap. Listened is always computed, PlayedAt and ListedAt only if they are
// zero. Complete becomes true for a play that reaches the end of its track. Polls of a
// scripted person never get a false 204 (no active player).
func (w *World) Script(person int, plays []Play) {
	w.scriptMu.Lock()
	defer w.scriptMu.Unlock()
	scripts := map[int][]play{}
	if old := w.scripts.Load(); old != nil {
		maps.Copy(scripts, *old)
	}
	delete(scripts, person)
	if plays != nil {
		scripts[person] = w.compileScript(person, plays)
	}
	w.scripts.Store(&scripts)
}

func (w *World) compileScript(person int, list []Play) []play {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Play) int { return a.Start.Compare(b.Start) })
	plays := make([]play, len(list))
	for i := range list {
		given := &list[i]
		fillTrack(given)
		p := &plays[i]
		*p = play{
			start: given.Start.UnixMilli(), duration: given.Track.Duration.Milliseconds(), from: given.From.Milliseconds(),
			pauseAt: given.PauseAfter.Milliseconds(), pause: given.PauseFor.Milliseconds(), jump: given.Jump.Milliseconds(),
			linger: given.Linger.Milliseconds(), key: hash(w.seed, saltScripted, uint64(person), uint64(given.Start.UnixMilli())),
			track: -1, kind: given.Track.Kind, private: given.Private, offline: given.Offline, noProgress: given.NoProgress,
			speed: int64(math.Round(given.Speed * 1000)), inserted: given.Inserted.Milliseconds(), unlisted: given.Unlisted,
			stall: given.Stall, zeroProgress: given.ZeroProgress, mixedFor: given.MixedFor.Milliseconds(),
		}
		if i > 0 {
			p.previousProgress, _ = plays[i-1].position(plays[i-1].end)
		}
		runsOut := p.start + p.timeFor(p.duration+p.inserted-p.from-p.jump) + p.pause
		p.end = runsOut
		if !given.End.IsZero() {
			p.end = min(p.end, given.End.UnixMilli())
		}
		if i+1 < len(list) {
			p.end = min(p.end, list[i+1].Start.UnixMilli())
		}
		p.sessionEnd = p.end
		if i+1 < len(list) {
			p.linger = min(p.linger, list[i+1].Start.UnixMilli()-p.end)
		}
		p.complete = p.end == runsOut
		given.Complete = given.Complete || p.complete
		p.complete = given.Complete
		w.fillPlay(person, given, p)
		p.scripted = given
	}
	return plays
}

// fillTrack sets the fields of a play's track that the script did not set.
func fillTrack(given *Play) {
	t := &given.Track
	t.Kind = cmp.Or(t.Kind, KindTrack)
	t.HistoryURI = cmp.Or(t.HistoryURI, t.URI)
	if t.ID == "" && t.Kind != KindLocal {
		t.ID = t.URI[strings.LastIndexByte(t.URI, ':')+1:]
	}
	if t.Duration == 0 {
		t.Duration = 3 * time.Minute
		if !given.End.IsZero() {
			t.Duration = given.From + given.End.Sub(given.Start) - given.PauseFor + given.Jump
		}
	}
}

// fillPlay copies the values that compileScript has computed, namely Start, End, Linger and
// Listened, from p to the script's play. It sets PlayedAt and ListedAt if the script did
// not set them.
func (w *World) fillPlay(person int, given *Play, p *play) {
	given.Start, given.End = timeOf(p.start), timeOf(p.end)
	given.Linger = time.Duration(p.linger) * time.Millisecond
	given.Listened = durationOf(p.listened())
	if given.PlayedAt.IsZero() {
		if playedAt, from, ok := p.historyTimes(w.traits(person)); ok {
			given.PlayedAt = timeOf(playedAt)
			if given.ListedAt.IsZero() {
				given.ListedAt = timeOf(from)
			}
		}
	} else if given.ListedAt.IsZero() {
		given.ListedAt = given.PlayedAt
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
