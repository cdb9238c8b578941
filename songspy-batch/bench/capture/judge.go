package main

import (
	"math"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// minListened is the listening time from which a play counts as one that should be recorded.
const minListened = 30 * time.Second

// judge compares the stored plays and the board with the real plays, and returns the figures.
func (r *policyRun) judge(plays []storedPlay) result {
	r.db.recordOutage(r.to) // an outage that lasts to the end
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
		v := userVerdict{result: &res, from: r.from, to: r.to, truth: truth, plays: byPerson[person], recorded: r.db.people[person], person: person, explain: r.explain}
		v.checkHistory()
		v.checkBoard()
		v.checkVisits(r.viewing)
		res.ExcessPolls = max(res.ExcessPolls, v.worstPollExcess())
	}
	res.finish()
	return res
}

// userVerdict compares one person's stored plays and board entries with the
// real plays, and adds the figures to result.
type userVerdict struct {
	*result
	from, to time.Time
	truth    []sim.Play
	plays    []storedPlay
	recorded observations
	person   int
	explain  bool
}

// isMeasured reports whether a play with this start is part of the measurement: from v.from,
// inclusive, to v.to, exclusive.
func (v userVerdict) isMeasured(start time.Time) bool {
	return !start.Before(v.from) && start.Before(v.to)
}

// checkHistory compares the stored plays with the real plays.
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
			if polled := v.wasPolled(t); polled || !t.ListedAt.IsZero() {
				v.Provable.observe(j >= 0)
				if j < 0 {
					v.explainPlay("lost", t.Track.URI, t.Start, t.End)
				}
				if polled {
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
			v.explainPlay("played too briefly", p.uri, p.start, p.end)
		}
		v.startOff = append(v.startOff, p.start.Sub(t.Start).Abs())
		v.listenedOff = append(v.listenedOff, (p.listened - t.Listened).Abs())
	}
	for _, j := range m.duplicates {
		if v.isMeasured(v.plays[j].start) {
			v.Claimed++
			v.Duplicates++
			p := v.plays[j]
			v.explainPlay("stored twice", p.uri, p.start, p.end)
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

// matchPlays pairs the real plays with the stored plays that are certain, and returns the
// pairs. It pairs the remaining real plays with the probable plays, and counts how many
// probable plays are right. probable[i] says whether real play i has a probable play and
// minListened of listening time.
func (v *userVerdict) matchPlays() (m matchResult, probable []bool) {
	var certain, probables []storedPlay
	for _, p := range v.plays {
		if p.probable {
			probables = append(probables, p)
		} else {
			certain = append(certain, p)
		}
	}
	v.plays = certain
	m = match(v.truth, certain)
	left := slices.Clone(v.truth)
	for i := range left {
		if m.stored[i] >= 0 {
			left[i].Track = sim.Track{} // matched already: no probable play may match it
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
				v.explainPlay("probable but not played", p.uri, p.start, p.end)
			}
		}
	}
	return m, probable
}

// isObservable reports whether the player or history can show a play at all.
func isObservable(t sim.Play) bool { return !t.Private && isListedKind(t.Track.Kind) }

func isListedKind(k sim.Kind) bool {
	return k == sim.KindTrack || k == sim.KindEpisode || k == sim.KindLocal
}

// wasPolled reports whether a poll returned the play.
func (v userVerdict) wasPolled(t sim.Play) bool {
	i, _ := slices.BinarySearchFunc(v.recorded.shownPolls, t.Start, time.Time.Compare)
	return i < len(v.recorded.shownPolls) && v.recorded.shownPolls[i].Before(t.End) && !t.Offline
}

// followed reports whether polls observed the real play i for 30 s of playing time or more, or
// whether they observed it and the next play, which began within 5 s of the end of its track.
func (v userVerdict) followed(i int) bool {
	t := v.truth[i]
	first, _ := slices.BinarySearchFunc(v.recorded.shownPolls, t.Start, time.Time.Compare)
	after, _ := slices.BinarySearchFunc(v.recorded.shownPolls, t.End, time.Time.Compare)
	if t.Offline || first == after {
		return false
	}
	from, to := v.recorded.shownPolls[first], v.recorded.shownPolls[after-1]
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

// In any hour a user may be polled at most pollsPerHour times, plus
// pollsPerPlay times for each play that starts in that hour.
const (
	pollsPerHour = 24
	pollsPerPlay = 3
)

// worstPollExcess returns by how many polls the worst hour exceeds its limit. It checks each
// hour that starts with a poll. A negative result means that no hour reaches the limit.
func (v userVerdict) worstPollExcess() int {
	worst := math.MinInt
	for i, from := range v.recorded.polls {
		if !v.isMeasured(from) {
			continue
		}
		until := from.Add(time.Hour)
		after, _ := slices.BinarySearchFunc(v.recorded.polls, until, time.Time.Compare)
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

// checkBoard compares the board entries with the plays that the player shows.
func (v userVerdict) checkBoard() {
	for i, t := range v.truth {
		if !v.isMeasured(t.Start) || !isObservable(t) || t.Offline {
			continue
		}
		var restartedAfter time.Time // a board entry with an earlier start belongs to the previous play of the same track
		if i > 0 && v.truth[i-1].Track.URI == t.Track.URI {
			previous := v.truth[i-1].Start
			restartedAfter = previous.Add(t.Start.Sub(previous) / 2)
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

// shownAt returns the time at which the board first showed a play, or false if the board never
// did. The play of the board entry must have begun after restartedAfter, or the entry before it
// must be of another track.
func (v userVerdict) shownAt(t sim.Play, restartedAfter time.Time) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(v.recorded.shown, t.Start, func(s boardState, at time.Time) int { return s.from.Compare(at) })
	for ; i < len(v.recorded.shown) && v.recorded.shown[i].from.Before(t.End); i++ {
		s := v.recorded.shown[i]
		if s.plays(t.Track.URI) && (s.playing.StartedAt.After(restartedAfter) || i == 0 || !v.recorded.shown[i-1].plays(t.Track.URI)) {
			return s.from, true
		}
	}
	return time.Time{}, false
}

// shownFor returns for how much of the interval the board showed the track as playing.
func (v userVerdict) shownFor(uri string, part interval) (total time.Duration) {
	i, _ := slices.BinarySearchFunc(v.recorded.shown, part.from, func(s boardState, at time.Time) int { return s.from.Compare(at) })
	for i = max(0, i-1); i < len(v.recorded.shown) && v.recorded.shown[i].from.Before(part.to); i++ {
		s := v.recorded.shown[i]
		until := s.playing.ShownUntil()
		if i+1 < len(v.recorded.shown) && v.recorded.shown[i+1].from.Before(until) {
			until = v.recorded.shown[i+1].from
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

// interval is the time from one moment to another.
type interval struct{ from, to time.Time }

// playingIntervals returns the times in which a play was playing: before and after its pause.
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
