package sim_test

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// pollPlayer lets person 0 make the play, which begins when the clock starts. It advances
// the clock by the given time, and returns the answer of currently-playing. The argument
// query is appended to the path.
func pollPlayer(t *testing.T, play sim.Play, after time.Duration, query string, change ...func(*sim.Quirks)) response {
	t.Helper()
	s, c := newSim(t)
	for _, f := range change {
		s.ChangeQuirks(f)
	}
	play.Start = start
	s.Script(0, []sim.Play{play})
	access, _ := s.SpotifyTokens(0)
	c.Advance(after)
	return get(t, s, apiURL+playing+query, access)
}

func TestCurrentlyPlaying_FollowsAPauseAndASeek(t *testing.T) {
	play := sim.Play{
		Track:      sim.Track{URI: "spotify:track:x", Duration: 3 * time.Minute},
		PauseAfter: time.Minute, PauseFor: 30 * time.Second, Jump: 20 * time.Second, Linger: time.Minute,
	}
	for _, c := range []struct {
		after    time.Duration
		playing  bool
		progress float64
	}{
		{0, true, 0},
		{59 * time.Second, true, 59_000},
		{70 * time.Second, false, 60_000},
		{90 * time.Second, true, 80_000},
		{189 * time.Second, true, 179_000},
		{195 * time.Second, false, 180_000}, // the play has ended, and lingers
	} {
		body := pollPlayer(t, play, c.after, "").decode(t)
		if body["is_playing"] != c.playing || body["progress_ms"] != c.progress {
			t.Errorf("after %v: is_playing %v, progress_ms %v; want %v, %v", c.after, body["is_playing"], body["progress_ms"], c.playing, c.progress)
		}
	}
	if got := pollPlayer(t, play, 251*time.Second, ""); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("after the end: %d %s", got.status, got.body)
	}
}

func TestCurrentlyPlaying_HasAFormForEveryKind(t *testing.T) {
	s, _ := newSim(t)
	song, episode, local := s.Track(0), s.Track(12000), s.Track(12300)
	chapter := sim.Track{Kind: sim.KindChapter, URI: "spotify:chapter:c", Title: "Chapter 1", Artists: []string{"Author"}, Album: "Book", AlbumID: "book", Duration: time.Minute}
	advert := sim.Track{Kind: sim.KindAd, Duration: time.Minute}
	unknown := sim.Track{Kind: sim.KindUnknown, Duration: time.Minute}
	for _, c := range []struct {
		name, query string
		track       sim.Track
		kind        string
		item        string // the URI of the item; empty if the item must be null
	}{
		{"song", "", song, "track", song.URI},
		{"episode asked for", "?additional_types=track%2Cepisode", episode, "episode", episode.URI},
		{"episode not asked for", "", episode, "episode", ""},
		{"episode not asked for, tracks are", "?additional_types=track", episode, "episode", ""},
		{"chapter", "?additional_types=track,episode", chapter, "chapter", chapter.URI},
		{"local file", "", local, "track", local.URI},
		{"advertisement", "?additional_types=track,episode", advert, "ad", ""},
		{"something else", "", unknown, "unknown", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := pollPlayer(t, sim.Play{Track: c.track}, 10*time.Second, c.query).decode(t)
			item, _ := body["item"].(map[string]any)
			if uri, _ := item["uri"].(string); uri != c.item || body["currently_playing_type"] != c.kind || body["is_playing"] != true {
				t.Errorf("answer is %v", body)
			}
			if c.item != "" && item["name"] != c.track.Title {
				t.Errorf("the title is %q, want %q", item["name"], c.track.Title)
			}
			if c.name == "episode not asked for" && body["context"] != nil {
				t.Errorf("context is %v", body["context"])
			}
			if c.track.Kind == sim.KindLocal && (item["id"] != nil || item["is_local"] != true || len(item["album"].(map[string]any)["images"].([]any)) != 0) {
				t.Errorf("a local file is %v", item)
			}
			disallows := body["actions"].(map[string]any)["disallows"].(map[string]any)
			if (c.track.Kind == sim.KindAd) != (disallows["seeking"] == true) {
				t.Errorf("disallows are %v", disallows)
			}
		})
	}
}

