package visibility_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// whoSees is the specification. Each row is a viewer of the function viewers, and x
// marks what that viewer sees of an owner. The columns are the owner's audiences:
// everyone (E), link (L), followers (F) and nobody (N). The separate last column of
// "profile" and "search", also named F, is for a findable owner. The columns before it
// are for an owner who is not findable.
//
// For a past play, the column is the narrower of the audience during the play and
// today's audience.
const whoSees = `
                        | now or play | profile       | search
                        | E L F N     | E L F N   F   | E L F N   F
------------------------+-------------+---------------+-------------
anonymous               | x . . .     | x . . .   x   | . . . .   .
signed in               | x . . .     | x . . .   x   | . . . .   x
has asked to follow     | x . . .     | x . . .   x   | . . . .   x
follows a third         | x . . .     | x . . .   x   | . . . .   x
link, anonymous         | x x . .     | x x . .   x   | . . . .   .
link, signed in         | x x . .     | x x . .   x   | . . . .   x
link of a third         | x . . .     | x . . .   x   | . . . .   x
follower                | x x x .     | x x x .   x   | . . . .   x
follower with link      | x x x .     | x x x .   x   | . . . .   x
asked by the owner      | x . . .     | x x x x   x   | . . . .   x
followed by the owner   | x . . .     | x x x x   x   | . . . .   x
blocked                 | . . . .     | . . . .   .   | . . . .   .
has blocked             | . . . .     | . . . .   .   | . . . .   .
blocks a third          | x . . .     | x . . .   x   | . . . .   x
preview as stranger     | x . . .     | x . . .   x   | . . . .   x
preview as follower     | x x x .     | x x x .   x   | . . . .   x
preview as owner        | x . . .     | x . . .   x   | . . . .   x
preview of a third      | x . . .     | x . . .   x   | . . . .   x
signed in without an id | x . . .     | x . . .   x   | . . . .   .
owner                   | x x x x     | x x x x   x   | x x x x   x
`

// narrowest maps two audiences, one in force after the other, to the narrower one. For
// example, "EL" (everyone, then link) maps to "L".
var narrowest = map[string]string{
	"EE": "E", "EL": "L", "EF": "F", "EN": "N",
	"LE": "L", "LL": "L", "LF": "F", "LN": "N",
	"FE": "F", "FL": "F", "FF": "F", "FN": "N",
	"NE": "N", "NL": "N", "NF": "N", "NN": "N",
}

var audiences = map[string]songspy.Audience{
	"E": songspy.AudienceEveryone, "L": songspy.AudienceLink, "F": songspy.AudienceFollowers, "N": songspy.AudienceNobody,
}

// specified parses whoSees. The result is true for an x, by the name of the viewer and
// the name of the column, such as "now E", "profile N" or "search found". The column
// "found" is the one for a findable owner.
func specified(t *testing.T) map[string]map[string]bool {
	columns := []string{
		"now E", "now L", "now F", "now N",
		"profile E", "profile L", "profile F", "profile N", "profile found",
		"search E", "search L", "search F", "search N", "search found",
	}
	spec := map[string]map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(whoSees), "\n")[3:] {
		name, cells, _ := strings.Cut(line, "|")
		marks := strings.Fields(strings.ReplaceAll(cells, "|", " "))
		if len(marks) != len(columns) {
			t.Fatalf("the row %q has %d marks, want %d", line, len(marks), len(columns))
		}
		row := map[string]bool{}
		for i, m := range marks {
			row[columns[i]] = m == "x"
		}
		spec[strings.TrimSpace(name)] = row
	}
	if got, want := slices.Sorted(maps.Keys(spec)), slices.Sorted(maps.Keys(viewers())); !slices.Equal(got, want) {
		t.Fatalf("the specification has the viewers %q, want %q", got, want)
	}
	return spec
}

