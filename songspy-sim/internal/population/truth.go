package population

import (
	"cmp"
	"slices"
	"time"
)

// Playback is what a player really does at one time.
type Playback struct {
	State    State
	Play     Play          // zero if State is Idle
	Progress time.Duration // the real position in the track
	Visible  bool          // the Web API shows the play, because it is neither private nor offline
}

// PlaybackAt returns what a person's player really does at a time.
func (w *World) PlaybackAt(person int, at time.Time) Playback {
	var p play
	now := at.UnixMilli()
	if !w.findPlay(person, now, &p) {
		return Playback{State: Idle}
	}
	position, paused := p.position(now)
	s := Playback{
		State: Playing, Play: w.toPlay(person, &p), Progress: time.Duration(position) * time.Millisecond,
		Visible: !p.private && !p.offline,
	}
	if paused {
		s.State = Paused
	}
	return s
}

// Truth returns a person's plays that overlap [from, to), oldest first.
func (w *World) Truth(person int, from, to time.Time) []Play {
	var plays []Play
	w.eachPlay(person, from.UnixMilli(), to.UnixMilli(), func(p *play) bool {
		plays = append(plays, w.toPlay(person, p))
		return true
	})
	return plays
}

// HistoryItem is one item of recently-played.
type HistoryItem struct {
	Track    *Track
	PlayedAt int64  // played_at, in milliseconds since 1970
	Key      uint64 // identifies the play
}

// historyLimit is the maximum number of a person's plays that the endpoint recently-played
// returns.
const historyLimit = 50

// History returns what the endpoint recently-played returns at a time: of the plays whose
// ListedAt has come, the last 50 by PlayedAt, newest first. If completeOnly is true, it lists only plays
// that reached the end of their track, as some users of Spotify have reported.
func (w *World) History(person int, at time.Time, completeOnly bool) []HistoryItem {
	now := at.UnixMilli()
	t := w.traits(person)
	var items []HistoryItem
	add := func(p *play) bool {
		playedAt, from, ok := p.historyTimes(t)
		if ok && from <= now && (p.complete || !completeOnly) {
			items = append(items, HistoryItem{Track: w.trackOf(p), PlayedAt: playedAt, Key: p.key})
		}
		return true
	}
	newest := func() []HistoryItem {
		slices.SortStableFunc(items, func(a, b HistoryItem) int { return cmp.Compare(b.PlayedAt, a.PlayedAt) })
		return items[:min(len(items), historyLimit)]
	}
	if _, ok := w.scriptOf(person); ok {
		w.eachPlay(person, w.epoch, now, add)
		return newest()
	}
	const emptySlotsMax = 400 // the maximum number of slots before the present one that are searched for plays
	first := w.slotOf(person, w.epoch)
	for slot := w.slotOf(person, now); slot >= max(first, w.slotOf(person, now)-emptySlotsMax) && len(items) < historyLimit; slot-- {
		begin := slot*w.slot + w.slotPhase(person)
		w.eachPlay(person, begin, min(begin+w.slot, now), add)
	}
	return newest()
}

func (w *World) toPlay(person int, p *play) Play {
	if p.scripted != nil {
		return *p.scripted
	}
	out := Play{
		Track: Track{Kind: p.kind, Duration: durationOf(p.duration)},
		Start: timeOf(p.start), End: timeOf(p.end), From: durationOf(p.from),
		PauseAfter: durationOf(p.pauseAt), PauseFor: durationOf(p.pause), Jump: durationOf(p.jump),
		Listened: durationOf(p.listened()), Complete: p.complete, Skipped: p.skipped,
		Private: p.private, Offline: p.offline, NoProgress: p.noProgress, Linger: durationOf(p.linger),
		Speed: float64(p.speed) / 1000, Inserted: durationOf(p.inserted), Unlisted: p.unlisted, Stall: p.stall, ZeroProgress: p.zeroProgress, MixedFor: durationOf(p.mixedFor),
	}
	if t := w.trackOf(p); t != nil {
		out.Track = *t
	}
	if playedAt, from, ok := p.historyTimes(w.traits(person)); ok {
		out.PlayedAt, out.ListedAt = timeOf(playedAt), timeOf(from)
	}
	return out
}

func durationOf(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func timeOf(n int64) time.Time { return time.UnixMilli(n).UTC() }
