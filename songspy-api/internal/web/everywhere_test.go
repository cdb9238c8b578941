package web_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// newEverywhere returns a page test in which user 1 is signed in, is an operator and can open
// all pages. The argument answers replaces some of the answers about this account. The result
// paths has the paths of all pages.
func newEverywhere(t *testing.T, answers map[string]string) (s *pageTest, paths []string) {
	t.Helper()
	s = newWelcome(t, map[string]string{
		"GET /me": operatorAccount(true), "POST /me/poll": "true", "GET /spotify-auth": newLink("active", "none"), "GET /me/sharing/preview": nothingSeen,
		"GET /me/notices": `{"email":true,"address":null}`, "GET /me/sessions": "[]", "GET /me/embeds": "[]", "GET /operator/status": contractJSON(newStatus()), "GET /operator/seats": contractJSON(noSeats()),
	})
	for _, list := range []string{"/me/gaps", "/me/plays", "/me/followers", "/me/following", "/me/blocks", "/me/hidden", "/me/audit", "/operator/reports", "/operator/people"} {
		s.account.answerWith(map[string]string{"GET " + list: noItems})
	}
	s.account.answerWith(answers)
	track := s.feed.entries[0].Track.PublicID
	return s, []string{"/", "/u/" + songspy.Handle(1), "/t/" + songspy.Handle(track), "/me", "/welcome", "/status", "/privacy", "/terms"}
}

// isRead is a script that reports whether the page has loaded everything that it shows.
const isRead = `document.readyState === "complete" && !document.querySelector("main").innerText.includes("Loading.") && Array.from(document.images).every((one) => one.hidden || one.loading === "lazy" || one.complete)`

func TestTrack_KeepsTheFocusWhereWhatHadItGoesAway(t *testing.T) {
	a, b, c := newEntry(1, "one", 10), newEntry(2, "two", 20), newEntry(3, "three", 30)
	b.Track, c.Track = a.Track, a.Track
	s := newPageTest(t, a)
	tab := s.openPage("/terms", 1280, 800, "")
	const rows = `Array.from(document.querySelectorAll("[data-listeners] > li"), (row) => row.querySelector("a")?.textContent || "-").join()`
	open := func(focus string) {
		s.put(a)
		s.navigate(tab, "/t/"+songspy.Handle(a.Track.PublicID))
		s.waitFor(tab, rows+` === "Listener A"`)
		s.put(b)
		s.waitFor(tab, rows+` === "Listener A,Listener B"`)
		s.put(c)
		s.waitFor(tab, rows+` === "Listener A,Listener B,Listener C"`)
		evaluate[any](s, tab, `document.querySelector('`+focus+`').focus()`)
		s.expect(tab, focus+": whether it has the focus at first", `String(document.activeElement.matches('`+focus+`'))`, "true")
	}

	// The focus is on the second of three listeners. When another listener leaves, the focus
	// must stay. When the focused listener leaves, an empty place must get the focus, and the
	// key Tab must lead to the next row.
	open(`[href="/u/` + songspy.Handle(2) + `"]`)
	s.remove(1)
	s.waitFor(tab, rows+` === "Listener B,Listener C"`)
	s.expect(tab, "after another listener has left", `document.activeElement.textContent`, "Listener B")
	s.remove(2)
	s.waitFor(tab, rows+` === "-,Listener C"`)
	s.expect(tab, "after the focused listener has left", `document.activeElement.localName + " " + document.activeElement.ariaLabel`, "li No longer shown.")
	if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab)); err != nil {
		t.Fatal(err)
	}
	s.expect(tab, "after the key Tab", `document.activeElement.textContent`, "Listener C")
	s.waitFor(tab, rows+` === "Listener C"`)
	s.remove(3)

	// When all listeners leave, the page is empty, and its title must get the focus.
	for _, focus := range []string{"[data-listeners] a", "h1 a", "[data-artists] a", "[data-album] a"} {
		open(focus)
		s.remove(1)
		s.remove(2)
		s.remove(3)
		s.waitFor(tab, `document.getElementById("name").textContent.startsWith("Nobody who shares")`)
		s.expect(tab, focus+": the focus after all have left", `document.activeElement.id`, "name")
	}
}

