package web_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// atFirst returns a script that evaluates the expression in the HTML from the server, before the
// scripts of the page run, and keeps the value in window.first.
func atFirst(expression string) string {
	return `document.addEventListener("readystatechange", () => { if (document.readyState === "interactive") window.first = ` + expression + `; });`
}

const stateText = `document.querySelector("[data-state]").textContent`

func TestPage_AsksToBeTheFirstWithWhatTheViewerCanDo(t *testing.T) {
	const none = "Be the first to answer.\nNobody is showing a song right now. "
	const link, play = none + "Link Spotify, and show what you play to the people you choose.", none + "Play a song on Spotify, and show it to the people you choose."
	for name, c := range map[string]struct {
		viewer               songspy.UserID
		account, state, mine string
	}{
		"signed out":          {0, "401 UNAUTHORIZED Please sign in.", link, ""},
		"signed in, no link":  {1, newMe("Listener A", "everyone", false), link, "You have not linked Spotify yet. Link Spotify"},
		"linked":              {1, newMe("Listener A", "everyone", true), play, "Everyone sees what you play. Hide me"},
		"linked, seen by one": {1, newMe("Listener A", "nobody", true), play, "Only you see your songs right now. See my page"},
		"linked, hidden":      {1, with(t, newMe("Listener A", "everyone", true), `"sharingPausedUntil":"2126-11-28T00:00:00Z"`), play, "Nobody sees you right now. See my page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t)
			s.feed.viewer = c.viewer
			if c.state == link {
				s.feed.unlinked = []songspy.UserID{1}
			}
			s.account.answerWith(map[string]string{"GET /me": c.account, "GET /spotify-auth": newLink("active", "none"), "GET /spotify-auth/seat": `null`, "GET /me/gaps": noItems, "GET /me/following": noItems})
			tab := s.openTab(1280, 800, notesShifts+atFirst(stateText))
			s.waitFor(tab, `document.querySelector("[data-mine]").textContent === "`+c.mine+`" && document.getElementById("connection").hidden`)
			s.expect(tab, "the text of the HTML", `first`, c.state)
			s.put(newEntry(2, "two", 0))
			s.waitFor(tab, answer+` === "Listener B: two"`)
			s.remove(2)
			s.waitFor(tab, answer+` === ""`) // now the text is the one that the scripts have written
			s.expect(tab, "the text", stateText, c.state)
			want := "true"
			if c.viewer != 0 {
				want = "false"
			}
			s.expect(tab, "whether the page offers to sign in", `String(Array.from(document.querySelectorAll("main [data-sign-in]")).some((part) => part.checkVisibility()))`, want)
			if name != "linked" {
				return
			}
			call(s, tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": "ko"}})
			s.navigate(tab, "/")
			s.expect(tab, "the Korean text", stateText, "가장 먼저 답해\u00a0주세요.\n지금은 듣는 노래를 공개한 사람이 없어요. Spotify에서 노래를 틀고, 지금 듣는 노래를 원하는 사람에게만 보여\u00a0주세요.")
		})
	}
}

// movableClock is a script that lets a test move the clock of the page: Date.now is ahead by
// window.later milliseconds.
const movableClock = `window.later = 0; const now = Date.now; Date.now = () => now() + later;`

// point moves the mouse to the middle of the element with the selector. If the selector is
// empty, it moves the mouse to the corner of the page, where there is no element.
func (s *pageTest) point(tab context.Context, selector string) {
	s.t.Helper()
	at := []float64{1, 1}
	if selector != "" {
		at = evaluate[[]float64](s, tab, `(() => { const e = document.querySelector("`+selector+`"); e.scrollIntoView({ block: "center" }); const box = e.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; })()`)
	}
	if err := chromedp.Do(tab, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])); err != nil {
		s.t.Fatal(err)
	}
}

