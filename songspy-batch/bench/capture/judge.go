package main

import (
	"math"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// enough is how much of a play must have sounded for recall to ask for it.
const minListened = 30 * time.Second

// judge holds what was stored and shown against what was played.
func (r *policyRun) judge(plays []storedPlay) result {
	res := result{
		Policy: r.policy.name, Polls: r.db.polls, HistoryFetches: r.db.historyFetches, Calls: r.db.polls + r.db.historyFetches,
		Refused: r.db.refused, personDays: float64(r.people * r.days), ExcessPolls: math.MinInt,
		MaxRateLimited: float64(r.db.rateLimited) * 7 / float64(r.days), LongestOutage: r.db.longestOutage.Seconds(),
	}
	byPerson := make([][]storedPlay, r.people)
	for _, p := range plays {
		byPerson[p.person] = append(byPerson[p.person], p)
	}
	for person := range r.people {
		truth := r.sim.Truth(person, r.from.Add(-defaultWarmUp), r.to.Add(coolDown))
		v := userVerdict{result: &res, from: r.from, to: r.to, truth: truth, plays: byPerson[person], seen: r.db.people[person], person: person, explain: r.explain}
		v.checkHistory()
		v.checkBoard()
		res.ExcessPolls = max(res.ExcessPolls, v.worstPollExcess())
	}
	res.finish()
	return res
}

// verdict judges one person.
type userVerdict struct {
	*result
	from, to time.Time
	truth    []sim.Play
	plays    []storedPlay
	seen     observations
	person   int
	explain  bool
}

// measured reports whether something that began then is measured.
func (v userVerdict) isMeasured(start time.Time) bool {
	return !start.Before(v.from) && start.Before(v.to)
}

// history judges the stored plays.
func (v *userVerdict) checkHistory() {
	m, probable := v.matchPlays()
	for i, t := range v.truth {
		if !v.isMeasured(t.Start) {
			continue
		}
		j := m.stored[i]
		if wanted := isObservable(t) && t.Listened >= minListened; wanted {
			v.Plays.observe(j >= 0)
			v.WithProbable.observe(j >= 0 || probable[i])
			if seen := v.wasPolled(t); seen || !t.ListedAt.IsZero() {
				v.Provable.observe(j >= 0)
				if j < 0 {
					v.explainPlay("lost", t.Track.URI, t.Start, t.End)
				}
				if seen {
					v.Seen.observe(j >= 0)
				}
				if !t.ListedAt.IsZero() || v.followed(i) {
					v.Followed.observe(j >= 0)
				}
			}
		}
		if j < 0 {
			continue
		}
		p := v.plays[j]
		v.Claimed++
		if !songspy.IsCounted(t.Listened.Milliseconds(), t.Track.Duration.Milliseconds()) {
			v.NotPlayed++
			v.explainPlay("hardly played", p.uri, p.start, p.end)
		}
		v.startOff = append(v.startOff, p.start.Sub(t.Start).Abs())
		v.listenedOff = append(v.listenedOff, (p.listened - t.Listened).Abs())
	}
	for _, j := range m.duplicates {
		if v.isMeasured(v.plays[j].start) {
			v.Claimed++
			v.Duplicates++
			p := v.plays[j]
			v.explainPlay("doubled", p.uri, p.start, p.end)
		}
	}
	for _, j := range m.invented {
		if v.isMeasured(v.plays[j].start) {
			v.Claimed++
			v.NotPlayed++
			p := v.plays[j]
			v.explainPlay("not played", p.uri, p.start, p.end)
		}
	}
}

// matched pairs the real plays with the proven ones, and says which of the others
// a probable play tells of. What a probable play tells of besides is judged here.
func (v *userVerdict) matchPlays() (m matchResult, probable []bool) {
	var proven, probables []storedPlay
	for _, p := range v.plays {
		if p.probable {
			probables = append(probables, p)
		} else {
			proven = append(proven, p)
		}
	}
	v.plays = proven
	m = match(v.truth, proven)
	left := slices.Clone(v.truth)
	for i := range left {
		if m.stored[i] >= 0 {
			left[i].Track = sim.Track{} // told of already
		}
	}
	probable = make([]bool, len(v.truth))
	right := make([]bool, len(probables))
	for i, j := range match(left, probables).stored {
		if j >= 0 && v.truth[i].Listened >= minListened {
			probable[i], right[j] = true, true
		}
	}
	for j, p := range probables {
		if v.isMeasured(p.start) {
			v.Probable.observe(right[j])
			if !right[j] {
				v.explainPlay("probable, and not played", p.uri, p.start, p.end)
			}
		}
	}
	return m, probable
}

// knowable reports whether anybody but the person can ever know of a play.
func isObservable(t sim.Play) bool { return !t.Private && isListedKind(t.Track.Kind) }

func isListedKind(k sim.Kind) bool {
	return k == sim.KindTrack || k == sim.KindEpisode || k == sim.KindLocal
}

// looked reports whether a look was answered with the play.
func (v userVerdict) wasPolled(t sim.Play) bool {
	i, _ := slices.BinarySearchFunc(v.seen.shownPolls, t.Start, time.Time.Compare)
	return i < len(v.seen.shownPolls) && v.seen.shownPolls[i].Before(t.End) && !t.Offline
}

// followed reports whether polls saw a play sound for 30 s, or saw it and the
// play that began where it reached its end.
func (v userVerdict) followed(i int) bool {
	t := v.truth[i]
	first, _ := slices.BinarySearchFunc(v.seen.shownPolls, t.Start, time.Time.Compare)
	after, _ := slices.BinarySearchFunc(v.seen.shownPolls, t.End, time.Time.Compare)
	if t.Offline || first == after {
		return false
	}
	from, to := v.seen.shownPolls[first], v.seen.shownPolls[after-1]
	var playedFor time.Duration
	for _, part := range playingIntervals(t) {
		playedFor += max(0, earlier(part.to, to).Sub(later(part.from, from)))
	}
	if playedFor >= minListened {
		return true
	}
	const seamless = 5 * time.Second
	return t.Complete && i+1 < len(v.truth) && v.truth[i+1].Start.Sub(t.End) <= seamless && isListedKind(v.truth[i+1].Track.Kind) && v.wasPolled(v.truth[i+1])
}

// What a player may cost in any hour.
const (
	pollsPerHour = 24
	pollsPerPlay = 3
)

// worstHour is by how much the polls of an hour exceed what they may be, in the
// worst hour that begins with a poll.
func (v userVerdict) worstPollExcess() int {
	worst := math.MinInt
	for i, from := range v.seen.polls {
		if !v.isMeasured(from) {
			continue
		}
		until := from.Add(time.Hour)
		after, _ := slices.BinarySearchFunc(v.seen.polls, until, time.Time.Compare)
		began := 0
		for _, t := range v.truth {
			if !t.Start.Before(from) && t.Start.Before(until) {
				began++
			}
		}
		worst = max(worst, after-i-pollsPerHour-pollsPerPlay*began)
	}
	return worst
}

// board judges what viewers saw of what the provider shows.
func (v userVerdict) checkBoard() {
	for i, t := range v.truth {
		if !v.isMeasured(t.Start) || !isObservable(t) || t.Offline {
			continue
		}
		var restartedAfter time.Time // a board entry that began before tells of the former play
		if i > 0 && v.truth[i-1].Track.URI == t.Track.URI {
			former := v.truth[i-1].Start
			restartedAfter = former.Add(t.Start.Sub(former) / 2)
		}
		if at, ok := v.shownAt(t, restartedAfter); ok {
			v.delay = append(v.delay, at.Sub(t.Start))
		} else {
			v.NeverShown++
		}
		for _, part := range playingIntervals(t) {
			v.playing += part.to.Sub(part.from)
			v.onBoard += v.shownFor(t.Track.URI, part)
		}
	}
}

// shownAt is when the board first showed a play.
func (v userVerdict) shownAt(t sim.Play, restartedAfter time.Time) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(v.seen.shown, t.Start, func(s boardState, at time.Time) int { return s.from.Compare(at) })
	for ; i < len(v.seen.shown) && v.seen.shown[i].from.Before(t.End); i++ {
		s := v.seen.shown[i]
		if s.plays(t.Track.URI) && (s.playing.StartedAt.After(restartedAfter) || i == 0 || !v.seen.shown[i-1].plays(t.Track.URI)) {
			return s.from, true
		}
	}
	return time.Time{}, false
}