// personPage returns a page of plays of the contract as JSON. The map ago has the title of each
// play, and how many minutes before testStart it began. The argument next is the nextCursor,
// which is null if next is empty.
func personPage(next string, ago map[string]int) string {
	page := httpapi.PersonPlaysPage{Items: []httpapi.PersonPlay{}}
	for _, title := range slices.SortedFunc(maps.Keys(ago), func(a, b string) int { return ago[a] - ago[b] }) {
		at := testStart.Add(-time.Duration(ago[title]) * time.Minute)
		page.Items = append(page.Items, httpapi.PersonPlay{StartedAt: httpapi.Time(at), EndedAt: httpapi.Time(at.Add(time.Minute)), ListenedMs: 60_000, Track: httpapi.PersonTrack{
			Handle: songspy.Handle(9), Uri: "spotify:track:1", Title: title, ArtistName: "Somebody", Kind: "track", OriginalUrl: "https://open.spotify.com/track/1", DurationMs: 60_000,
			Artists: []httpapi.Artist{{Uri: "spotify:artist:1", Name: "Somebody", Url: "https://open.spotify.com/artist/1"}},
		}})
	}
	if next != "" {
		page.NextCursor = &next
	}
	return contractJSON(page)
}

func TestPerson_KeepsTheFocusWhereWhatHadItGoesAway(t *testing.T) {
	silent := contractJSON(httpapi.Profile{Person: httpapi.Person{Handle: songspy.Handle(2), NickName: "Listener B"}, Follow: "none"})
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	s.account.answerWith(onPerson(map[string]string{"GET {}/plays": personPage("", map[string]int{"first": 10, "second": 20})}))
	tab := s.openPage("/u/"+songspy.Handle(2), 800, 900, "")
	const titles = `Array.from(document.querySelectorAll("[data-plays] .title"), (title) => title.textContent).join()`
	const playing = `(document.querySelector(".answer").hidden ? "" : document.querySelector(".answer .title").textContent)`
	const focus = `(document.activeElement.id || document.activeElement.textContent + ", " + document.activeElement.closest("[data-play]")?.querySelector(".title").textContent)`
	// The page reads the plays when it opens, and each time the person stops playing. In
	// between, the page shows what the person plays now, as the stream reports it. waitForReads
	// waits for the given number of further reads of plays.
	reads := 0
	waitForReads := func(more int) {
		reads += more
		s.waitFor(tab, fmt.Sprintf(`performance.getEntriesByType("resource").filter((one) => one.name.endsWith("/plays?limit=20")).length === %d`, reads))
	}
	waitForReads(1)
	s.waitFor(tab, playing+` === "two" && `+titles+` === "first,second"`)
	profile := evaluate[string](s, tab, `fetch("/v1/songspy/people/`+songspy.Handle(2)+`").then((answer) => answer.json()).then((answer) => JSON.stringify(answer.data))`)
	s.account.answerWith(onPerson(map[string]string{"GET {}": silent}))

	// The plays are read again. The focus must stay on the focused play, if that play is still in
	// the list.
	evaluate[any](s, tab, `document.querySelector("[data-plays] li:last-child .soft a").focus()`)
	s.account.answerWith(onPerson(map[string]string{"GET {}/plays": personPage("", map[string]int{"two": 1, "first": 10, "second": 20})}))
	s.remove(2)
	waitForReads(1)
	s.waitFor(tab, playing+` === "" && `+titles+` === "two,first,second"`)
	s.expect(tab, "the focus on a play that is still there", focus, "Somebody, second")

	s.put(newEntry(2, "two", 20))
	s.waitFor(tab, playing+` === "two"`)
	s.account.answerWith(onPerson(map[string]string{"GET {}/plays": personPage("", map[string]int{"two": 1})}))
	s.remove(2)
	waitForReads(1)
	s.waitFor(tab, playing+` === "" && `+titles+` === "two"`)
	s.expect(tab, "the focus after its play is gone", focus, "name")

	for _, selector := range []string{".answer .title a", ".answer [data-artists] a", ".answer [data-who]"} {
		s.put(newEntry(2, "two", 20))
		s.waitFor(tab, playing+` === "two"`)
		evaluate[any](s, tab, `document.querySelector("`+selector+`").focus()`)
		s.expect(tab, selector+": whether it has the focus at first", `String(document.activeElement.matches("`+selector+`"))`, "true")
		s.remove(2)
		waitForReads(1)
		s.waitFor(tab, playing+` === ""`)
		s.expect(tab, selector+": the focus after the track has ended", focus, "name")
	}

	// After a click on the button for more plays, the first of the new plays must get the focus.
	s.put(newEntry(2, "two", 20))
	s.account.answerWith(onPerson(map[string]string{
		"GET {}": profile, "GET {}/plays?limit=20": personPage("next", map[string]int{"first": 10}), "GET {}/plays?limit=20&cursor=next": personPage("", map[string]int{"second": 20, "third": 30}),
	}))
	s.navigate(tab, "/u/"+songspy.Handle(2))
	reads = 0
	waitForReads(1)
	s.waitFor(tab, `document.querySelector("[data-more] button")`)
	evaluate[any](s, tab, `document.querySelector("[data-more] button").focus(); document.activeElement.click()`)
	s.waitFor(tab, titles+` === "first,second,third"`)
	s.expect(tab, "the focus after more plays are shown", focus, "second, second")

	// When the viewer may no longer see the person, the page is empty, and its title must get
	// the focus.
	s.waitFor(tab, playing+` === "two"`)
	s.account.answerWith(onPerson(map[string]string{"GET {}": "404 NOT_FOUND Not found."}))
	s.remove(2)
	s.waitFor(tab, titles+` === ""`)
	s.expect(tab, "the focus on an empty page", focus, "name")
}