// moments places plays before, during and after two events: the owner changes the
// audience at minute 100, and in some cases the owner is hidden from minute 40 to 60.
// The fields started and ended are the minutes of the play, and today is the minute at
// which a viewer looks. The field play says which audience counts for the play if it
// has ended, and the field now says which counts if the track still plays: the audience
// before the change ("then"), the one after it ("later"), the narrower of the two
// ("both"), or nobody ("none"). The fields playHiding and nowHiding say the same for an
// owner who was hidden.
var moments = map[string]struct {
	started, ended, today            float64
	play, now, playHiding, nowHiding string
}{
	"before the change, seen before it":  {10, 13, 20, "then", "then", "then", "then"},
	"before the change, seen after it":   {10, 13, 200, "both", "both", "both", "none"},
	"across the change":                  {98, 102, 200, "both", "both", "both", "both"},
	"ends with the change":               {97, 100, 200, "both", "both", "both", "both"},
	"begins with the change":             {100, 103, 200, "later", "later", "later", "later"},
	"after the change":                   {110, 113, 200, "later", "later", "later", "later"},
	"ends before the hiding":             {10, 39, 200, "both", "both", "both", "none"},
	"ends with the start of the hiding":  {37, 40, 200, "both", "both", "none", "none"},
	"begins before the hiding":           {39, 41, 200, "both", "both", "none", "none"},
	"while hidden":                       {45, 48, 200, "both", "both", "none", "none"},
	"begins while hidden":                {58, 63, 200, "both", "both", "none", "none"},
	"around the hiding":                  {30, 70, 200, "both", "both", "none", "none"},
	"begins with the end of the hiding":  {60, 63, 200, "both", "both", "both", "both"},
	"before the hiding, seen during it":  {10, 13, 50, "then", "then", "none", "none"},
	"before the hiding, seen at its end": {10, 13, 60, "then", "then", "then", "none"},
}

func TestReveal_FollowsTheTableForEveryRelationAudienceThingAndPeriod(t *testing.T) {
	spec, cases := specified(t), 0
	for who, viewer := range viewers() {
		for pair := range narrowest {
			then, later := pair[:1], pair[1:]
			columns := map[string]string{"then": then, "both": narrowest[pair], "later": later, "none": "N"}
			for name, m := range moments {
				for _, hides := range []string{"not", "until a time", "until switched off"} {
					needPlay, needNow := m.playHiding, m.nowHiding
					hiding, shown := shares(40, audiences[then]), shares(60, audiences[then])
					var periods []songspy.Sharing
					switch hides {
					case "not":
						needPlay, needNow = m.play, m.now
					case "until a time":
						hiding.HiddenUntil = ptr(minute(60))
						periods = append(periods, hiding)
					case "until switched off":
						hiding.HiddenUntil = &songspy.HiddenForever
						periods = append(periods, hiding, shown)
					}
					periods = append(append([]songspy.Sharing{shares(0, audiences[then])}, periods...), shares(100, audiences[later]))
					periods = slices.DeleteFunc(periods, func(p songspy.Sharing) bool { return p.BeganAt.After(minute(m.today)) })
					found := slices.Clone(periods)
					found[len(found)-1].Findable = true
					today := then
					if m.today >= 100 {
						today = later
					}
					for what, c := range map[string]struct {
						periods []songspy.Sharing
						thing   visibility.Thing
						column  string
					}{
						"play":             {periods, visibility.PlayThing(song(), play(m.started, m.ended)), "now " + columns[needPlay]},
						"now":              {periods, visibility.NowThing(song(), minute(m.started)), "now " + columns[needNow]},
						"profile":          {periods, visibility.Profile(), "profile " + today},
						"findable profile": {found, visibility.Profile(), "profile found"},
						"search":           {periods, visibility.Search(), "search " + today},
						"link preview":     {found, visibility.LinkPreview(), "now " + today},
						"findable search":  {found, visibility.Search(), "search found"},
					} {
						cases++
						if got, want := sees(ruleOf(c.periods...), c.thing, viewer, minute(m.today)), spec[who][c.column]; got != want {
							t.Errorf("%s sees %s, audience %s then %s, hidden %s, %s: %t, want %t", who, what, then, later, hides, name, got, want)
						}
					}
				}
			}
		}
	}
	if want := 20 * 16 * 15 * 3 * 7; cases != want {
		t.Errorf("%d cases, want %d", cases, want)
	}
}

