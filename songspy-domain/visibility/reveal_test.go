package visibility_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

type secret struct{ Title string }

func revealed(t testing.TB) visibility.Seen[secret] {
	s, ok := visibility.Reveal(&secret{"private"}, owner, open(), visibility.Profile(), visibility.Anonymous(), minute(50))
	if !ok {
		t.Fatal("an open profile is hidden")
	}
	return s
}

func TestSeen_PrintsAMaskWithEveryVerb(t *testing.T) {
	s := revealed(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%p", "%T %[1]v"} {
		for _, value := range []any{s, &s, []visibility.Seen[secret]{s}, struct{ S visibility.Seen[secret] }{s}, struct{ s visibility.Seen[secret] }{s}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "private") {
				t.Errorf("%s of %T prints %s", verb, value, got)
			}
		}
		if got := fmt.Sprintf(verb, s); verb != "%p" && !strings.Contains(got, "[seen]") {
			t.Errorf("%s prints %q, want [seen]", verb, got)
		}
	}
	for name, got := range map[string]string{"String": s.String(), "GoString": s.GoString(), "LogValue": s.LogValue().String(), "Sprint": fmt.Sprint(s)} {
		if got != "[seen]" {
			t.Errorf("%s returns %q, want [seen]", name, got)
		}
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("event", "seen", s, "pointer", &s, "group", slog.GroupValue(slog.Any("seen", s)))
	}
	if strings.Contains(log.String(), "private") || strings.Count(log.String(), "[seen]") != 6 {
		t.Errorf("the log is %s", log.String())
	}
}

func TestOperator_SeesProfilesAndNothingElseThatAStrangerDoesNotSee(t *testing.T) {
	const owner songspy.UserID = 1
	at := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	track := songspy.Track{URI: "spotify:track:1", Kind: songspy.KindTrack}
	play := songspy.Play{StartedAt: at.Add(-time.Hour), EndedAt: at.Add(-time.Hour / 2)}
	things := map[string]visibility.Thing{"profile": visibility.Profile(), "now": visibility.NowThing(&track, at.Add(-time.Minute)), "play": visibility.PlayThing(&track, &play), "search": visibility.Search(), "nothing": {}}
	for _, audience := range []songspy.Audience{songspy.AudienceEveryone, songspy.AudienceFollowers, songspy.AudienceLink, songspy.AudienceNobody} {
		for _, hidden := range []bool{false, true} {
			rule := visibility.Rule{Owner: owner, HiddenByOperator: hidden, Periods: []songspy.Sharing{{BeganAt: at.Add(-24 * time.Hour), Now: audience, History: audience}}}
			for name, thing := range things {
				_, want := visibility.Reveal(&track, owner, rule, thing, visibility.Anonymous(), at)
				if _, got := visibility.Reveal(&track, owner, rule, thing, visibility.Operator(), at); got != (want || name == "profile") {
					t.Errorf("audience %s, hidden %t: the operator sees %s: %t", audience, hidden, name, got)
				}
			}
			if _, ok := visibility.Reveal(&track, owner+1, rule, visibility.Profile(), visibility.Operator(), at); ok {
				t.Error("the operator sees a profile by the rule of another owner")
			}
		}
	}
}

func TestSeen_DoesNotMarshal(t *testing.T) {
	s := revealed(t)
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json":    json.Marshal,
		"json v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		"xml": func(v any) ([]byte, error) {
			b, err := xml.Marshal(v)
			if err == nil && !bytes.Contains(b, []byte("private")) {
				err = errors.New("an element without content")
			}
			return b, err
		},
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
	} {
		for _, v := range []any{s, &s, []visibility.Seen[secret]{s}, map[string]any{"a": s}} {
			if b, err := marshal(v); err == nil {
				t.Errorf("%s marshals %T as %q", name, v, b)
			}
		}
	}
}

func TestSeen_ValueIsWhatWasRevealed(t *testing.T) {
	if got := revealed(t).Value(); got.Title != "private" {
		t.Errorf("the value is %+v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("Value of an empty Seen returned")
		}
	}()
	_ = visibility.Seen[secret]{}.Value()
}