func TestCurrentlyPlaying_MayRefuseLocalFiles(t *testing.T) {
	s, _ := newSim(t)
	got := pollPlayer(t, sim.Play{Track: s.Track(12300)}, time.Second, "", func(v *sim.Quirks) { v.LocalFiles400 = true })
	wantAPIError(t, got, http.StatusBadRequest, "invalid id")
}

func TestCurrentlyPlaying_MayAnswer404WhenIdle(t *testing.T) {
	s, _ := newSim(t)
	got := pollPlayer(t, sim.Play{Track: s.Track(1), Private: true}, time.Second, "", func(v *sim.Quirks) { v.Idle404 = true })
	wantAPIError(t, got, http.StatusNotFound, "non existing id")
}

func TestCurrentlyPlaying_HidesWhatIsPrivateOrOffline(t *testing.T) {
	s, _ := newSim(t)
	for _, play := range []sim.Play{{Track: s.Track(1), Private: true}, {Track: s.Track(1), Offline: true}} {
		if got := pollPlayer(t, play, time.Second, ""); got.status != http.StatusNoContent {
			t.Errorf("shown: %s", got.body)
		}
	}
}

func TestCurrentlyPlaying_MayNotKnowTheProgress(t *testing.T) {
	s, _ := newSim(t)
	body := pollPlayer(t, sim.Play{Track: s.Track(1), NoProgress: true}, time.Second, "").decode(t)
	if progress, has := body["progress_ms"]; !has || progress != nil || body["is_playing"] != true {
		t.Errorf("answer is %v", body)
	}
}

// In each case, a script makes a player report wrong or unusual values, as the name of the
// case says. After the given time, an answer must have the given is_playing, and a
// progress_ms within 2 ms of the given one. Then track b follows track a: for 3 s, answers
// about track b must have the progress at which track a ended.
func TestCurrentlyPlaying_MayMislead(t *testing.T) {
	s, c := newSim(t)
	a, b := s.Track(1), s.Track(2)
	lengthA := a.Duration
	tests := map[string]struct {
		play     sim.Play
		after    time.Duration
		progress time.Duration
		playing  bool
	}{
		"an episode at twice the speed":         {sim.Play{Track: a, Speed: 2}, 10 * time.Second, 20 * time.Second, true},
		"twice the speed takes half the time":   {sim.Play{Track: a, Speed: 2, Linger: time.Hour}, lengthA/2 + time.Second, lengthA, false},
		"advertisements lengthen an episode":    {sim.Play{Track: a, Inserted: time.Minute}, lengthA + 50*time.Second, lengthA + 50*time.Second, true},
		"a player that is frozen in a pause":    {sim.Play{Track: a, PauseAfter: 5 * time.Second, PauseFor: time.Hour, Stall: sim.Frozen}, time.Minute, 5 * time.Second, true},
		"a player that is frozen after its end": {sim.Play{Track: a, End: start.Add(10 * time.Second), Linger: time.Hour, Stall: sim.Frozen}, time.Minute, 10 * time.Second, true},
		"a player that grows after its end":     {sim.Play{Track: a, Linger: time.Hour, Stall: sim.Growing}, lengthA + time.Minute, lengthA + time.Minute, true},
		"a device that always reports zero":     {sim.Play{Track: a, ZeroProgress: true}, time.Minute, 0, true},
		"a stopped player keeps its progress":   {sim.Play{Track: a, End: start.Add(10 * time.Second), Linger: time.Hour}, time.Minute, 10 * time.Second, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := pollPlayer(t, tt.play, tt.after, "").decode(t)
			if math.Abs(body["progress_ms"].(float64)-float64(tt.progress.Milliseconds())) > 2 || body["is_playing"] != tt.playing {
				t.Errorf("at %v of %v, playing %v", body["progress_ms"], tt.progress.Milliseconds(), body["is_playing"])
			}
		})
	}
	s.Script(0, []sim.Play{{Track: a, Start: start, End: start.Add(time.Minute)}, {Track: b, Start: start.Add(time.Minute), MixedFor: 3 * time.Second}})
	access, _ := s.SpotifyTokens(0)
	for _, want := range []struct{ after, progress time.Duration }{{61 * time.Second, time.Minute}, {64 * time.Second, 4 * time.Second}} {
		c.Advance(start.Add(want.after).Sub(c.Now()))
		body := get(t, s, apiURL+playing, access).decode(t)
		if body["item"].(map[string]any)["uri"] != b.URI || body["progress_ms"] != float64(want.progress.Milliseconds()) {
			t.Errorf("after %v the progress of the new track is %v", want.after, body["progress_ms"])
		}
	}
}