func TestReveal_NowAndHistoryHaveTheirOwnAudience(t *testing.T) {
	spec := specified(t)
	wider := map[string]string{
		"EE": "E", "EL": "E", "EF": "E", "EN": "E", "LE": "E", "LL": "L", "LF": "L", "LN": "L",
		"FE": "E", "FL": "L", "FF": "F", "FN": "F", "NE": "E", "NL": "L", "NF": "F", "NN": "N",
	}
	for who, viewer := range viewers() {
		for pair := range wider {
			s := shares(0, "")
			s.Now, s.History = audiences[pair[:1]], audiences[pair[1:]]
			for what, c := range map[string]struct {
				thing visibility.Thing
				want  bool
			}{
				"now":     {visibility.NowThing(song(), minute(5)), spec[who]["now "+pair[:1]]},
				"play":    {visibility.PlayThing(song(), play(1, 4)), spec[who]["now "+pair[1:]]},
				"profile": {visibility.Profile(), spec[who]["profile "+wider[pair]]},
				"preview": {visibility.LinkPreview(), spec[who]["now "+pair[:1]]},
			} {
				if got := sees(ruleOf(s), c.thing, viewer, minute(6)); got != c.want {
					t.Errorf("%s, %s, audiences %s: seen is %t, want %t", who, what, pair, got, c.want)
				}
			}
		}
	}
}

// things returns one thing of each kind. If the owner shows everything (see open), a
// signed-in stranger sees all of them at minute 50.
func things() map[string]visibility.Thing {
	return map[string]visibility.Thing{
		"now":     visibility.NowThing(song(), minute(45)),
		"play":    visibility.PlayThing(song(), play(40, 44)),
		"profile": visibility.Profile(),
		"search":  visibility.Search(),
		"preview": visibility.LinkPreview(),
	}
}

func open() visibility.Rule {
	s := shares(0, songspy.AudienceEveryone)
	s.Findable = true
	return ruleOf(s)
}

// onlyOwner checks what is visible under the rule r at minute 50. The owner must see all
// things. No other viewer may see a thing whose name is in the argument hidden. Every other
// thing must be visible to the same viewers as that of an owner who shows everything (see
// open).
func onlyOwner(t *testing.T, what string, r visibility.Rule, hidden ...string) {
	t.Helper()
	for name, th := range things() {
		for who, viewer := range viewers() {
			want := who == "owner" || !slices.Contains(hidden, name) && sees(open(), th, viewer, minute(50))
			if got := sees(r, th, viewer, minute(50)); got != want {
				t.Errorf("%s: %s sees %s: %t, want %t", what, who, name, got, want)
			}
		}
	}
}

func TestReveal_ShowsEverythingOfAnOpenOwner(t *testing.T) {
	onlyOwner(t, "open", open())
	for name, th := range things() {
		if !sees(open(), th, signedIn(other, nil, nil), minute(50)) {
			t.Errorf("a signed-in stranger does not see %s of an owner who shows everything", name)
		}
	}
}

func TestReveal_OperatorHidesAUserFromAllOthers(t *testing.T) {
	r := open()
	r.HiddenByOperator = true
	onlyOwner(t, "hidden by the operator", r, "now", "play", "profile", "search", "preview")
}