// shownFor is for how long of a stretch the board showed the track as playing.
func (v userVerdict) shownFor(uri string, part interval) (total time.Duration) {
	i, _ := slices.BinarySearchFunc(v.seen.shown, part.from, func(s boardState, at time.Time) int { return s.from.Compare(at) })
	for i = max(0, i-1); i < len(v.seen.shown) && v.seen.shown[i].from.Before(part.to); i++ {
		s := v.seen.shown[i]
		until := s.playing.ShownUntil()
		if i+1 < len(v.seen.shown) && v.seen.shown[i+1].from.Before(until) {
			until = v.seen.shown[i+1].from
		}
		if s.plays(uri) {
			total += max(0, earlier(until, part.to).Sub(later(s.from, part.from)))
		}
	}
	return total
}

func (s boardState) plays(uri string) bool {
	return s.playing.State == songspy.PlayerPlaying && s.playing.TrackURI == uri
}

// stretch is a time during which a play sounds.
type interval struct{ from, to time.Time }

func playingIntervals(t sim.Play) []interval {
	pause := t.Start.Add(t.PauseAfter)
	if t.PauseFor == 0 || !pause.Before(t.End) {
		return []interval{{t.Start, t.End}}
	}
	return []interval{{t.Start, pause}, {pause.Add(t.PauseFor), later(t.End, pause.Add(t.PauseFor))}}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
