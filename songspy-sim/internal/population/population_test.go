package population

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t interface{ Fatal(...any) }, seed uint64, name string, people int) *World {
	h, err := HabitsByName(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(seed, people, h, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func anyWorld(t *rapid.T) (*World, int, time.Time) {
	name := rapid.SampledFrom([]string{"lively", "tenth", "regular", "restless", "awkward"}).Draw(t, "population")
	w := newWorld(t, rapid.Uint64().Draw(t, "seed"), name, 1_000_000)
	person := rapid.IntRange(0, 999_999).Draw(t, "person")
	at := epoch.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond)
	// Most people play nothing most of the time, so prefer times with a play.
	if plays := w.Truth(person, at, at.Add(24*time.Hour)); len(plays) > 0 && rapid.IntRange(0, 3).Draw(t, "anywhere") > 0 {
		p := rapid.SampledFrom(plays).Draw(t, "play")
		edge := int64((p.End.Sub(p.Start) + 2*time.Second) / time.Millisecond)
		at = p.Start.Add(time.Duration(rapid.Int64Range(-10, edge).Draw(t, "offset")) * time.Millisecond)
	}
	return w, person, at
}

func TestPlays_NeverOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, person, at := anyWorld(t)
		plays := w.Truth(person, at, at.Add(48*time.Hour))
		for i, p := range plays {
			if !p.End.After(p.Start) && !p.Start.Equal(p.End) {
				t.Fatalf("play %d ends before it starts: %+v", i, p)
			}
			if i > 0 && p.Start.Before(plays[i-1].End) {
				t.Fatalf("play %d starts at %v, before the previous one ends at %v", i, p.Start, plays[i-1].End)
			}
			if p.Listened < 0 || p.Listened > p.End.Sub(p.Start) {
				t.Fatalf("play %d has %v of played time within %v", i, p.Listened, p.End.Sub(p.Start))
			}
			if p.Complete && p.Skipped {
				t.Fatalf("play %d is both complete and skipped", i)
			}
		}
	})
}

func TestPlaybackAt_AgreesWithTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, person, at := anyWorld(t)
		now := w.PlaybackAt(person, at)
		view := w.View(person, at)
		if view.State != now.State || view.State != Idle && view.Hidden == now.Visible {
			t.Fatalf("View returns %+v, PlaybackAt %+v", view, now)
		}
		around := w.Truth(person, at, at.Add(time.Millisecond))
		if len(around) > 1 {
			t.Fatalf("%d plays at one time", len(around))
		}
		if len(around) == 0 {
			// No play is in progress. The player may show the next track as playing
			// while that loads, or the last one as paused. It must show nothing else.
			if now.State == Playing && !now.Play.Start.After(at) {
				t.Fatalf("the player shows %v, which is not in Truth", now.Play)
			}
			return
		}
		if now.State == Idle || !now.Play.Start.Equal(around[0].Start) {
			t.Fatalf("the player shows %+v, Truth is %+v", now, around[0])
		}
		p := around[0]
		if now.Progress < 0 || now.Progress > p.Track.Duration {
			t.Fatalf("progress %v of %v", now.Progress, p.Track.Duration)
		}
		elapsed := at.Sub(p.Start)
		inPause := elapsed >= p.PauseAfter && elapsed < p.PauseAfter+p.PauseFor
		if paused := now.State == Paused; paused != inPause {
			t.Fatalf("paused is %v, but the pause is %v after %v and lasts %v", paused, elapsed, p.PauseAfter, p.PauseFor)
		}
	})
}

func TestProgress_RunsWithTheClockBetweenInterruptions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, person, at := anyWorld(t)
		a, b := w.PlaybackAt(person, at), w.PlaybackAt(person, at.Add(time.Second))
		same := a.State == Playing && b.State == Playing && a.Play.Start.Equal(b.Play.Start)
		jumped := a.Play.Jump != 0 || a.Play.PauseFor != 0
		second := time.Second
		if a.Play.Speed > 0 {
			second = time.Duration(a.Play.Speed * float64(second))
		}
		if same && !jumped && a.Play.Start.Before(at) && (b.Progress-a.Progress-second).Abs() > time.Millisecond {
			t.Fatalf("in one second progress moved from %v to %v", a.Progress, b.Progress)
		}
	})
}