func TestReveal_DoubtfulSettingsShowNothing(t *testing.T) {
	changed := func(change func(*visibility.Rule)) visibility.Rule {
		r := open()
		change(&r)
		return r
	}
	later := func(from float64) songspy.Sharing {
		s := open().Periods[0]
		s.BeganAt = minute(from)
		return s
	}
	all := []string{"now", "play", "profile", "search", "preview"}
	for name, c := range map[string]struct {
		rule   visibility.Rule
		hidden []string
	}{
		"no period":                 {ruleOf(), all},
		"two periods of one time":   {ruleOf(later(0), later(0)), all},
		"periods out of order":      {ruleOf(later(10), later(0)), all},
		"the last is out of order":  {ruleOf(later(0), later(20), later(10)), all},
		"in order":                  {ruleOf(later(0), later(10), later(20)), nil},
		"the first begins too late": {ruleOf(later(46)), []string{"now", "play"}},
		"the first begins with it":  {ruleOf(later(45)), []string{"play"}},
		"an unknown audience":       {changed(func(r *visibility.Rule) { r.Periods[0].Now, r.Periods[0].History = "public", "" }), []string{"now", "play", "preview"}},
		"hidden by a clock ahead":   {ruleOf(later(0), func() songspy.Sharing { s := later(51); s.HiddenUntil = ptr(minute(52)); return s }()), []string{"now", "play"}},
		"an item by a clock ahead":  {changed(func(r *visibility.Rule) { r.Hidden = []songspy.HiddenItem{{URI: song().URI, BeganAt: minute(51)}} }), []string{"now", "play"}},
		"an item ended by such one": {changed(func(r *visibility.Rule) {
			r.Hidden = []songspy.HiddenItem{{URI: song().URI, BeganAt: minute(49), EndedAt: ptr(minute(51))}}
		}), []string{"now", "play"}},
		"an item ended before it was": {changed(func(r *visibility.Rule) {
			r.Hidden = []songspy.HiddenItem{{URI: song().URI, BeganAt: minute(43), EndedAt: ptr(minute(42))}}
		}), []string{"play"}},
	} {
		onlyOwner(t, name, c.rule, c.hidden...)
	}
}

func TestReveal_SettingsByAClockThatRunsAheadCountTogetherWithThoseOfNow(t *testing.T) {
	wide := func(from float64) songspy.Sharing {
		s := open().Periods[0]
		s.BeganAt = minute(from)
		return s
	}
	for name, r := range map[string]visibility.Rule{
		"narrowed": ruleOf(wide(0), shares(51, songspy.AudienceNobody)),
		"widened":  ruleOf(shares(0, songspy.AudienceNobody), wide(51)),
	} {
		for what, th := range things() {
			if sees(r, th, signedIn(other, nil, nil), minute(50)) {
				t.Errorf("%s by a clock that is a minute ahead: a stranger sees %s", name, what)
			}
		}
	}
}

func TestReveal_TheRuleOfAnotherOwnerShowsNothing(t *testing.T) {
	value := "value"
	for who, viewer := range viewers() {
		for name, th := range things() {
			r := open()
			r.Owner = third
			if _, ok := visibility.Reveal(&value, owner, r, th, viewer, minute(50)); ok {
				t.Errorf("%s sees %s by the rule of another owner", who, name)
			}
			r.Owner = 0
			if _, ok := visibility.Reveal(&value, 0, r, th, viewer, minute(50)); ok {
				t.Errorf("%s sees %s of nobody", who, name)
			}
		}
	}
}

func TestReveal_TheLastPeriodAppliesForever(t *testing.T) {
	if sees(ruleOf(shares(0, songspy.AudienceEveryone), shares(10, songspy.AudienceNobody)), visibility.Profile(), visibility.Anonymous(), songspy.HiddenForever.AddDate(1, 0, 0)) {
		t.Error("a stranger sees an owner who shows nothing, at a time after all times")
	}
}

func TestReveal_OwnersCannotBlockThemselves(t *testing.T) {
	self := signedIn(owner, nil, []songspy.Block{{UserID: owner, BlockedID: owner}})
	for name, th := range things() {
		if !sees(open(), th, self, minute(50)) {
			t.Errorf("an owner who blocked the own account does not see %s", name)
		}
	}
}

func TestReveal_AThingThatDescribesNothingIsHidden(t *testing.T) {
	value := "value"
	stranger := signedIn(other, nil, nil)
	for name, th := range map[string]visibility.Thing{
		"the zero thing": {}, "now without a track": visibility.NowThing(nil, minute(45)), "a play without a track": visibility.PlayThing(nil, play(40, 44)),
	} {
		if sees(open(), th, stranger, minute(50)) {
			t.Errorf("a stranger sees %s", name)
		}
	}
	if seen, ok := visibility.Reveal[string](nil, owner, open(), visibility.Profile(), stranger, minute(50)); ok || seen != (visibility.Seen[string]{}) {
		t.Errorf("Reveal of nil returned a value")
	}
	if seen, ok := visibility.Reveal(&value, owner, ruleOf(), visibility.Profile(), stranger, minute(50)); ok || seen != (visibility.Seen[string]{}) {
		t.Errorf("Reveal of a hidden value returned one")
	}
}