func TestHero_NeverPassesWhileThePointerIsOnIt(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200))
	tab := s.openTab(1280, 800, movableClock)
	s.waitFor(tab, answer+` === "Listener A: one"`)
	ago := 0
	for _, part := range []string{".hero-art img", ".answer .title a", ".answer .by"} {
		evaluate[any](s, tab, `later += 21000`)
		s.point(tab, part)
		title := "on " + part
		s.put(newEntry(2, title, ago))
		s.waitFor(tab, titles+` === "`+title+`,one"`)
		s.expect(tab, "the hero with the pointer on "+part, answer, "Listener A: one")
		ago--
	}
	s.point(tab, "")
	s.put(newEntry(2, "second", ago))
	s.waitFor(tab, answer+` === "Listener B: second"`)
}

func TestHero_LeavesACardUnderThePointerInTheList(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200), newEntry(3, "three", 300))
	tab := s.openTab(1280, 800, movableClock)
	s.waitFor(tab, titles+` === "two,three,one"`)
	evaluate[any](s, tab, `later = 21000`)
	s.point(tab, "#board li h3 a")
	s.put(newEntry(2, "second", 0))
	s.waitFor(tab, titles+` === "second,three,one,second"`)
	s.point(tab, "")
	s.put(newEntry(4, "four", 50))
	s.waitFor(tab, titles+` === "four,three,one,second"`)
}

func TestHero_StaysWhenNobodyBeginsATrack(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 300), newEntry(2, "two", 400), newEntry(3, "three", 500), newEntry(4, "four", 600))
	tab := s.openTab(1280, 800, movableClock)
	s.waitFor(tab, titles+` === "two,three,four,one"`)
	s.put(newEntry(2, "second", 100)) // less than 20 s after the hero began to show user 1, so the hero must stay
	s.waitFor(tab, titles+` === "second,three,four,one"`)
	evaluate[any](s, tab, `later = 21000`)
	s.remove(4)
	s.waitFor(tab, titles+` === "second,three,one"`)
	s.expect(tab, "the hero after a user has left", answer, "Listener A: one")
	s.put(pausedAfter(newEntry(3, "three", 500), 495*time.Second))
	s.waitFor(tab, `document.querySelector("#board").textContent.includes("paused")`)
	s.expect(tab, "the hero after a user has paused", answer, "Listener A: one")
	s.put(newEntry(3, "three", 500))
	s.waitFor(tab, `!document.querySelector("#board").textContent.includes("paused")`)
	s.expect(tab, "the hero after the user has resumed", answer, "Listener A: one")
	s.put(newEntry(3, "third", 0))
	s.waitFor(tab, answer+` === "Listener C: third"`)
}

// pausedAfter returns the entry, changed as if its user had paused the given time after the start
// of the track.
func pausedAfter(entry songspy.BoardEntry, after time.Duration) songspy.BoardEntry {
	since := entry.Playing.StartedAt.Add(after)
	entry.Playing.State, entry.Playing.PausedSince, entry.Playing.EndsAt = songspy.PlayerPaused, &since, &since
	return entry
}

// startedBefore returns an entry of Listener A, whose track began the duration ago before the
// present time. In contrast, newEntry counts from testStart, which may be minutes before a
// parallel test runs.
func startedBefore(ago time.Duration) songspy.BoardEntry {
	return newEntry(1, "one", int((ago - time.Since(testStart)).Seconds()))
}

func TestHero_SaysWhoHasJustStarted(t *testing.T) {
	const just = `document.querySelector("[data-just]").textContent`
	const said = "Listener A just started this"
	for name, c := range map[string]struct {
		ago, pausedAfter   time.Duration
		first, then, later string
	}{
		"5 s ago":        {5 * time.Second, 0, said, said, said},
		"31 s ago":       {31 * time.Second, 0, "", "", ""},
		"soon 30 s ago":  {24 * time.Second, 0, said, said, ""},
		"paused at 0:02": {5 * time.Second, 2 * time.Second, "", "", ""}, // streams show a paused user, but the HTML from the server does not
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entry := startedBefore(c.ago)
			if c.pausedAfter != 0 {
				entry = pausedAfter(entry, c.pausedAfter)
			}
			s := startPage(t, []songspy.BoardEntry{entry})
			tab := s.openTab(1280, 800, atFirst(just))
			s.waitFor(tab, answer+` === "Listener A: one"`)
			s.expect(tab, "in the HTML", `first`, c.first)
			s.expect(tab, "by the scripts", just, c.then)
			if c.then != c.later {
				s.waitFor(tab, just+` === "`+c.later+`"`)
			}
		})
	}
}