// Spotify requires that each title, artist, album and cover leads to it.
func TestPage_LinksTheTrackEachArtistAndTheAlbum(t *testing.T) {
	playing := newEntry(1, "one", 10)
	s := newPageTest(t, playing)
	s.feed.before = func(id songspy.UserID) []songspy.PlayWithTrack {
		p := newEntry(int(id), "before", 7200)
		p.Track.ImageURL = s.url + "/cover"
		return []songspy.PlayWithTrack{{Play: songspy.Play{UserID: id, StartedAt: p.Playing.StartedAt, EndedAt: p.Playing.StartedAt.Add(time.Minute)}, Track: p.Track}}
	}
	const spotify = "https://open.spotify.com/"
	const track, artists, album = spotify + "track/1", spotify + "artist/1," + spotify + "artist/2", spotify + "album/1"
	person, page := "/u/"+songspy.Handle(1), "/t/"+songspy.Handle(playing.Track.PublicID)
	tab := s.openPage("/terms", 1280, 800, "")
	for _, c := range []struct{ path, part, want string }{
		{"/", "[data-before] li", strings.Join([]string{track, track, artists, album}, ",")},
		{person, "[data-hero]", strings.Join([]string{track, track, artists, album, page}, ",")},
		{person, "[data-plays] li", strings.Join([]string{track, track, artists, album}, ",")},
		{page, "[data-hero]", strings.Join([]string{track, track, artists, album}, ",")},
		{page, "[data-listeners]", person},
	} {
		s.navigate(tab, c.path)
		s.waitFor(tab, `document.querySelector("`+c.part+` a[href]")`)
		s.expect(tab, c.path+": the links of "+c.part, `Array.from(document.querySelectorAll("`+c.part+` a"), (link) => link.getAttribute("href")).join()`, c.want)
		s.expect(tab, c.path+": links of "+c.part+" to other sites in the same tab", `Array.from(document.querySelectorAll("`+c.part+` a[href^=https]:not([target=_blank][rel~=noopener])"), (link) => link.outerHTML).join()`, "")
	}
}

// Spotify requires its logo next to titles and names too, not only next to album art.
func TestPage_HasTheLogoWithoutAlbumArt(t *testing.T) {
	var entries []songspy.BoardEntry
	for id := range 3 {
		bare := newEntry(id+1, "bare", 10*id)
		bare.Track.ImageURL = ""
		entries = append(entries, bare)
	}
	track := seenTrack("bare", "")
	s := signedIn(t, entries, map[string]string{
		"GET /me": myAccount, "GET /me/sharing": mySharing, "POST /me/poll": "null", "GET /me/sharing/preview": seenAs(track, track), "GET /me/plays": items(newPlay(1, "", track)),
	})
	tab := s.openPage("/terms", 1280, 800, "")
	for path, last := range map[string]string{"/": "#board", "/u/" + songspy.Handle(2): "[data-plays]", "/t/" + songspy.Handle(entries[1].Track.PublicID): "[data-hero]", "/me": "#history"} {
		s.navigate(tab, path)
		s.waitFor(tab, `document.querySelector("`+last+` a[href^='https://open.spotify.com/']") && Array.from(document.querySelectorAll(".logo")).every((one) => one.complete)`)
		s.expect(tab, path+": what Spotify forbids", artFaults, "")
	}
}