func TestReveal_PlaysThatAreNotCertainAreForTheirUser(t *testing.T) {
	for name, p := range map[string]*songspy.Play{
		"probable":                     {StartedAt: minute(40), EndedAt: minute(44), Probable: true},
		"deleted":                      {StartedAt: minute(40), EndedAt: minute(44), DeletedAt: ptr(minute(45))},
		"ended before it began":        play(44, 43),
		"without a start":              {EndedAt: minute(44)},
		"without times":                {},
		"from before the first period": play(-1, 3),
	} {
		th := visibility.PlayThing(song(), p)
		if sees(open(), th, signedIn(other, nil, nil), minute(50)) {
			t.Errorf("a stranger sees a play that is %s", name)
		}
		if !sees(open(), th, signedIn(owner, nil, nil), minute(50)) {
			t.Errorf("the owner does not see a play that is %s", name)
		}
	}
	for name, p := range map[string]*songspy.Play{"of no length": play(44, 44), "from the first moment on": play(0, 3), "provisional": {StartedAt: minute(40), EndedAt: minute(44), Provisional: true}} {
		if !sees(open(), visibility.PlayThing(song(), p), signedIn(other, nil, nil), minute(50)) {
			t.Errorf("a stranger does not see a play %s", name)
		}
	}
}

func TestReveal_KindsAreHiddenByTheNarrowestOfThenAndNow(t *testing.T) {
	hide := map[string]func(*songspy.Sharing){
		"local":    func(s *songspy.Sharing) { s.HideLocal = true },
		"episodes": func(s *songspy.Sharing) { s.HideEpisodes = true },
		"chapters": func(s *songspy.Sharing) { s.HideChapters = true },
		"none":     func(*songspy.Sharing) {},
	}
	for name, c := range map[string]struct {
		track    songspy.Track
		hiddenBy string
	}{
		"a song":                        {songspy.Track{URI: "spotify:track:1", Kind: songspy.KindTrack}, ""},
		"an episode":                    {songspy.Track{URI: "spotify:episode:1", Kind: songspy.KindEpisode}, "episodes"},
		"a chapter":                     {songspy.Track{URI: "spotify:chapter:1", Kind: songspy.KindChapter}, "chapters"},
		"a local file":                  {songspy.Track{URI: "spotify:local:a:b:c:1", Kind: songspy.KindLocal}, "local"},
		"a local file by kind only":     {songspy.Track{URI: "file", Kind: songspy.KindLocal}, "local"},
		"a local file by its URI only":  {songspy.Track{URI: "spotify:local:a:b:c:1", Kind: songspy.KindTrack}, "local"},
		"a track of an unknown kind":    {songspy.Track{URI: "spotify:video:1", Kind: "video"}, "local episodes chapters none"},
		"a track that has no kind left": {songspy.Track{URI: "spotify:track:1"}, "local episodes chapters none"},
	} {
		for setting, change := range hide {
			for where, periods := range map[string][2]float64{"then": {0, 45}, "now": {45, 99}, "between": {20, 30}} {
				a, b, d := shares(0, songspy.AudienceEveryone), shares(periods[0]+.1, songspy.AudienceEveryone), shares(periods[1], songspy.AudienceEveryone)
				change(&b)
				r := ruleOf(a, b)
				if where != "now" {
					r = ruleOf(a, b, d)
				}
				for what, th := range map[string]visibility.Thing{
					"play": visibility.PlayThing(&c.track, play(40, 44)),
					"now":  visibility.NowThing(&c.track, minute(44)),
				} {
					if where == "then" && what == "now" && periods[1] > 45 {
						continue
					}
					hidden := strings.Contains(c.hiddenBy, "none") || where != "between" && strings.Contains(c.hiddenBy, setting)
					for who, viewer := range map[string]visibility.Viewer{"follower": viewers()["follower"], "owner": viewers()["owner"]} {
						if got, want := sees(r, th, viewer, minute(50)), !hidden || who == "owner"; got != want {
							t.Errorf("%s sees %s of %s, hiding %s %s: %t, want %t", who, what, name, setting, where, got, want)
						}
					}
				}
			}
		}
	}
}