func TestCurrentlyPlaying_FreezesTheTimestampOfSome(t *testing.T) {
	s, c := newSim(t)
	seen := map[bool]bool{}
	for n := range 20 {
		s.Script(n, []sim.Play{song(0, start)})
	}
	c.Advance(time.Minute)
	for n := range 20 {
		access, _ := s.SpotifyTokens(n)
		want, frozen := c.Now(), s.Person(n).FrozenTimestamp
		if frozen {
			want = start
		}
		if body := get(t, s, apiURL+playing, access).decode(t); body["timestamp"] != float64(want.UnixMilli()) {
			t.Errorf("person %d: timestamp is %v, want %v", n, body["timestamp"], want.UnixMilli())
		}
		seen[frozen] = true
	}
	if len(seen) != 2 {
		t.Error("twenty people have the same timestamps")
	}
}

func TestScript_NeverLetsPlaysOverlap(t *testing.T) {
	s, c := newSim(t)
	s.Script(0, []sim.Play{song(1, start.Add(time.Minute)), song(0, start)})
	plays := s.Truth(0, start, start.Add(time.Hour))
	if len(plays) != 2 || plays[0].Track.URI != "spotify:track:songA" || !plays[0].End.Equal(plays[1].Start) || plays[0].Complete {
		t.Errorf("truth is %+v", plays)
	}
	if plays[1].Listened != 3*time.Minute || !plays[1].Complete {
		t.Errorf("the last play is %+v", plays[1])
	}
	s.Script(0, []sim.Play{})
	if now := s.PlaybackAt(0, c.Now()); now.State != sim.StateIdle {
		t.Errorf("without a play, Now is %+v", now)
	}
	before, _ := newSim(t)
	s.Script(0, nil)
	if got, want := len(s.Truth(0, start, start.Add(time.Hour))), len(before.Truth(0, start, start.Add(time.Hour))); got != want {
		t.Errorf("without a script the person has %d plays, want %d", got, want)
	}
}

func recentlyPlayed(t *testing.T, s *sim.Sim, query string) (uris []string, body map[string]any) {
	t.Helper()
	access, _ := s.SpotifyTokens(0)
	body = get(t, s, apiURL+recently+query, access).decode(t)
	for _, i := range body["items"].([]any) {
		uris = append(uris, i.(map[string]any)["track"].(map[string]any)["uri"].(string))
	}
	return uris, body
}

func TestRecentlyPlayed_IsEmptyAtFirst(t *testing.T) {
	s, _ := newSim(t)
	s.Script(0, []sim.Play{})
	_, body := recentlyPlayed(t, s, "")
	if next, has := body["next"]; !has || next != nil || body["cursors"] != nil || body["limit"] != 20.0 {
		t.Errorf("body is %v", body)
	}
}

func TestRecentlyPlayed_OmitsUnlistedPlays(t *testing.T) {
	s, c := newSim(t)
	at := func(n int, p sim.Play) sim.Play {
		p.Start = start.Add(time.Duration(n) * 10 * time.Minute)
		return p
	}
	short := at(1, sim.Play{Track: s.Track(1)})
	short.End = short.Start.Add(29 * time.Second)
	s.Script(0, []sim.Play{
		at(0, sim.Play{Track: s.Track(0)}), short, at(2, sim.Play{Track: s.Track(12000)}), at(8, sim.Play{Track: s.Track(12300)}),
		at(9, sim.Play{Track: s.Track(2), Private: true}), at(10, sim.Play{Track: sim.Track{Kind: sim.KindAd}}), at(11, sim.Play{Track: s.Track(3)}),
	})
	c.Advance(3 * time.Hour)
	if uris, _ := recentlyPlayed(t, s, ""); len(uris) != 2 || uris[0] != s.Track(3).HistoryURI || uris[1] != s.Track(0).HistoryURI {
		t.Errorf("history is %v", uris)
	}
}

