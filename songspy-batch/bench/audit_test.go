package main

import (
	"reflect"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// afterNoon returns the time that many seconds after noon.
func afterNoon(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestAnyEvent_IsAnyVisibleChange(t *testing.T) {
	song := sim.Play{Start: afterNoon(-300), End: afterNoon(300)}
	paused := song
	paused.PauseAfter, paused.PauseFor = 290*time.Second, 20*time.Second // paused from 10 s before noon to 10 s after it
	seeked := song
	seeked.PauseAfter, seeked.Jump = 305*time.Second, time.Minute
	lingers := sim.Play{Start: afterNoon(-300), End: afterNoon(-100), Linger: 105 * time.Second}
	for name, c := range map[string]struct {
		play sim.Play
		want bool
	}{
		"continues":             {song, false},
		"starts":                {sim.Play{Start: afterNoon(5), End: afterNoon(300)}, true},
		"ends":                  {sim.Play{Start: afterNoon(-300), End: afterNoon(5)}, true},
		"had ended":             {sim.Play{Start: afterNoon(-300), End: afterNoon(-1)}, false},
		"starts later":          {sim.Play{Start: afterNoon(11), End: afterNoon(300)}, false},
		"resumes after a pause": {paused, true},
		"jumps":                 {seeked, true},
		"is no longer shown":    {lingers, true},
	} {
		if got := anyEvent([]sim.Play{c.play}, timeSpan{afterNoon(0), afterNoon(10)}); got != c.want {
			t.Errorf("a play that %s: anyEvent returned %v, want %v", name, got, c.want)
		}
	}
}

func TestAuditWrites_FindsRowsWithoutAChangeAndChangesWithoutARow(t *testing.T) {
	world, err := sim.New(sim.Options{People: 7, Epoch: afterNoon(-3600)})
	if err != nil {
		t.Fatal(err)
	}
	track := func(n int, start, end time.Time) sim.Play {
		song := world.Track(n)
		song.Duration = time.Hour // longer than the play
		return sim.Play{Track: song, Start: start, End: end}
	}
	rounds := [3]pollRound{
		{Begin: afterNoon(0), End: afterNoon(10)}, {Begin: afterNoon(60), End: afterNoon(70)}, {Begin: afterNoon(120), End: afterNoon(130)},
	}
	world.Script(0, []sim.Play{})                                         // idle; a nil slice would keep the random plays
	world.Script(1, []sim.Play{track(1, afterNoon(90), afterNoon(150))})  // starts between the second and the third round
	world.Script(2, []sim.Play{track(1, afterNoon(90), afterNoon(150))})  // the same as person 1, but without a written row
	world.Script(3, []sim.Play{track(1, afterNoon(-10), afterNoon(30))})  // ended before the second round
	world.Script(4, []sim.Play{track(1, afterNoon(-60), afterNoon(150))}) // continues
	ended := track(2, afterNoon(-150), afterNoon(-50))
	ended.Track.Duration = 100 * time.Second
	similar := track(3, afterNoon(-40), afterNoon(300))
	similar.From = time.Minute // in the first round its progress is about the length of the ended track, so the third poll may write a row
	world.Script(5, []sim.Play{ended, similar})
	other := similar
	other.From = 2 * time.Minute
	world.Script(6, []sim.Play{ended, other})
	got := auditWrites(world, rounds, map[songspy.UserID]bool{userOf(0): true, userOf(1): true, userOf(3): true, userOf(5): true, userOf(6): true})
	if len(got.Examples) != 2 {
		t.Errorf("%d examples of rows without a change, want 2", len(got.Examples))
	}
	got.Examples = nil
	want := writeAudit{Written: 5, Changed: 1, Proven: 2, Unchanged: 2, Eligible: 4, Missed: 1}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("audit %+v, want %+v", got, want)
	}
}

func TestReport_ListsEveryMissedBound(t *testing.T) {
	good := report{People: 10, Ratio: 0.8, PeakRSSBytes: 1 << 20, Rounds: []pollRound{{Polls: 10, Seconds: 1}}}
	b := bounds{ratio: 0.5, rssBytes: 2 << 20, seconds: 2}
	if missed := good.checkBounds(b); len(missed) != 0 {
		t.Errorf("bounds %q are missed, want none", missed)
	}
	for name, spoil := range map[string]func(*report){
		"low rate":     func(r *report) { r.Ratio = 0.4 },
		"much memory":  func(r *report) { r.PeakRSSBytes = 2 << 20 },
		"long round":   func(r *report) { r.Rounds[0].Seconds = 2 },
		"few polls":    func(r *report) { r.Rounds[0].Polls = 9 },
		"failures":     func(r *report) { r.Rounds[0].Failed = 1 },
		"row too many": func(r *report) { r.Writes.Unchanged = 1 },
		"missing row":  func(r *report) { r.Writes.Missed = 1 },
	} {
		r := good
		r.Rounds = slices.Clone(good.Rounds)
		spoil(&r)
		if missed := r.checkBounds(b); len(missed) != 1 {
			t.Errorf("%s: bounds %q are missed, want one", name, missed)
		}
	}
}

func TestTheRatioIsTheMedianOfRoundsByTheirBareRuns(t *testing.T) {
	rates := func(of ...float64) (runs []bareRun) {
		for _, r := range of {
			runs = append(runs, bareRun{Rate: r})
		}
		return runs
	}
	r := report{BareRuns: rates(90, 110, 50, 70), Rounds: []pollRound{{Rate: 70}, {Rate: 60}, {Rate: 54}}}
	r.finish()
	if want := []float64{0.7, 0.75, 0.9}; !reflect.DeepEqual(r.Ratios, want) || r.Ratio != 0.75 {
		t.Errorf("the ratios are %v and their median %v; want %v and 0.75", r.Ratios, r.Ratio, want)
	}
}

func TestNextDueAfter_IsWhenAllUsersAreDue(t *testing.T) {
	if got := nextDueAfter(afterNoon(30), time.Minute); !got.Equal(afterNoon(60)) {
		t.Errorf("the next due time after 12:00:30 is %s, want 12:01:00", got)
	}
	if got := nextDueAfter(noon, time.Minute); !got.Equal(afterNoon(60)) {
		t.Errorf("the next due time after 12:00:00 is %s, want 12:01:00", got)
	}
}
