package main

import (
	"context"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// oraclePoll is one poll of the oracle, the policy that knows the real plays
// and polls at the best moments.
type oraclePoll struct {
	at     time.Time
	person int
}

// eventDelay is how long after an event (a start, the start or end of a pause, the stop
// of the player) the oracle polls, so that the simulator already shows the event. The
// last poll of a play comes eventDelay before the end of the play.
const eventDelay = 20 * time.Millisecond

// runOracle makes the most useful polls: at the start and the end of each play that the
// player shows, and at its pauses. It makes at most as many calls as the service made. With
// the same rules of playback.Step and as many calls, no polling policy without history fetches
// can do better.
func (r *policyRun) runOracle(ctx context.Context) error {
	states, access := make([]songspy.NowPlaying, r.people), make([]songspy.Credentials, r.people)
	for person := range states {
		l, err := r.db.Link(ctx, userOf(person))
		if err != nil {
			return err
		}
		states[person] = songspy.NowPlaying{UserID: l.UserID, Generation: l.Generation}
		access[person] = songspy.Credentials{App: l.App, Token: l.AccessToken}
	}
	for _, m := range r.oraclePolls() {
		if !delayqueue.Wait(ctx, time.Until(m.at)) {
			break
		}
		obs, err := r.client.CurrentlyPlaying(ctx, access[m.person])
		if err != nil {
			return err
		}
		out := playback.Step(states[m.person], obs)
		states[m.person] = out.State
		if !out.MustSave && !out.Visible && len(out.Plays) == 0 {
			continue
		}
		update := songspy.PlaybackUpdate{Playing: out.State, Plays: out.Plays, Visible: out.Visible}
		if obs.Track.URI != "" {
			update.Tracks = []songspy.Track{obs.Track}
		}
		written, err := r.db.WritePlaybackUpdates(ctx, []songspy.PlaybackUpdate{update})
		if err != nil {
			return err
		}
		states[m.person].TrackID = written[0].TrackID
	}
	return nil
}

// oraclePolls returns the oracle's polls, sorted by time. If there are more than r.calls, it
// leaves out the least useful ones: first those at pauses, then those at ends. If r.calls is
// 0, it returns all.
func (r *policyRun) oraclePolls() []oraclePoll {
	var starts, ends, pauses []oraclePoll
	for person := range r.people {
		for _, p := range r.sim.Truth(person, time.Now(), r.to.Add(coolDown)) {
			if p.Private || p.Offline {
				continue
			}
			starts = append(starts, oraclePoll{p.Start.Add(eventDelay), person})
			ends = append(ends, oraclePoll{p.End.Add(-eventDelay), person})
			pauses = append(pauses, pausePolls(person, p)...)
		}
	}
	all := slices.Concat(starts, ends, pauses)
	if r.calls > 0 {
		all = all[:min(len(all), r.calls)]
	}
	slices.SortStableFunc(all, func(a, b oraclePoll) int { return a.at.Compare(b.at) })
	return all
}

// pausePolls returns the polls that show the pause of a play, and those that show that its
// player stopped after the play.
func pausePolls(person int, p sim.Play) (polls []oraclePoll) {
	add := func(at time.Time) { polls = append(polls, oraclePoll{at, person}) }
	if pause := p.Start.Add(p.PauseAfter); p.PauseFor > 0 && pause.Before(p.End) {
		add(pause.Add(eventDelay))
		add(pause.Add(p.PauseFor + eventDelay))
	}
	if p.Linger > 0 {
		add(p.End.Add(eventDelay))
		add(p.End.Add(p.Linger + eventDelay))
		add(p.End.Add(p.Linger + 2*eventDelay))
	}
	return polls
}