func TestCompletePlays_LastForTheTrackWithoutTheCrossfade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, person, at := anyWorld(t)
		fade := w.Person(person).Crossfade
		for _, p := range w.Truth(person, at, at.Add(24*time.Hour)) {
			items, off := p.Listened, time.Duration(0)
			if p.Speed > 0 { // times are rounded to milliseconds before the speed multiplies them
				items, off = time.Duration(p.Speed*float64(items)), 5*time.Millisecond
			}
			rest := p.Track.Duration - p.From - p.Jump - items
			if p.Complete && rest.Abs() > off && rest != fade {
				t.Fatalf("a complete play omitted %v: %+v", rest, p)
			}
		}
	})
}

func TestHistory_ListsOnlyEligiblePlays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, person, at := anyWorld(t)
		truth := map[int64]Play{}
		for _, p := range w.Truth(person, epoch, at) {
			if !p.PlayedAt.IsZero() {
				truth[p.PlayedAt.UnixMilli()] = p
			}
		}
		items := w.History(person, at, false)
		if len(items) > 50 {
			t.Fatalf("history lists %d plays", len(items))
		}
		for i, h := range items {
			p, ok := truth[h.PlayedAt]
			switch {
			case !ok:
				t.Fatalf("history lists a play at %d that is not in Truth", h.PlayedAt)
			case p.Track.Kind != KindTrack || p.Private || p.Listened < 30*time.Second:
				t.Fatalf("history lists %+v", p)
			case p.ListedAt.After(at):
				t.Fatalf("history lists at %v a play that arrives at %v", at, p.ListedAt)
			case p.ListedAt.Sub(p.End) < 10*time.Second:
				t.Fatalf("history lists a play %v after its end", p.ListedAt.Sub(p.End))
			case i > 0 && h.PlayedAt > items[i-1].PlayedAt:
				t.Fatal("history is not sorted newest first")
			}
		}
	})
}

func TestHistory_MissesNothingOfTheLastFifty(t *testing.T) {
	people := 200
	if testing.Short() {
		people = 40
	}
	w := newWorld(t, 3, "restless", people)
	at := epoch.Add(20 * 24 * time.Hour)
	for person := range people {
		var arrived int
		for _, p := range w.Truth(person, epoch, at) {
			if !p.PlayedAt.IsZero() && !p.ListedAt.After(at) {
				arrived++
			}
		}
		if got := len(w.History(person, at, false)); got != min(arrived, 50) {
			t.Errorf("person %d: history lists %d of %d plays", person, got, arrived)
		}
	}
}

// Two worlds (populations) differ in one habit, which lets history omit some plays. Both
// worlds must have the same plays. If the first history lists a play, the second one must
// omit it exactly if the function out is true for the play.
func TestHistory_OmitsUnlistedPlays(t *testing.T) {
	at := epoch.Add(10 * 24 * time.Hour)
	for name, tt := range map[string]struct {
		change func(*Habits)
		out    func(Play) bool
	}{
		"unlisted sessions":            {func(h *Habits) { h.Unlisted = 0.4 }, func(p Play) bool { return p.Unlisted }},
		"people with whole plays only": {func(h *Habits) { h.WholeOnly = 1 }, func(p Play) bool { return !p.Complete }},
	} {
		t.Run(name, func(t *testing.T) {
			habits, err := HabitsByName("restless")
			if err != nil {
				t.Fatal(err)
			}
			before, err := New(3, 40, habits, epoch)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&habits)
			after, err := New(3, 40, habits, epoch)
			if err != nil {
				t.Fatal(err)
			}
			listed, left := 0, 0
			for person := range 40 {
				was, is := before.Truth(person, epoch, at), after.Truth(person, epoch, at)
				if len(was) != len(is) {
					t.Fatalf("person %d: %d plays became %d", person, len(was), len(is))
				}
				for i := range is {
					if was[i].Start != is[i].Start || was[i].Track.URI != is[i].Track.URI {
						t.Fatalf("person %d: play %d differs", person, i)
					}
					switch {
					case was[i].PlayedAt.IsZero():
					case tt.out(is[i]) != is[i].PlayedAt.IsZero():
						t.Fatalf("person %d: history has %v for %+v", person, is[i].PlayedAt, is[i])
					case tt.out(is[i]):
						left++
					default:
						listed++
					}
				}
			}
			if listed == 0 || left == 0 {
				t.Errorf("%d plays are listed, %d omitted", listed, left)
			}
		})
	}
}