func TestPage_ShowsTheViewersOwnPairFirstAsYou(t *testing.T) {
	mine, theirs := pairOf(newEntry(1, "one", 40), newEntry(2, "two", 0))
	c, d := pairOf(newEntry(3, "three", 60), newEntry(4, "four", 0))
	start, end := c.Playing.StartedAt.Add(2*time.Second), c.Playing.EndsAt.Add(2*time.Second)
	d.Playing.StartedAt, d.Playing.EndsAt = start, &end // 2 s apart: closer than the viewer's pair, which must be shown nevertheless
	const sentence, members = "You and Listener B are playing the same song, 14\u00a0s\u00a0apart", "You,Listener B"
	const pairs = `Array.from(document.querySelectorAll("[data-sentence], [data-matches] .sentence"), (p) => p.textContent).filter(Boolean).join("|") + "|" + Array.from(document.querySelectorAll("main .member [data-member]"), (m) => m.textContent).join()`
	for name, e := range map[string]struct {
		entries []songspy.BoardEntry
		place   string
	}{
		"of the hero":    {[]songspy.BoardEntry{mine, theirs, c, d}, "[data-hero] [data-sentence]"},
		"below the hero": {[]songspy.BoardEntry{mine, theirs, c, d, newEntry(9, "hero", 0)}, "[data-matches] .sentence"},
	} {
		t.Run(name, func(t *testing.T) {
			s := signedIn(t, e.entries, map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none"), "GET /me/gaps": noItems, "GET /me/following": noItems})
			tab := s.openTab(1280, 800, atFirst(pairs))
			const want = sentence + "|" + members
			s.waitFor(tab, `document.querySelector("[data-mine] a") !== null && `+pairs+` === "`+want+`"`)
			s.expect(tab, "the pair of the HTML", `first`, want)
			s.expect(tab, "the links of its sentence", `Array.from(document.querySelectorAll("`+e.place+` a"), (a) => a.getAttribute("href")).join()`, "/u/"+songspy.Handle(2))
			s.remove(2)
			s.waitFor(tab, pairs+` === "Listener C and Listener D are playing the same song, 2\u00a0s\u00a0apart|Listener C,Listener D"`)
			s.put(theirs) // now the scripts show the viewer's pair, and not the HTML from the server
			s.waitFor(tab, pairs+` === "`+want+`"`)
		})
	}
}

func TestPage_TimesAndLinesAdvanceByThemselves(t *testing.T) {
	a, b := pairOf(newEntry(1, "one", 40), newEntry(2, "two", 0))
	c, d := pairOf(newEntry(3, "three", 90), newEntry(4, "four", 0))
	s := signedIn(t, []songspy.BoardEntry{c, d, a, b, newEntry(5, "five", 100)}, map[string]string{"GET /me": newMe("Listener C", "everyone", true)})
	s.feed.viewer = 3
	s.account.answerWith(map[string]string{"GET /me": with(t, newMe("Listener C", "everyone", true), `"handle":"`+songspy.Handle(3)+`"`)})
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, `document.querySelectorAll("[data-members] .member, [data-matches] .member").length === 4 && document.querySelectorAll("#board li h3").length === 4`)
	// For the hero, for both pairs and for the cards: the time in seconds, and the width of the
	// line in percent.
	const all = `Array.from(document.querySelectorAll("main [data-time]"), (time) => {
		const [minutes, seconds] = time.textContent.split(" ")[0].split(":").map(Number);
		return [minutes * 60 + seconds, parseFloat(time.closest(".member, li, .answer").querySelector("[data-line]").getAttribute("width"))];
	})`
	// No update of the board arrives during these 2.5 s, so the page must advance the times by
	// itself.
	got := evaluate[[][]float64](s, tab, `(async () => {
		const before = `+all+`;
		await new Promise((done) => setTimeout(done, 2500));
		return `+all+`.map(([time, line], i) => [time - before[i][0], line - before[i][1]]);
	})()`)
	if len(got) != 9 {
		t.Fatalf("there are %d times, want 9", len(got))
	}
	for i, by := range got {
		if by[0] < 1 || by[0] > 10 || by[1] < 0.02 || by[1] > 0.3 { // 1 s is 0.028 % of the track of one hour
			t.Errorf("time %d advances by %v s, and its line by %v %%", i, by[0], by[1])
		}
	}
}