func TestVisibleFrom_IsWhenTimeAloneReveals(t *testing.T) {
	with := func(from float64, change func(*songspy.Sharing)) songspy.Sharing {
		s := shares(from, songspy.AudienceEveryone)
		change(&s)
		return s
	}
	wait := func(seconds int) func(*songspy.Sharing) { return func(s *songspy.Sharing) { s.MinSeconds = seconds } }
	hideUntil := func(m float64) func(*songspy.Sharing) {
		return func(s *songspy.Sharing) { s.HiddenUntil = ptr(minute(m)) }
	}
	playing, past := visibility.NowThing(song(), minute(49.5)), visibility.PlayThing(song(), play(40, 44))
	item := func(from, to float64) visibility.Rule {
		return visibility.Rule{Owner: owner, Periods: open().Periods, Hidden: []songspy.HiddenItem{{URI: song().URI, BeganAt: minute(from), EndedAt: ptr(minute(to))}}}
	}
	const never = -1
	for name, c := range map[string]struct {
		rule  visibility.Rule
		thing visibility.Thing
		want  float64
	}{
		"visible":                           {open(), playing, 50},
		"a minimum of 60 s":                 {ruleOf(with(0, wait(60))), playing, 50.5},
		"the longer of two minimums":        {ruleOf(with(0, wait(60)), with(49.8, wait(30))), playing, 50.5},
		"a minimum that a play never met":   {ruleOf(with(0, wait(300))), past, never},
		"past plays after hiding":           {ruleOf(shares(0, songspy.AudienceEveryone), with(45, hideUntil(55))), past, 55},
		"what plays while hiding":           {ruleOf(shares(0, songspy.AudienceEveryone), with(45, hideUntil(55))), playing, never},
		"hidden for good":                   {ruleOf(shares(0, songspy.AudienceEveryone), with(45, func(s *songspy.Sharing) { s.HiddenUntil = &songspy.HiddenForever })), visibility.PlayThing(song(), play(48, 49)), never},
		"for nobody":                        {ruleOf(shares(0, songspy.AudienceNobody)), past, never},
		"an item that a fast clock ended":   {item(45, 51), past, 51},
		"an item that a fast clock began":   {item(51, 52), past, 52},
		"an item that a fast clock ended 2": {item(45, 51), playing, never},
		"widened by a fast clock":           {ruleOf(shares(0, songspy.AudienceNobody), shares(52, songspy.AudienceEveryone)), visibility.Profile(), 52},
	} {
		got := visibility.VisibleFrom(owner, c.rule, c.thing, visibility.Anonymous(), minute(50))
		switch {
		case c.want == never && !strings.HasPrefix(name, "hidden for good"):
			if !got.IsZero() {
				t.Errorf("%s: visible from %s, want never", name, got)
			}
		case c.want == never:
			if !got.IsZero() && got.Before(songspy.HiddenForever) {
				t.Errorf("%s: visible from %s, want never", name, got)
			}
		case !got.Equal(minute(c.want)):
			t.Errorf("%s: visible from %s, want minute %g", name, got, c.want)
		}
	}
	if got := visibility.VisibleFrom(third, open(), visibility.Profile(), visibility.Anonymous(), minute(50)); !got.IsZero() {
		t.Errorf("the rule of another owner shows from %s", got)
	}
}

func TestReveal_OfWhatPlaysNowAllocatesNothing(t *testing.T) {
	entry := songspy.BoardEntry{Track: *song(), Rule: ruleOf(shares(0, songspy.AudienceEveryone))}
	viewer := signedIn(other, follows(other, owner, songspy.FollowApproved), nil)
	shown := 0
	if n := testing.AllocsPerRun(1000, func() {
		if s, ok := visibility.Reveal(&entry, owner, entry.Rule, visibility.NowThing(&entry.Track, minute(45)), viewer, minute(50)); ok {
			shown += len(s.Value().Track.Title)
		}
	}); n != 0 {
		t.Errorf("%g allocations, want none", n)
	}
	if shown == 0 {
		t.Error("nothing was revealed")
	}
}