// When the browser leaves a page (pagehide), the page must become empty and stay empty, although
// its timers go on; so the test makes them run fast. When the browser restores the page at
// "back" (pageshow with persisted), the page must load itself again.
func TestPage_IsEmptyOnceTheBrowserLeavesItAndLoadedAgainAtBack(t *testing.T) {
	s, paths := newEverywhere(t, nil)
	tab := s.openPage("/terms", 1280, 800, `const slow = window.setInterval; window.setInterval = (run, ms, ...rest) => slow(run, Math.min(ms, 50), ...rest);
		window.left = []; navigation.addEventListener("navigate", (event) => { left.push(event.navigationType); event.preventDefault(); });`)
	for _, path := range paths {
		s.navigate(tab, path)
		s.waitFor(tab, isRead+` && document.querySelector("main").innerText.trim().length > 20`)
		evaluate[any](s, tab, `window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })); document.dispatchEvent(new Event("visibilitychange"))`)
		s.expect(tab, path+": what the browser keeps", `new Promise((done) => setTimeout(() => done(document.getElementById("main").innerHTML), 300))`, "")
		s.expect(tab, path+": after the first pageshow", `(window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: false })), left.join())`, "")
		s.expect(tab, path+": at \"back\"", `(window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })), left.join())`, "reload")
	}
}