func TestPage_SaysWhenASongWithoutAKnownEndBegan(t *testing.T) {
	for name, width := range map[string]int64{"phone": 320, "desktop": 1280} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hero, card := startedBefore(20*time.Second), newEntry(2, "two", 400)
			hero.Playing.EndsAt, card.Playing.EndsAt, card.Track.DurationMS = nil, nil, 0
			hero.Playing.SeenAt, card.Playing.SeenAt = time.Now(), time.Now()
			s := startPage(t, []songspy.BoardEntry{hero, card})
			tab := s.openTab(width, 800, notesShifts)
			const times = `Array.from(document.querySelectorAll(".answer > .time [data-time], #board [data-time]"), (time) => time.checkVisibility() ? time.textContent : "hidden").join()`
			s.waitFor(tab, `/^started [0-9]+ sec. ago,started [0-9]+ min. ago$/.test(`+times+`)`)
			s.checkNoShift(tab)
			s.expect(tab, "the lines", `Array.from(document.querySelectorAll(".answer > .line rect, #board rect"), (line) => line.getAttribute("width")).join()`, "0%,0%")
			evaluate[any](s, tab, `window.before = `+times)
			s.waitFor(tab, times+` !== before`)
		})
	}
}

func TestPage_ShowsFivePlaysSinceTheVisitBefore(t *testing.T) {
	visit := time.Now().Add(-2 * time.Hour)
	play := func(title string, after time.Duration) string { // a play that began at the time visit + after, and lasted 200 s
		start := visit.Add(after)
		times, err := json.Marshal([]httpapi.Time{httpapi.Time(start), httpapi.Time(start.Add(200 * time.Second))})
		if err != nil {
			t.Fatal(err)
		}
		from, to, _ := strings.Cut(strings.Trim(string(times), "[]"), ",")
		return `{"startedAt":` + from + `,"endedAt":` + to + `,"listenedMs":200000,"track":` + seenTrack(title, "") + `}`
	}
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
		"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none"), "GET /me/gaps": noItems,
		"GET /me/following":                           items(follow(2, "approved"), follow(3, "approved"), follow(4, "requested")),
		"GET /people/" + songspy.Handle(2) + "/plays": items(play("second", 50*time.Minute), play("fourth", 30*time.Minute), play("sixth", 10*time.Minute), play("before", -5*time.Minute)),
		"GET /people/" + songspy.Handle(3) + "/plays": items(play("first", 60*time.Minute), play("third", 40*time.Minute), play("fifth", 20*time.Minute), play("long before", -time.Hour)),
		"GET /people/" + songspy.Handle(4) + "/plays": items(play("not approved", 70*time.Minute)),
	})
	// This test sets a cookie, and all tests share the cookies of 127.0.0.1. So it uses another
	// host name.
	s.url = strings.Replace(s.url, "127.0.0.1", "front.localhost", 1)
	const since = `(document.querySelector("[data-since-section]").hidden ? "nothing" : Array.from(document.querySelectorAll("[data-since] li"), (row) => row.querySelector(".title").textContent + " " + row.querySelector("[href^='/u/']").textContent).join())`
	const want = "first Listener C,second Listener B,third Listener C,fourth Listener B,fifth Listener C"
	tab := s.openTab(1280, 800, `const now = Date.now, later = Number(sessionStorage.getItem("later")); Date.now = () => now() + later;
		if (!sessionStorage.getItem("later")) { document.cookie = "songspy-visit=0.`+strconv.FormatInt(visit.UnixMilli(), 10)+`; Path=/"; sessionStorage.setItem("later", "0"); }`)
	s.waitFor(tab, since+` === "`+want+`"`)
	for _, step := range []struct {
		name, later, want string
	}{
		{"10 minutes later", "600000", want},
		{"29 minutes after that", "2340000", want},
		{"31 minutes after that", "4200000", "nothing"}, // more than 30 minutes after the page was last opened, so it is another visit
	} {
		evaluate[any](s, tab, `sessionStorage.setItem("later", "`+step.later+`")`)
		s.navigate(tab, "/")
		s.waitFor(tab, `document.querySelector("[data-mine] a") !== null`)
		if step.want != "nothing" {
			s.waitFor(tab, since+` === "`+step.want+`"`)
		}
		s.expect(tab, step.name, `new Promise((done) => setTimeout(() => done(`+since+`), 300))`, step.want)
	}
}

