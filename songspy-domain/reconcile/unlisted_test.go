package reconcile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// playInSequence returns a timeline in which tracks of the given lengths, in seconds, play to
// their ends, followed by an hour in which nothing plays.
func playInSequence(lengths ...int) (tr timeline) {
	now := base
	for i, n := range lengths {
		s := span{Start: now, End: now.Add(time.Duration(n) * time.Second)}
		s.Track = songspy.Track{URI: fmt.Sprint("spotify:track:sequence-", i), Title: fmt.Sprint(i), DurationMS: int64(n) * 1000}
		tr, now = append(tr, s), s.End
	}
	return append(tr, span{Start: now, End: now.Add(time.Hour)})
}

// pollTimeline returns the plays that polls of the timeline produce, planned by playback.NextPoll
// as the poller does.
func pollTimeline(tr timeline) []songspy.StoredPlay {
	return pollPlanned(tr, tr.Poll, playback.NextPoll)
}

// planPoll plans the next poll, as playback.NextPoll does.
type planPoll func(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) playback.Poll

// pollPlanned returns the plays that polls of the timeline produce. The function poll returns the
// answer to a poll at a time, and the function plan chooses the time of the next poll.
func pollPlanned(tr timeline, poll func(time.Time) songspy.Observation, plan planPoll) (plays []songspy.StoredPlay) {
	var n songspy.NowPlaying
	for now := base.Add(-time.Minute); now.Before(tr[len(tr)-1].End); {
		o := poll(now)
		out := playback.Step(n, o)
		n = out.State
		for _, p := range out.Plays {
			for _, s := range tr {
				if s.Track.URI == p.TrackURI {
					p.ID = songspy.PlayID(len(plays) + 1)
					plays = append(plays, songspy.StoredPlay{Play: p, Track: s.Track})
				}
			}
		}
		now = plan(n, o.Kind, now, 0, dayInterval).At
	}
	return plays
}

func TestReconcile_UnlistedSessionKeepsObservedPlays(t *testing.T) {
	var long []int
	for i := range 22 {
		long = append(long, 140+(i*17)%39)
	}
	for name, tt := range map[string]struct {
		lengths []int
		listed  []int // the indexes of the tracks that history lists
	}{
		"six short tracks, and one that is listed":       {[]int{65, 65, 65, 65, 65, 65, 65}, []int{6}},
		"a listed track, six unlisted ones and a listed": {[]int{65, 65, 65, 65, 65, 65, 65, 65}, []int{0, 7}},
		"twenty-two tracks, and one that is listed":      {append(long, 160), []int{22}},
		"twenty-two tracks after two that are listed":    {append([]int{200, 180}, long...), []int{0, 1}},
		"unlisted tracks, every fifth one listed":        {long, []int{4, 9, 14, 19}},
	} {
		for _, byEnd := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, played_at is the end: %t", name, byEnd), func(t *testing.T) {
				tr := playInSequence(tt.lengths...)
				plays := pollTimeline(tr)
				var items []songspy.HistoryItem
				for _, i := range tt.listed {
					at := tr[i].Start
					if byEnd {
						at = tr[i].End
					}
					items = append(items, songspy.HistoryItem{Track: tr[i].Track, PlayedAt: at})
				}
				r := reconcileAll(storedPlays(plays, nil), items, tr[len(tr)-1].Start.Add(time.Hour))
				if len(r.Removed) > 0 {
					t.Errorf("history removed %[2]d of %[1]d observed plays", len(plays), len(r.Removed))
				}
				// Each track plays once, so history may only add tracks that no poll saw.
				for _, added := range r.Added {
					if slices.ContainsFunc(plays, func(p songspy.StoredPlay) bool { return p.Play.TrackURI == added.Play.TrackURI }) {
						t.Errorf("history added %s, which polls had observed", added.Play.TrackURI)
					}
				}
				if len(r.Added) > len(items) {
					t.Errorf("history lists %d plays and added %d", len(items), len(r.Added))
				}
				for _, c := range r.Confirmed {
					if c.PlayedAt.IsZero() {
						t.Errorf("history changed %s %v–%v, listened %d", c.Play.TrackURI, secondsIn(c.Play.StartedAt), secondsIn(c.Play.EndedAt), c.Play.ListenedMS)
					}
				}
			})
		}
	}
}

// TestReconcile_DropsUnlistedTailBetweenListedPlays: a play that polls hardly observed must be
// removed if history lists the plays directly before and after it, but not the play itself.
// Otherwise it must stay.
func TestReconcile_DropsUnlistedTailBetweenListedPlays(t *testing.T) {
	tr := playInSequence(150, 65, 150)
	plays := pollTimeline(tr)
	for name, tt := range map[string]struct {
		listed  []int
		removed int
	}{
		"both neighbours are listed":    {[]int{0, 2}, 1},
		"only the first is listed":      {[]int{0}, 0},
		"only the next one is listed":   {[]int{2}, 0},
		"the play is listed itself too": {[]int{0, 1, 2}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var items []songspy.HistoryItem
			for _, i := range tt.listed {
				items = append(items, songspy.HistoryItem{Track: tr[i].Track, PlayedAt: tr[i].Start})
			}
			r := reconcileAll(storedPlays(plays, nil), items, tr[3].Start.Add(time.Hour))
			if len(r.Removed) != tt.removed {
				t.Errorf("%d plays were removed, want %d", len(r.Removed), tt.removed)
			}
		})
	}
}