func TestRecentlyPlayed_ComesLate(t *testing.T) {
	s, c := newSim(t)
	s.Script(0, []sim.Play{song(0, start)})
	c.Advance(3*time.Minute + 9*time.Second)
	if uris, _ := recentlyPlayed(t, s, ""); len(uris) != 0 {
		t.Errorf("nine seconds after its end history lists %v", uris)
	}
	c.Advance(111 * time.Second)
	if uris, _ := recentlyPlayed(t, s, ""); len(uris) != 1 {
		t.Errorf("two minutes after its end history lists %v", uris)
	}
}

func TestRecentlyPlayed_PagesThroughTheLastFifty(t *testing.T) {
	s, c := newSim(t)
	var plays []sim.Play
	for n := range 60 {
		plays = append(plays, sim.Play{
			Track: sim.Track{URI: "spotify:track:n" + strconv.Itoa(n), Duration: time.Minute}, Start: start.Add(time.Duration(n) * time.Minute),
		})
	}
	s.Script(0, plays)
	c.Advance(2 * time.Hour)
	var all []string
	query := "?limit=20"
	for query != "" {
		uris, body := recentlyPlayed(t, s, query)
		all = append(all, uris...)
		next, _ := body["next"].(string)
		_, query, _ = strings.Cut(next, "?")
		if query != "" {
			query = "?" + query
		}
		if cursors := body["cursors"].(map[string]any); cursors["before"].(string) >= cursors["after"].(string) {
			t.Errorf("cursors are %v", cursors)
		}
	}
	if len(all) != 50 || all[0] != "spotify:track:n59" || all[49] != "spotify:track:n10" {
		t.Errorf("%d items from %s to %s", len(all), all[0], all[len(all)-1])
	}
	_, body := recentlyPlayed(t, s, "?limit=50")
	after := body["items"].([]any)[3].(map[string]any)["played_at"].(string)
	at, err := time.Parse("2006-01-02T15:04:05.000Z", after)
	if err != nil {
		t.Fatalf("played_at is %q", after)
	}
	if uris, _ := recentlyPlayed(t, s, "?after="+strconv.FormatInt(at.UnixMilli(), 10)); len(uris) != 3 {
		t.Errorf("after the fourth newest come %v", uris)
	}
}

func TestRecentlyPlayed_RefusesQueriesThatMakeNoSense(t *testing.T) {
	s, _ := newSim(t)
	access, _ := s.SpotifyTokens(0)
	for query, message := range map[string]string{
		"limit=0": "Invalid limit", "limit=51": "Invalid limit", "limit=x": "Invalid limit", "after=x": "Invalid after",
		"after=1&before=2": "Only one of after and before may be given",
	} {
		wantAPIError(t, get(t, s, apiURL+recently+"?"+query, access), http.StatusBadRequest, message)
	}
}

func TestRecentlyPlayed_PlayedAtIsStartOrEndByPerson(t *testing.T) {
	s, c := newSim(t)
	c.Advance(time.Hour)
	seen := map[bool]bool{}
	for n := range 20 {
		s.Script(n, []sim.Play{song(0, start)})
		access, _ := s.SpotifyTokens(n)
		item := get(t, s, apiURL+recently, access).decode(t)["items"].([]any)[0].(map[string]any)
		want := "2026-11-20T12:00:00.000Z"
		if s.Person(n).PlayedAtIsEnd {
			want = "2026-11-20T12:03:00.000Z"
		}
		if item["played_at"] != want {
			t.Errorf("person %d: played_at is %v, want %s", n, item["played_at"], want)
		}
		seen[s.Person(n).PlayedAtIsEnd] = true
	}
	if len(seen) != 2 {
		t.Error("twenty people have the same habit")
	}
}

func TestRecentlyPlayed_MayListCompletePlaysOnly(t *testing.T) {
	s, c := newSim(t)
	left := song(0, start)
	left.Track.Duration = 3 * time.Minute
	left.End = start.Add(2 * time.Minute)
	s.Script(0, []sim.Play{left})
	c.Advance(time.Hour)
	if uris, _ := recentlyPlayed(t, s, ""); len(uris) != 1 {
		t.Errorf("a song that was played for two minutes is not in %v", uris)
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.HistoryCompleteOnly = true })
	if uris, _ := recentlyPlayed(t, s, ""); len(uris) != 0 {
		t.Errorf("a song that was left early is in %v", uris)
	}
}