func TestMenu_ClosesByKeyboardAndByAClickElsewhere(t *testing.T) {
	s, _ := newEverywhere(t, nil)
	tab := s.openPage("/privacy", 1280, 800, notesLeaving)
	s.waitFor(tab, isRead+` && document.querySelector("header .menu summary").checkVisibility() && !document.querySelector("[data-operator]").hidden`)
	const state = `(document.querySelector("header .menu").open ? "open" : "closed") + ", " + (document.activeElement === document.body ? "body" : document.activeElement.textContent.trim())`
	key := func(keys ...string) func() {
		return func() {
			for _, one := range keys {
				if err := chromedp.Do(tab, chromedp.KeyEvent(one)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	shiftTab := func() {
		if err := chromedp.Do(tab, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))); err != nil {
			t.Fatal(err)
		}
	}
	click := func(selector string) func() {
		return func() {
			box := evaluate[[]float64](s, tab, `(({ left, top, width, height }) => [left + width / 2, top + height / 2])(document.querySelector("`+selector+`").getBoundingClientRect())`)
			if err := chromedp.Do(tab, chromedp.MouseClickXY(box[0], box[1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"Escape, while it is closed", key(kb.Tab, kb.Tab, kb.Tab, kb.Escape), "closed, Account"},
		{"Enter", key(kb.Enter), "open, Account"},
		{"Escape on the button", key(kb.Escape), "closed, Account"},
		{"Enter again", key(kb.Enter), "open, Account"},
		{"Tab", key(kb.Tab), "open, My page"},
		{"Escape within the menu", key(kb.Escape), "closed, Account"},
		{"Enter and Tab to the last item", key(kb.Enter, kb.Tab, kb.Tab, kb.Tab, kb.Tab, kb.Tab), "open, Sign out"},
		{"Tab after the last item", key(kb.Tab), "closed, 한국어"},
		{"back to the button", shiftTab, "closed, Account"},
		{"Enter once more", key(kb.Enter), "open, Account"},
		{"back before the button", shiftTab, "closed, Songspy"},
		{"a click on the button", click("header .menu summary"), "open, Account"},
		{"a click elsewhere", click("main p"), "closed, body"},
		{"another click on the button", click("header .menu summary"), "open, Account"},
	} {
		step.do()
		s.expect(tab, step.name, state, step.want)
	}
	click("header .menu a")()
	s.expect(tab, "a click on a link of the menu: where it leads, and whether the menu is open", `left.join() + ", " + document.querySelector("header .menu").open`, "/me, false")
}

// cutOff is a script that lists the texts and controls that the viewer cannot see whole: those
// that are beyond the sides of the window, and those that an element around them cuts off.
const cutOff = `(() => {
	const faults = [], wide = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > wide) faults.push("the page scrolls sideways: " + document.documentElement.scrollWidth + " px");
	for (const element of document.querySelectorAll("body *")) {
		if (!element.checkVisibility() || element.closest(".skip, .hidden-text, noscript, script, svg") || getComputedStyle(element).clipPath !== "none") continue;
		const { left, right } = element.getBoundingClientRect(), style = getComputedStyle(element), what = element.outerHTML.slice(0, 100);
		if (left < -0.5 || right > wide + 0.5) faults.push("beyond the side: " + Math.round(left) + " to " + Math.round(right) + " px " + what);
		if (style.display === "inline" || !/hidden|clip/.test(style.overflowX + style.overflowY)) continue;
		const across = element.scrollWidth - element.clientWidth, down = element.scrollHeight - element.clientHeight;
		// The box of a font is up to a tenth higher than its letters.
		if (across > 1 || down > Math.max(1, parseFloat(style.fontSize) / 10)) faults.push("cut off by " + across + " and " + down + " px: " + what);
	}
	return faults.join("\n");
})()`

func TestPage_ShowsEverythingFrom320PixelsTo4K(t *testing.T) {
	long := strings.Repeat("Long", 10)
	track := seenTrack(long, "")
	seats := noSeats()
	email := strings.ToLower(long) + "@example.org"
	seats.ToRegister = append(seats.ToRegister, seat(1, "an-app", email))
	seats.Waiting = append(seats.Waiting, seat(2, "", email))
	reports := contractJSON(newReports("", 1, 2))
	s, paths := newEverywhere(t, map[string]string{
		"GET /me/plays": items(newPlay(1, "", track), newPlay(2, "", track)), "GET /me/followers": items(follow(2, "requested"), follow(3, "approved")), "GET /me/sharing/preview": seenAs(track, track),
		"GET /me/hidden": items(`{"uri":"spotify:artist:` + long + `","name":"","hiddenAt":"2026-03-04T05:06:07.000Z"}`), "GET /me/sessions": `[` + mySession + `]`,
		"GET /operator/seats": contractJSON(seats), "GET /operator/reports": reports,
	})
	listener := newEntry(1, "one", 10)
	listener.User.NickName = &long
	s.put(listener)
	shown := map[string]string{paths[1]: long, paths[2]: long, "/me": long, "/status": email}
	tab := s.openPage("/terms", 320, 700, "")
	for _, viewer := range []songspy.UserID{0, 1} {
		s.feed.viewer = viewer
		for _, path := range paths[1:] { // without the front page, whose cards cut off long lines by design
			s.navigate(tab, path)
			s.waitFor(tab, isRead)
			if viewer == 1 {
				s.waitFor(tab, `document.querySelector("main").innerText.includes("`+shown[path]+`")`)
			}
			for _, size := range [][2]int64{{320, 700}, {3840, 2160}} {
				if err := chromedp.Do(tab, chromedp.EmulateViewport(size[0], size[1])); err != nil {
					t.Fatal(err)
				}
				s.waitFor(tab, fmt.Sprintf(`innerWidth === %d`, size[0]))
				s.expect(tab, fmt.Sprintf("%s at %d px for user %d: what is cut off", path, size[0], viewer), cutOff, "")
			}
		}
	}
}

func TestPage_HasPrivacyAndTermsInTheViewersLanguage(t *testing.T) {
	s, paths := newEverywhere(t, nil)
	tab := s.openPage("/terms", 1280, 800, "")
	for lang, want := range map[string]map[string][]string{
		"en": {"/privacy": {"Privacy", "What we receive"}, "/terms": {"Terms", "What comes from Spotify"}},
		"ko": {"/privacy": {"개인정보 처리방침", "받는 것"}, "/terms": {"Spotify와 이용 안내", "Spotify에서 오는 것"}},
	} {
		call(s, tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
		for _, path := range paths {
			s.navigate(tab, path)
			what := lang + " " + path
			s.expect(tab, what+": language of the document", `document.documentElement.lang`, lang)
			s.expect(tab, what+": links of the footer", `Array.from(document.querySelectorAll("footer a"), (link) => link.getAttribute("href") + " " + link.textContent + " " + link.checkVisibility()).join("|")`,
				map[string]string{"en": "/privacy Privacy true|/terms Terms true", "ko": "/privacy 개인정보 처리방침 true|/terms 이용 안내 true"}[lang])
			if headings := want[path]; headings != nil {
				s.expect(tab, what+": first headings", `Array.from(document.querySelectorAll("main h1, main h2"), (one) => one.textContent).slice(0, 2).join("|")`, strings.Join(headings, "|"))
				s.expect(tab, what+": title", `document.title`, headings[0]+" – Songspy")
				s.expect(tab, what+": links that the script should have made", `Array.from(document.querySelectorAll("[data-out]"), (one) => one.outerHTML).join()`, "")
				s.expect(tab, what+": links to other sites", `Array.from(document.querySelectorAll("main article a[target=_blank]"), (link) => [new URL(link.href).protocol, link.rel, link.textContent !== ""].join(" ")).filter((one, i, all) => all.indexOf(one) === i).join()`, "https: noopener noreferrer true")
			}
		}
	}
}