func TestReveal_ShowsATrackOnceItHasPlayedLongEnough(t *testing.T) {
	s := shares(0, songspy.AudienceEveryone)
	s.MinSeconds = 30
	r, stranger := ruleOf(s), visibility.Anonymous()
	for seconds, want := range map[int]bool{-5: false, 0: false, 29: false, 30: true, 31: true} {
		at := minute(10).Add(time.Duration(seconds) * time.Second)
		if got := sees(r, visibility.NowThing(song(), minute(10)), stranger, at); got != want {
			t.Errorf("a track that has played for %d s is seen: %t, want %t", seconds, got, want)
		}
		if seconds < 0 {
			continue
		}
		if got := sees(r, visibility.PlayThing(song(), &songspy.Play{StartedAt: minute(10), EndedAt: at}), stranger, minute(50)); got != want {
			t.Errorf("a play that lasted %d s is seen: %t, want %t", seconds, got, want)
		}
	}
	wide := shares(0, songspy.AudienceEveryone)
	narrow := shares(20, songspy.AudienceEveryone)
	narrow.MinSeconds = 60
	short := visibility.PlayThing(song(), play(10, 10.6))
	if !sees(ruleOf(wide), short, stranger, minute(50)) || sees(ruleOf(wide, narrow), short, stranger, minute(50)) {
		t.Error("a play of 36 s is not hidden by a minimum of 60 s that was set later")
	}
	if again := shares(30, songspy.AudienceEveryone); !sees(ruleOf(wide, narrow, again), short, stranger, minute(50)) {
		t.Error("a play of 36 s is hidden by a minimum of 60 s that was in force neither then nor now")
	}
}

func TestReveal_HiddenItemsMatchTracksAndArtists(t *testing.T) {
	named := func(artists string) *songspy.Track {
		return &songspy.Track{URI: "spotify:track:2", Kind: songspy.KindTrack, Artists: artists}
	}
	half := song()
	half.ArtistRefs[0].URI = ""
	artist := songspy.HiddenItem{URI: "spotify:artist:air", Name: "Air"}
	for name, c := range map[string]struct {
		item   songspy.HiddenItem
		track  *songspy.Track
		hidden bool
	}{
		"the track":                           {songspy.HiddenItem{URI: "spotify:track:1"}, song(), true},
		"another track":                       {songspy.HiddenItem{URI: "spotify:track:2", Name: "One"}, song(), false},
		"a track does not match by name":      {songspy.HiddenItem{URI: "spotify:track:1", Name: "Air"}, named("Air"), false},
		"the first artist":                    {artist, song(), true},
		"a featured artist":                   {songspy.HiddenItem{URI: "spotify:artist:blue"}, song(), true},
		"another artist of the same name":     {songspy.HiddenItem{URI: "spotify:artist:air2", Name: "Air"}, song(), false},
		"an artist without identity":          {artist, half, true},
		"the other artist is known":           {songspy.HiddenItem{URI: "spotify:artist:blue", Name: "B"}, half, true},
		"neither":                             {songspy.HiddenItem{URI: "spotify:artist:red", Name: "Red"}, half, false},
		"by name":                             {artist, named("Air"), true},
		"by name, first":                      {artist, named("Air, Blue, Red"), true},
		"by name, between":                    {artist, named("Blue, Air, Red"), true},
		"by name, last":                       {artist, named("Blue, Air"), true},
		"by name in other case":               {artist, named("blue, AIR"), true},
		"by name with the separator":          {songspy.HiddenItem{URI: "spotify:artist:t", Name: "Tyler, The Creator"}, named("Blue, Tyler, The Creator, Air"), true},
		"by part of a name":                   {artist, named("Blair, Airy, Hot Air"), false},
		"by no name of the item":              {songspy.HiddenItem{URI: "spotify:artist:air"}, named("Blue"), true},
		"by no name of the track":             {artist, named(""), true},
		"an episode that names its show only": {artist, &songspy.Track{URI: "spotify:episode:1", Kind: songspy.KindEpisode, Artists: "Air"}, true},
	} {
		if got := !sees(visibility.Rule{Owner: owner, Periods: open().Periods, Hidden: []songspy.HiddenItem{
			{URI: "spotify:track:none", BeganAt: minute(0)}, c.item,
		}}, visibility.NowThing(c.track, minute(45)), visibility.Anonymous(), minute(50)); got != c.hidden {
			t.Errorf("%s: hidden is %t, want %t", name, got, c.hidden)
		}
	}
}