func TestWorld_IsTheSameForTheSameSeed(t *testing.T) {
	a, b, other := newWorld(t, 7, "regular", 50), newWorld(t, 7, "regular", 50), newWorld(t, 8, "regular", 50)
	differs := false
	for person := range 50 {
		if a.Person(person) != b.Person(person) {
			t.Fatalf("person %d has two identities", person)
		}
		pa, pb := a.Truth(person, epoch, epoch.Add(72*time.Hour)), b.Truth(person, epoch, epoch.Add(72*time.Hour))
		if len(pa) != len(pb) {
			t.Fatalf("person %d has %d and %d plays", person, len(pa), len(pb))
		}
		for i := range pa {
			if pa[i].Track.URI != pb[i].Track.URI || !pa[i].Start.Equal(pb[i].Start) {
				t.Fatalf("person %d, play %d: %v and %v", person, i, pa[i], pb[i])
			}
		}
		differs = differs || len(other.Truth(person, epoch, epoch.Add(72*time.Hour))) != len(pa)
	}
	if !differs {
		t.Error("another seed gives the same plays")
	}
}

func TestTruth_BeginsAtTheEpoch(t *testing.T) {
	w := newWorld(t, 1, "lively", 100)
	for person := range 100 {
		for _, p := range w.Truth(person, epoch.Add(-48*time.Hour), epoch.Add(time.Hour)) {
			if p.Start.Before(epoch) {
				t.Fatalf("person %d plays at %v", person, p.Start)
			}
		}
		if now := w.PlaybackAt(person, epoch.Add(-time.Second)); now.State != Idle {
			t.Fatalf("person %d plays before the epoch: %+v", person, now)
		}
	}
}

func TestPopulations_ListenForTheirShareOfTime(t *testing.T) {
	people := 400
	if testing.Short() {
		people = 100
	}
	for name, want := range map[string][2]float64{
		"lively": {0.85, 0.95}, "tenth": {0.09, 0.11}, "regular": {0.09, 0.11}, "restless": {0.09, 0.11}, "awkward": {0.09, 0.11},
	} {
		w := newWorld(t, 5, name, people)
		var total time.Duration
		for person := range people {
			for _, p := range w.Truth(person, epoch, epoch.Add(96*time.Hour)) {
				total += p.End.Sub(p.Start)
			}
		}
		if share := total.Hours() / (96 * float64(people)); share < want[0] || share > want[1] {
			t.Errorf("%s: people play %.3f of the time, want %v", name, share, want)
		}
	}
}

func TestRegular_HasEveryKindOfPlay(t *testing.T) {
	w := newWorld(t, 9, "regular", 1500)
	seen := map[string]int{}
	for person := range 1500 {
		var previous Play
		for _, p := range w.Truth(person, epoch, epoch.Add(24*time.Hour)) {
			seen["plays"]++
			seen[string(p.Track.Kind)]++
			for name, is := range map[string]bool{
				"skipped": p.Skipped, "paused": p.PauseFor > 0, "private": p.Private, "offline": p.Offline,
				"no progress": p.NoProgress, "short": p.Track.Duration < time.Minute && p.Track.Kind == KindTrack,
				"repeated": previous.Track.URI != "" && previous.Track.URI == p.Track.URI, "resumed": p.From > 0,
				"relinked": p.Track.HistoryURI != p.Track.URI, "no cover": p.Track.URI != "" && !p.Track.HasCover,
				"long title": len(p.Track.Title) > 500, "long pause": p.PauseFor > 10*time.Minute, "lingers": p.Linger > 0,
			} {
				if is {
					seen[name]++
				}
			}
			previous = p
		}
	}
	for _, name := range []string{
		"track", "episode", "local", "ad", "unknown", "skipped", "paused", "private", "offline", "no progress", "short",
		"repeated", "resumed", "relinked", "no cover", "long title", "long pause", "lingers",
	} {
		if seen[name] == 0 {
			t.Errorf("no play of %d is %s", seen["plays"], name)
		}
	}
	t.Log(seen)
}