func TestPage_FindsPeopleByNickname(t *testing.T) {
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
		"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none"), "GET /me/gaps": noItems, "GET /me/following": noItems,
		"GET /people?q=listener&limit=20": items(person(2), person(3)),
		"GET /people?q=nobody&limit=20":   noItems,
		"GET /people?q=error&limit=20":    "503 UNAVAILABLE Please try again in a moment.",
		"GET /people?q=proxy&limit=20":    "502",
	})
	tab := s.openTab(1280, 800, `const ask = fetch; window.fetch = (url, ...rest) => String(url).includes("q=offline") ? Promise.reject(new TypeError("Failed to fetch")) : ask(url, ...rest);`)
	s.waitFor(tab, `document.querySelector("[data-mine] a") !== null`)
	const found = `document.querySelector("[data-find-state]").textContent + "|" + Array.from(document.querySelectorAll("[data-found] a"), (a) => a.textContent + " " + a.getAttribute("href")).join()`
	const two = "People found: 2.|Listener B /u/00000000002,Listener C /u/00000000003"
	const fault = "The search did not work. Please try again.|"
	// Before each search without results there is one with results, which must disappear.
	for _, step := range []struct{ text, want string }{
		{" listener ", two},
		{"nobody", "No person found. Not everybody lets others search for them.|"},
		{"listener", two},
		{"error", "Please try again in a moment.|"},
		{"listener", two},
		{"proxy", fault},
		{"listener", two},
		{"offline", fault},
		{"listener", two},
		{"", "|"},
	} {
		evaluate[any](s, tab, `(() => { const field = document.querySelector("[data-find] input"); field.focus(); field.select(); })()`)
		keys := chromedp.KeyEvent(step.text + kb.Enter)
		if step.text == "" {
			keys = chromedp.KeyEvent(kb.Backspace) // deletes the text; the results must disappear even without the key Enter
		}
		if err := chromedp.Do(tab, keys); err != nil {
			t.Fatal(err)
		}
		s.waitFor(tab, found+` === "`+step.want+`"`)
	}
}

// focused is a script that returns the text of the element with the focus. If the element is a
// heading, "heading " comes before the text.
const focused = `(document.activeElement.nodeName === "H1" ? "heading " : "") + (document.activeElement === document.body ? "nothing" : document.activeElement.textContent)`

