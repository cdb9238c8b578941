package main

import (
	"math"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// enough is how much of a play must have sounded for recall to ask for it.
const enough = 30 * time.Second

// judge holds what was stored and shown against what was played.
func (r *record) judge(plays []stored) row {
	f := row{
		Policy: r.policy.name, Looks: r.db.looks, Histories: r.db.histories, Calls: r.db.looks + r.db.histories,
		Refused: r.db.refused, personDays: float64(r.people * r.days), Excess: math.MinInt,
		MostThrottled: float64(r.db.throttled) * 7 / float64(r.days), Dark: r.db.dark.Seconds(),
	}
	byPerson := make([][]stored, r.people)
	for _, p := range plays {
		byPerson[p.person] = append(byPerson[p.person], p)
	}
	for person := range r.people {
		truth := r.sim.Truth(person, r.from.Add(-before), r.to.Add(after))
		v := verdict{row: &f, from: r.from, to: r.to, truth: truth, plays: byPerson[person], seen: r.db.people[person], person: person, explain: r.explain}
		v.history()
		v.board()
		f.Excess = max(f.Excess, v.worstHour())
	}
	f.sum()
	return f
}

// verdict judges one person.
type verdict struct {
	*row
	from, to time.Time
	truth    []sim.Play
	plays    []stored
	seen     seen
	person   int
	explain  bool
}

// measured reports whether something that began then is measured.
func (v verdict) measured(start time.Time) bool { return !start.Before(v.from) && start.Before(v.to) }

// history judges the stored plays.
func (v *verdict) history() {
	m, probable := v.matched()
	for i, t := range v.truth {
		if !v.measured(t.Start) {
			continue
		}
		j := m.stored[i]
		if asked := knowable(t) && t.Listened >= enough; asked {
			v.Plays.add(j >= 0)
			v.WithProbable.add(j >= 0 || probable[i])
			if seen := v.looked(t); seen || !t.InHistory.IsZero() {
				v.Provable.add(j >= 0)
				if j < 0 {
					v.tell("lost", t.Track.URI, t.Start, t.End)
				}
				if seen {
					v.Seen.add(j >= 0)
				}
				if !t.InHistory.IsZero() || v.followed(i) {
					v.Followed.add(j >= 0)
				}
			}
		}
		if j < 0 {
			continue
		}
		p := v.plays[j]
		v.Claimed++
		if !songspy.Counts(t.Listened.Milliseconds(), t.Track.Duration.Milliseconds()) {
			v.NotPlayed++
			v.tell("hardly played", p.uri, p.start, p.end)
		}
		v.startOff = append(v.startOff, p.start.Sub(t.Start).Abs())
		v.listenedOff = append(v.listenedOff, (p.listened - t.Listened).Abs())
	}
	for _, j := range m.doubles {
		if v.measured(v.plays[j].start) {
			v.Claimed++
			v.Doubles++
			p := v.plays[j]
			v.tell("doubled", p.uri, p.start, p.end)
		}
	}
	for _, j := range m.invented {
		if v.measured(v.plays[j].start) {
			v.Claimed++
			v.NotPlayed++
			p := v.plays[j]
			v.tell("not played", p.uri, p.start, p.end)
		}
	}
}

// matched pairs the real plays with the proven ones, and says which of the others
// a probable play tells of. What a probable play tells of besides is judged here.
func (v *verdict) matched() (m matched, probable []bool) {
	var proven, likely []stored
	for _, p := range v.plays {
		if p.probable {
			likely = append(likely, p)
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
	right := make([]bool, len(likely))
	for i, j := range match(left, likely).stored {
		if j >= 0 && v.truth[i].Listened >= enough {
			probable[i], right[j] = true, true
		}
	}
	for j, p := range likely {
		if v.measured(p.start) {
			v.Probable.add(right[j])
			if !right[j] {
				v.tell("probable, and not played", p.uri, p.start, p.end)
			}
		}
	}
	return m, probable
}

// knowable reports whether anybody but the person can ever know of a play.
func knowable(t sim.Play) bool { return !t.Private && listed(t.Track.Kind) }

func listed(k sim.Kind) bool {
	return k == sim.KindTrack || k == sim.KindEpisode || k == sim.KindLocal
}

// looked reports whether a look was answered with the play.
func (v verdict) looked(t sim.Play) bool {
	i, _ := slices.BinarySearchFunc(v.seen.looks, t.Start, time.Time.Compare)
	return i < len(v.seen.looks) && v.seen.looks[i].Before(t.End) && !t.Offline
}

// followed reports whether polls saw a play sound for 30 s, or saw it and the
// play that began where it reached its end.
func (v verdict) followed(i int) bool {
	t := v.truth[i]
	first, _ := slices.BinarySearchFunc(v.seen.looks, t.Start, time.Time.Compare)
	after, _ := slices.BinarySearchFunc(v.seen.looks, t.End, time.Time.Compare)
	if t.Offline || first == after {
		return false
	}
	from, to := v.seen.looks[first], v.seen.looks[after-1]
	var sounded time.Duration
	for _, part := range sounding(t) {
		sounded += max(0, earlier(part.to, to).Sub(later(part.from, from)))
	}
	if sounded >= enough {
		return true
	}
	const seamless = 5 * time.Second
	return t.Complete && i+1 < len(v.truth) && v.truth[i+1].Start.Sub(t.End) <= seamless && listed(v.truth[i+1].Track.Kind) && v.looked(v.truth[i+1])
}

// What a player may cost in any hour.
const (
	pollsAnHour = 24
	pollsAPlay  = 3
)

// worstHour is by how much the polls of an hour exceed what they may be, in the
// worst hour that begins with a poll.
func (v verdict) worstHour() int {
	worst := math.MinInt
	for i, from := range v.seen.polls {
		if !v.measured(from) {
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
		worst = max(worst, after-i-pollsAnHour-pollsAPlay*began)
	}
	return worst
}

// board judges what viewers saw of what the provider shows.
func (v verdict) board() {
	for i, t := range v.truth {
		if !v.measured(t.Start) || !knowable(t) || t.Offline {
			continue
		}
		var anew time.Time // a board entry that began before tells of the former play
		if i > 0 && v.truth[i-1].Track.URI == t.Track.URI {
			former := v.truth[i-1].Start
			anew = former.Add(t.Start.Sub(former) / 2)
		}
		if at, ok := v.shownAt(t, anew); ok {
			v.delay = append(v.delay, at.Sub(t.Start))
		} else {
			v.Unshown++
		}
		for _, part := range sounding(t) {
			v.playing += part.to.Sub(part.from)
			v.onBoard += v.shownFor(t.Track.URI, part)
		}
	}
}

// shownAt is when the board first showed a play.
func (v verdict) shownAt(t sim.Play, anew time.Time) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(v.seen.shown, t.Start, func(s shown, at time.Time) int { return s.from.Compare(at) })
	for ; i < len(v.seen.shown) && v.seen.shown[i].from.Before(t.End); i++ {
		s := v.seen.shown[i]
		if s.plays(t.Track.URI) && (s.playing.StartedAt.After(anew) || i == 0 || !v.seen.shown[i-1].plays(t.Track.URI)) {
			return s.from, true
		}
	}
	return time.Time{}, false
}

// shownFor is for how long of a stretch the board showed the track as playing.
func (v verdict) shownFor(uri string, part stretch) (total time.Duration) {
	i, _ := slices.BinarySearchFunc(v.seen.shown, part.from, func(s shown, at time.Time) int { return s.from.Compare(at) })
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

func (s shown) plays(uri string) bool {
	return s.playing.State == songspy.PlayerPlaying && s.playing.TrackURI == uri
}

// stretch is a time during which a play sounds.
type stretch struct{ from, to time.Time }

func sounding(t sim.Play) []stretch {
	pause := t.Start.Add(t.PauseAfter)
	if t.PauseFor == 0 || !pause.Before(t.End) {
		return []stretch{{t.Start, t.End}}
	}
	return []stretch{{t.Start, pause}, {pause.Add(t.PauseFor), later(t.End, pause.Add(t.PauseFor))}}
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