func TestAwkward_PlaysTheSameTracksAsRegular(t *testing.T) {
	regular, awkward := newWorld(t, 9, "regular", 1500), newWorld(t, 9, "awkward", 1500)
	var plays, episodes int
	seen := map[string]int{}
	for person := range 1500 {
		until := epoch.Add(24 * time.Hour)
		plain := regular.Truth(person, epoch, until)
		for i, p := range awkward.Truth(person, epoch, until) {
			plays++
			if p.Track.Kind == KindEpisode {
				episodes++
			}
			for name, is := range map[string]bool{
				"unlisted": p.Unlisted, "frozen": p.Stall == Frozen, "growing": p.Stall == Growing, "fast": p.Speed >= 1.2 && p.Speed <= 2, "mixed": p.MixedFor > 0,
			} {
				if is {
					seen[name]++
				}
			}
			if p.Unlisted && !p.PlayedAt.IsZero() {
				t.Fatalf("an unlisted play is listed: %+v", p)
			}
			if i < len(plain) && p.Speed == 0 && p.Start.Equal(plain[i].Start) && p.Track.URI != plain[i].Track.URI {
				t.Fatalf("person %d plays %s, with regular habits %s", person, p.Track.URI, plain[i].Track.URI)
			}
		}
	}
	for name, want := range map[string][3]float64{ // the least and the greatest share, and the number of plays or episodes
		"unlisted": {0.12, 0.18, float64(plays)}, "frozen": {0.005, 0.02, float64(plays)}, "growing": {0.005, 0.02, float64(plays)},
		"fast": {0.05, 0.15, float64(episodes)}, "mixed": {0.005, 0.015, float64(plays)},
	} {
		if share := float64(seen[name]) / want[2]; share < want[0] || share > want[1] {
			t.Errorf("%.4f are %s, not %v", share, name, want[:2])
		}
	}
}

func TestPeople_DoNotShareIDs(t *testing.T) {
	people := 200_000
	if testing.Short() {
		people = 20_000
	}
	w := newWorld(t, 2, "tenth", people)
	seen := make(map[string]int, 3*people)
	for n := range people {
		p := w.Person(n)
		for _, id := range []string{"s" + p.SpotifyID, "a" + p.AccountID, "g" + p.GoogleID} {
			if other, taken := seen[id]; taken {
				t.Fatalf("%d and %d share %s", n, other, id)
			}
			seen[id] = n
		}
		if len(p.GoogleID) != 21 {
			t.Fatalf("Google id %q has %d digits", p.GoogleID, len(p.GoogleID))
		}
	}
}

func TestHabits_ImpossibleOnesAreRejected(t *testing.T) {
	for _, spoil := range []func(*Habits){
		func(h *Habits) { h.Slot = 0 },
		func(h *Habits) { h.SessionMean = 10 * time.Hour },
		func(h *Habits) { h.Listening = 0.9 },
	} {
		h := regular
		spoil(&h)
		if _, err := New(1, 1, h, epoch); err == nil {
			t.Errorf("accepted %+v", h)
		}
	}
	if _, err := HabitsByName("busy"); err == nil {
		t.Error("accepted an unknown population")
	}
}

func BenchmarkView(b *testing.B) {
	w := newWorld(b, 1, "tenth", 1_000_000)
	b.ReportAllocs()
	at := epoch.Add(100 * time.Hour)
	person := 0
	for b.Loop() {
		person = (person + 7919) % 1_000_000
		w.View(person, at)
	}
}