func TestHero_TheFocusGoesToTheQuestionWhenItsLinkIsGone(t *testing.T) {
	const question = "heading What are you listening to right now?"
	const said = `document.getElementById("announce").textContent`
	same := newEntry(2, "two", 200)
	same.Track = newEntry(1, "one", 0).Track
	for name, c := range map[string]struct {
		entries []songspy.BoardEntry
		link    string
		change  func(*pageTest)
		after   string // the hero after the change
	}{
		"the last listener leaves":         {[]songspy.BoardEntry{newEntry(1, "one", 100)}, ".answer .title a", func(s *pageTest) { s.remove(1) }, ""},
		"another user takes the place":     {[]songspy.BoardEntry{newEntry(1, "one", 100), newEntry(2, "two", 200)}, ".answer .lead a", func(s *pageTest) { s.remove(1) }, "Listener B: two"},
		"the cover has the focus":          {[]songspy.BoardEntry{newEntry(1, "one", 100), newEntry(2, "two", 200)}, ".hero-art a", func(s *pageTest) { s.remove(1) }, "Listener B: two"},
		"the pair loses the hero's user":   {[]songspy.BoardEntry{newEntry(1, "one", 100), same}, "[data-sentence] a", func(s *pageTest) { s.remove(1) }, "Listener B: one"},
		"nobody else plays the song":       {[]songspy.BoardEntry{newEntry(1, "one", 100), same}, "[data-who]", func(s *pageTest) { s.remove(2) }, "Listener A: one"},
		"the next song has no page":        {[]songspy.BoardEntry{newEntry(1, "one", 100)}, "[data-listen]", func(s *pageTest) { local := newEntry(1, "local", 0); local.Track.URL = ""; s.put(local) }, "Listener A: local"},
		"the last one leaves while paused": {[]songspy.BoardEntry{newEntry(1, "one", 100), newEntry(2, "two", 200)}, ".answer .title a", func(s *pageTest) { s.remove(1) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPageTest(t, c.entries...)
			tab := s.openTab(1280, 800, "")
			s.waitFor(tab, answer+` === "Listener A: one" && document.getElementById("connection").hidden`)
			if strings.HasSuffix(name, "while paused") {
				evaluate[any](s, tab, `document.querySelector("[data-pause]").click()`)
				s.waitFor(tab, said+`.startsWith("Updates are paused.")`)
			}
			evaluate[any](s, tab, `document.querySelector("`+c.link+`").focus()`)
			if !evaluate[bool](s, tab, `document.activeElement.matches("`+c.link+`")`) {
				t.Fatal("the link does not take the focus")
			}
			c.change(s)
			s.waitFor(tab, answer+` === "`+c.after+`" && `+said+` === "No longer shown."`)
			s.expect(tab, "the focus", focused, question)
			if c.after == "" || name == "the next song has no page" {
				return
			}
			evaluate[any](s, tab, nextFocus)
			if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
				t.Fatal(err)
			}
			s.expect(tab, "what follows", `String(document.activeElement === expected && expected.closest("[data-hero]") !== null)`, "true")
		})
	}
}

func TestHero_PassesWhileTheQuestionHasTheFocus(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200), newEntry(3, "three", 300))
	tab := s.openTab(1280, 800, movableClock)
	s.waitFor(tab, answer+` === "Listener A: one"`)
	evaluate[any](s, tab, `document.querySelector(".answer .title a").focus()`)
	s.remove(1)
	s.waitFor(tab, answer+` === "Listener B: two"`)
	evaluate[any](s, tab, `later = 21000`)
	s.put(newEntry(3, "third", 0))
	s.waitFor(tab, answer+` === "Listener C: third"`)
}

func TestPage_AnArtistsLinkGivesItsFocusToTheTitleOfTheNextSong(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 100), newEntry(2, "two", 200))
	tab := s.openTab(1280, 800, "")
	s.waitFor(tab, titles+` === "two,one"`)
	for place, c := range map[string]struct {
		id   int
		part string
	}{"the hero": {1, ".answer [data-artists] a"}, "a card": {2, "#board [data-album] a"}} {
		evaluate[any](s, tab, `document.querySelector("`+c.part+`").focus()`)
		s.put(newEntry(c.id, "next of "+place, 90+c.id))
		s.waitFor(tab, titles+`.includes("next of `+place+`")`)
		s.expect(tab, place, focused, "next of "+place)
	}
}
