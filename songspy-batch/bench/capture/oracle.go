package main

import (
	"context"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// moment is a look that the oracle makes.
type moment struct {
	at     time.Time
	person int
}

// just is how long after something happened a look surely shows it.
const just = 20 * time.Millisecond

// foresee makes the looks that tell most, as many as the service made: at the
// start of each song that shows, at its end, and where it pauses or stops. It
// is what asking could achieve at best, by the same rules of what is proven.
func (r *record) foresee(ctx context.Context) error {
	states, access := make([]songspy.NowPlaying, r.people), make([]songspy.Access, r.people)
	for person := range states {
		l, err := r.db.Link(ctx, userOf(person))
		if err != nil {
			return err
		}
		states[person] = songspy.NowPlaying{UserID: l.UserID, Generation: l.Generation}
		access[person] = songspy.Access{App: l.App, Token: l.AccessToken}
	}
	for _, m := range r.moments() {
		if !due.Wait(ctx, time.Until(m.at)) {
			break
		}
		obs, err := r.client.CurrentlyPlaying(ctx, access[m.person])
		if err != nil {
			return err
		}
		out := listening.Step(states[m.person], obs)
		states[m.person] = out.State
		if !out.Worth && !out.Visible && len(out.Plays) == 0 {
			continue
		}
		h := songspy.Hearing{Playing: out.State, Plays: out.Plays, Visible: out.Visible}
		if obs.Track.URI != "" {
			h.Tracks = []songspy.Track{obs.Track}
		}
		written, err := r.db.WriteListening(ctx, []songspy.Hearing{h})
		if err != nil {
			return err
		}
		states[m.person].TrackID = written[0].TrackID
	}
	return nil
}

// moments lists the oracle's looks in order. Where there are more than the
// service made, those that tell least are left out.
func (r *record) moments() []moment {
	var starts, ends, breaks []moment
	for person := range r.people {
		for _, p := range r.sim.Truth(person, time.Now(), r.to.Add(after)) {
			if p.Private || p.Offline {
				continue
			}
			starts = append(starts, moment{p.Start.Add(just), person})
			ends = append(ends, moment{p.End.Add(-just), person})
			breaks = append(breaks, breaksOf(person, p)...)
		}
	}
	all := slices.Concat(starts, ends, breaks)
	if r.calls > 0 {
		all = all[:min(len(all), r.calls)]
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

// breaksOf are the looks that tell where a play pauses, and that it stops.
func breaksOf(person int, p sim.Play) (looks []moment) {
	add := func(at time.Time) { looks = append(looks, moment{at, person}) }
	if pause := p.Start.Add(p.PauseAfter); p.PauseFor > 0 && pause.Before(p.End) {
		add(pause.Add(just))
		add(pause.Add(p.PauseFor + just))
	}
	if p.Linger > 0 {
		add(p.End.Add(just))
		add(p.End.Add(p.Linger + just))
		add(p.End.Add(p.Linger + 2*just))
	}
	return looks
}