// BenchmarkReveal measures Reveal over 100 entries, which fit into the CPU cache, and
// over the 100,000 entries of a large board (live list of users). The case "bare" compares
// two fields of the settings instead, as the lower limit of the cost.
func BenchmarkReveal(b *testing.B) {
	at := minute(50)
	var friends []songspy.Follow
	for i := range songspy.UserID(50) {
		friends = append(friends, follows(200_000, 1000*i+1, songspy.FollowApproved)...)
	}
	blocks := []songspy.Block{{UserID: 200_000, BlockedID: 300_000}, {UserID: 200_000, BlockedID: 300_001}, {UserID: 300_002, BlockedID: 200_000}}
	by := func(v visibility.Viewer) func(*songspy.BoardEntry) bool {
		return func(e *songspy.BoardEntry) bool {
			_, ok := visibility.Reveal(e, e.Rule.Owner, e.Rule, visibility.NowThing(&e.Track, e.Playing.StartedAt), v, at)
			return ok
		}
	}
	for _, size := range []int{100, 100_000} {
		entries := make([]songspy.BoardEntry, size)
		for i := range entries {
			s := shares(0, songspy.AudienceEveryone)
			s.HideLocal = true
			entries[i].Track, entries[i].Playing.StartedAt = *song(), minute(45)
			entries[i].Rule = visibility.Rule{Owner: songspy.UserID(i + 1), Periods: []songspy.Sharing{s}}
		}
		for _, c := range []struct {
			name  string
			shows func(*songspy.BoardEntry) bool
		}{
			{"bare", func(e *songspy.BoardEntry) bool {
				p := &e.Rule.Periods[len(e.Rule.Periods)-1]
				return p.Now == songspy.AudienceEveryone && (p.HiddenUntil == nil || !at.Before(*p.HiddenUntil))
			}},
			{"anonymous", by(visibility.Anonymous())},
			{"signed in", by(signedIn(200_000, friends, blocks))},
		} {
			b.Run(fmt.Sprintf("entries=%d/%s", size, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if !c.shows(&entries[i%size]) {
						b.Fatal("an entry is hidden")
					}
				}
			})
		}
	}
}

func TestHistorySince_LeavesOutWhatIsHiddenAsAWhole(t *testing.T) {
	hidden := func(from float64, until time.Time) songspy.Sharing {
		s := shares(from, songspy.AudienceEveryone)
		s.HiddenUntil = &until
		return s
	}
	all, none := songspy.AudienceEveryone, songspy.AudienceNobody
	for name, c := range map[string]struct {
		periods []songspy.Sharing
		want    time.Time
	}{
		"shared from the beginning":      {[]songspy.Sharing{shares(0, all)}, minute(0)},
		"private at first":               {[]songspy.Sharing{shares(0, none), shares(10, none), shares(20, all)}, minute(20)},
		"hidden at first":                {[]songspy.Sharing{hidden(0, songspy.HiddenForever), shares(20, all)}, minute(20)},
		"hidden for a while":             {[]songspy.Sharing{hidden(0, minute(5)), shares(20, all)}, minute(5)},
		"hidden for a while, until now":  {[]songspy.Sharing{shares(0, none), hidden(10, minute(15))}, minute(15)},
		"hidden soon after the change":   {[]songspy.Sharing{shares(0, all), hidden(10, minute(15))}, minute(0)},
		"private today":                  {[]songspy.Sharing{shares(0, all), shares(10, none)}, minute(100)},
		"hidden today":                   {[]songspy.Sharing{shares(0, all), hidden(10, songspy.HiddenForever)}, minute(100)},
		"without settings":               {nil, minute(100)},
		"followers first, then everyone": {[]songspy.Sharing{shares(0, songspy.AudienceFollowers), shares(10, all)}, minute(10)},
	} {
		if got := visibility.HistorySince(owner, ruleOf(c.periods...), visibility.Anonymous(), minute(100)); !got.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if got := visibility.HistorySince(owner, ruleOf(shares(0, all)), signedIn(owner, nil, nil), minute(100)); !got.IsZero() {
		t.Errorf("owners see their plays from %s on", got)
	}
}