func TestReveal_WhatPlayedWhileAnItemWasHiddenStaysHidden(t *testing.T) {
	const never = 1e4
	for name, c := range map[string]struct {
		began, ended     float64
		playHidden, now_ bool // whether each must be hidden at minute 50: the play from minute 40 to 44, and the track that has played since minute 45
	}{
		"hidden for good":             {30, never, true, true},
		"hidden since today":          {49, never, true, true},
		"hidden and shown before":     {30, 40, false, false},
		"shown while it played":       {30, 41, true, false},
		"hidden while it played":      {42, 43, true, false},
		"hidden as the play ended":    {44, 44.5, true, false},
		"hidden between the two":      {44.1, 45, false, false},
		"hidden as the next began":    {44.5, 45.5, false, true},
		"hidden and shown since then": {47, 50, false, true},
	} {
		item := songspy.HiddenItem{URI: "spotify:artist:air", BeganAt: minute(c.began)}
		if c.ended != never {
			item.EndedAt = ptr(minute(c.ended))
		}
		r := open()
		r.Hidden = []songspy.HiddenItem{item}
		var hidden []string
		if c.playHidden {
			hidden = append(hidden, "play")
		}
		if c.now_ {
			hidden = append(hidden, "now")
		}
		onlyOwner(t, name, r, hidden...)
	}
}

func TestPreviewOf_ShowsWhatSuchAViewerSees(t *testing.T) {
	all := viewers()
	for preview, real := range map[string]string{"preview as stranger": "signed in", "preview as follower": "follower"} {
		for a := range audiences {
			for _, th := range things() {
				r := ruleOf(shares(0, audiences[a]))
				if got, want := sees(r, th, all[preview], minute(50)), sees(r, th, all[real], minute(50)); got != want {
					t.Errorf("%s, audience %s: seen is %t, want %t", preview, a, got, want)
				}
			}
		}
	}
}

func ExampleReveal() {
	noon := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	rule := visibility.Rule{Owner: 7, Periods: []songspy.Sharing{
		{BeganAt: noon, Now: songspy.AudienceEveryone, History: songspy.AudienceFollowers},
	}}
	track := &songspy.Track{URI: "spotify:track:1", Kind: songspy.KindTrack, Title: "One"}
	play := &songspy.Play{StartedAt: noon, EndedAt: noon.Add(3 * time.Minute)}
	at := noon.Add(time.Hour)

	playing, ok := visibility.Reveal(track, 7, rule, visibility.NowThing(track, noon.Add(59*time.Minute)), visibility.Anonymous(), at)
	fmt.Println(ok, playing, playing.Value().Title)

	_, ok = visibility.Reveal(track, 7, rule, visibility.PlayThing(track, play), visibility.Anonymous(), at)
	fmt.Println(ok)
	// Output:
	// true [seen] One
	// false
}

func TestNewRelations_TakesRowsInAnyOrder(t *testing.T) {
	var rows []songspy.Follow
	var blocks []songspy.Block
	for _, id := range []songspy.UserID{31, 30, owner, 29, 5, 28} {
		rows = append(append(rows, follows(other, id, songspy.FollowApproved)...), follows(id, other, songspy.FollowRequested)...)
		blocks = append(blocks, songspy.Block{UserID: id, BlockedID: other})
	}
	at, v := minute(50), signedIn(other, rows, nil)
	if !sees(ruleOf(shares(0, songspy.AudienceFollowers)), things()["now"], v, at) || !sees(ruleOf(shares(0, songspy.AudienceNobody)), visibility.Profile(), v, at) {
		t.Error("a follow or a request of the owner is not found among other rows")
	}
	if sees(open(), things()["now"], signedIn(other, rows, blocks), at) {
		t.Error("a block is not found among other rows")
	}
}
