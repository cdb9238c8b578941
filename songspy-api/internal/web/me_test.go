package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	myAccount = `{"id":1,"handle":"00000000001","nickName":"Listener A","name":"Ada Example","profileImageUrl":null,"showProfileImage":false,"audience":"everyone","sharingPausedUntil":null,
		"hasSpotify":true,"operator":false,"createdAt":"2026-01-02T03:04:05.000Z"}`
	mySharing = `{"now":"everyone","history":"followers","hiddenUntil":null,"minSeconds":30,"hideLocal":true,"hideEpisodes":false,"hideChapters":false,"findable":true,"linkCreatedAt":null}`
	myLink    = `{"state":"active","stateSince":"2026-01-02T03:04:05.000Z","scopes":["user-read-playback-state"],"linkedAt":"2026-01-02T03:04:05.000Z","consentEndsAt":"2027-01-02T03:04:05.000Z",
		"remindFrom":"2026-12-02T03:04:05.000Z","task":"none","clientId":"0123456789abcdef0123456789abcdef","userApp":false}`
	mySession = `{"id":1,"kind":"cookie","label":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36","signedInAt":"2026-01-02T03:04:05.000Z",
		"lastUsedAt":"2026-01-02T03:04:05.000Z","endsAt":"2026-02-02T03:04:05.000Z","current":true}`
	nothingSeen = `{"board":{"result":"SUCCESS","data":[],"error":null,"serverTime":"2026-01-02T03:04:05.000Z"},"listening":{"result":"SUCCESS","data":{"items":[],"nextCursor":null},"error":null},
		"profile":{"result":"ERROR","data":null,"error":{"code":"NOT_FOUND","message":"There is no such page.","field":null}}}`
)

// with returns a JSON object with some of its fields replaced. The argument fields has the new
// fields as JSON without braces, such as `"now":"link"`.
func with(t *testing.T, object, fields string) string {
	t.Helper()
	all := map[string]json.RawMessage{}
	for _, one := range []string{object, "{" + fields + "}"} {
		if err := json.Unmarshal([]byte(one), &all); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	changed, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

// myTab is the viewer's own page, /me, in a tab.
type myTab struct {
	*pageTest
	tab context.Context
}

// watched is a script that runs before those of the page. It records their errors in
// window.faults. While window.stay is true, it keeps the browser on the page, and records in
// window.left where a link would have led. Its functions act on the page as a person does
// (press, write), or read what a person sees (text).
const watched = `
	window.faults = [];
	const report = console.error;
	console.error = (...all) => { faults.push(all.join(" ")); report(...all); };
	addEventListener("error", (event) => faults.push(event.message));
	addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
	const ask = window.fetch;
	window.pending = 0; // requests without an answer
	window.fetch = (...all) => {
		if (window.offline) return Promise.reject(new TypeError("no network"));
		pending++;
		return ask(...all).finally(() => setTimeout(() => pending--));
	};
	navigation.addEventListener("navigate", (event) => { if (!window.stay) return; window.left = event.destination.url; event.preventDefault(); });
	window.press = (element) => { element.focus(); element.click(); };
	window.pressText = (part, text) => press(Array.from(document.querySelectorAll(part + " :is(button, summary)")).find((e) => e.textContent === text && e.checkVisibility()));
	window.labelled = (part, text) => Array.from(document.querySelectorAll(part + " label")).find((e) => e.textContent.startsWith(text)).querySelector("input");
	window.write = (input, text) => { input.focus(); input.value = text; };
	window.plain = (element) => element.innerText.trim().replace(/\s+/g, " ");
	window.text = (of) => { const element = document.querySelector(of); return element ? plain(element) : null; };
	window.texts = (of) => Array.from(document.querySelectorAll(of), plain).join("|");
	window.announced = () => document.getElementById("announce").textContent;
	window.isSeen = (element) => { const box = element.getBoundingClientRect(); return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight; };`

// openMine opens the page /me in a tab. By default the account has an active Spotify link, but
// no plays, followers, follows or blocks. The argument answers, which has the form of
// account.answerWith, replaces some of these answers.
func openMine(t *testing.T, answers map[string]string) *myTab {
	t.Helper()
	all := map[string]string{
		"GET /me": myAccount, "GET /me/sharing": mySharing, "GET /me/sharing/preview": nothingSeen, "POST /me/poll": `null`, "GET /spotify-auth": myLink, "GET /spotify-auth/seat": `null`,
		"GET /me/sessions": `[` + mySession + `]`, "GET /me/notices": `{"email":true,"address":"a…@example.org"}`, "GET /me/embeds": `[]`,
	}
	for _, list := range []string{"hidden", "followers", "following", "blocks", "gaps", "plays", "audit"} {
		all["GET /me/"+list] = noItems
	}
	maps.Copy(all, answers)
	m := &myTab{pageTest: signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, all)}
	m.tab = m.openPage("/me", 1280, 800, watched)
	t.Cleanup(m.requireNoFaults)
	m.waitUntilRead()
	return m
}

// open replaces some of the answers, and opens the page again.
func (m *myTab) open(answers map[string]string) {
	m.t.Helper()
	m.requireNoFaults()
	m.account.answerWith(answers)
	if err := chromedp.Do(m.tab, chromedp.Navigate(m.url+"/me")); err != nil {
		m.t.Fatal(err)
	}
	m.waitUntilRead()
}

// waitUntilRead waits until the page has loaded everything that it shows.
func (m *myTab) waitUntilRead() {
	m.t.Helper()
	m.wait(`document.getElementById("main").dataset.started !== undefined && !document.getElementById("main").textContent.includes("Loading.")`)
}

func (m *myTab) requireNoFaults() {
	m.t.Helper()
	if m.t.Failed() {
		return // the tab may be gone
	}
	if faults := evaluate[string](m.pageTest, m.tab, `faults.join("\n")`); faults != "" {
		m.t.Errorf("the page's scripts have faults: %s", faults)
	}
}

func (m *myTab) wait(expression string) {
	m.t.Helper()
	m.waitFor(m.tab, expression)
}

// do runs a script in the page.
func (m *myTab) do(script string) {
	m.t.Helper()
	evaluate[any](m.pageTest, m.tab, script+`; undefined`)
}

// require reports an error if the value of the script, a text, is not the argument want. The
// argument what describes the value in the error message.
func (m *myTab) require(what, script, want string) {
	m.t.Helper()
	if got := evaluate[string](m.pageTest, m.tab, script); got != want {
		m.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// sent returns the changes that the page has requested, without its requests for a poll.
func (m *myTab) sent() []string {
	return slices.DeleteFunc(m.account.asked(), func(change string) bool { return change == "POST /me/poll" })
}

// requireSent reports an error if the last changes that the page has requested are not the given
// ones.
func (m *myTab) requireSent(want ...string) {
	m.t.Helper()
	if got := m.sent(); len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
		m.t.Errorf("the page has asked for %q, want %q at the end", got, want)
	}
}

// requireNothingSent reports an error if the page has requested a change.
func (m *myTab) requireNothingSent() {
	m.t.Helper()
	if got := m.sent(); len(got) > 0 {
		m.t.Errorf("the page has asked for %q, want nothing", got)
	}
}

func TestMe_ChangesEachSharingSetting(t *testing.T) {
	m := openMine(t, nil)
	for _, c := range []struct{ input, fields, title string }{
		{`input[name=now][value=followers]`, `"now":"followers"`, "Only your followers see you"},
		{`input[name=now][value=link]`, `"now":"link"`, "Only people with your link see you"},
		{`input[name=now][value=nobody]`, `"now":"nobody"`, "Only you see your songs"},
		{`input[name=now][value=everyone]`, `"now":"everyone"`, "Everyone sees you"},
		{`input[name=history][value=everyone]`, `"history":"everyone"`, "Everyone sees you"},
		{`input[name=history][value=link]`, `"history":"link"`, "Everyone sees you"},
		{`input[name=history][value=nobody]`, `"history":"nobody"`, "Everyone sees you"},
		{`input[name=history][value=followers]`, `"history":"followers"`, "Everyone sees you"},
		{`input[name=minSeconds][value="0"]`, `"minSeconds":0`, "Everyone sees you"},
		{`input[name=minSeconds][value="60"]`, `"minSeconds":60`, "Everyone sees you"},
		{`input[name=minSeconds][value="30"]`, `"minSeconds":30`, "Everyone sees you"},
		{`Local files`, `"hideLocal":false`, "Everyone sees you"},
		{`Podcasts`, `"hideEpisodes":true`, "Everyone sees you"},
		{`Audiobooks`, `"hideChapters":true`, "Everyone sees you"},
		{`Let others find me`, `"findable":false`, "Everyone sees you"},
	} {
		m.account.answerWith(map[string]string{"PATCH /me/sharing": with(t, mySharing, c.fields)})
		input := `document.querySelector('#sharing ` + c.input + `')`
		if !strings.HasPrefix(c.input, "input") {
			input = `labelled("#sharing", "` + c.input + `")`
		}
		m.do(`document.getElementById("announce").textContent = ""; window.before = ` + input + `.checked; press(` + input + `)`)
		m.wait(`announced() === "Saved."`)
		m.requireSent("PATCH /me/sharing {" + c.fields + "}")
		m.require(c.fields+": the title", `text("#hide h1")`, c.title)
		m.require(c.fields+": whether the input has changed and an error is shown", `[before !== `+input+`.checked, text("#sharing .said")].join()`, "true,")
	}
}

// If a setting cannot be stored, the error must be visible next to its control, where a person
// looks, and the control must show the stored setting again.
func TestMe_KeepsTheSettingAndShowsTheErrorNextToItIfItIsNotStored(t *testing.T) {
	m := openMine(t, nil)
	const error = `Array.from(document.querySelectorAll("#sharing .said")).filter((place) => place.textContent !== "")`
	for _, size := range [][2]int64{{390, 700}, {1280, 800}} {
		if err := chromedp.Do(m.tab, chromedp.EmulateViewport(size[0], size[1])); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ name, input, former, answer, want string }{
			{"an audience", `input[name=now][value=nobody]`, `input[name=now][value=everyone]`, "409 CONFLICT Please try again.", "Please try again."},
			{"an audience of the history", `input[name=history][value=nobody]`, `input[name=history][value=followers]`, "429 RATE_LIMITED Too many changes.", "Too many changes."},
			{"the delay", `input[name=minSeconds][value="60"]`, `input[name=minSeconds][value="30"]`, "503 UNAVAILABLE Please try again later.", "Please try again later."},
			{"a proxy's error", `input[name=minSeconds][value="60"]`, `input[name=minSeconds][value="30"]`, "502", "The server did not answer as expected. Please try again in a moment."},
			{"a session that has ended", `.body > label input`, `.body > label input`, "401 SESSION_ENDED You were signed out.", "You are signed out. Nothing has changed. Please sign in again. Sign in again"},
			{"no network", `fieldset label input[type=checkbox]:not(:checked)`, ``, "offline", "The server cannot be reached. Check your connection and try again."},
		} {
			m.account.answerWith(map[string]string{"PATCH /me/sharing": c.answer})
			m.do(`window.input = document.querySelector('#sharing ` + c.input + `'); input.scrollIntoView({ block: "center" }); window.offline = ` + fmt.Sprint(c.answer == "offline") + `; press(input)`)
			m.wait(error + `.length === 1 && ` + error + `[0].textContent.trim() === ` + fmt.Sprintf("%q", c.want))
			m.do(`window.offline = false`)
			former := "window.input.checked === false"
			if c.former != "" {
				former = `document.querySelector('#sharing ` + c.former + `').checked`
			}
			m.require(fmt.Sprintf("%s at %d px: the setting is what it was, and a person sees the error", c.name, size[0]), `[`+former+`, isSeen(`+error+`[0])].join()`, "true,true")
		}
	}
}

// The viewer's clock is three hours fast. The page must compute the end of the hiding from the
// server's time.
func TestMe_HidesForAnHourForTodayOrUntilItEnds(t *testing.T) {
	seoul := time.FixedZone("KST", 9*60*60)
	midnight := func(now time.Time) time.Time {
		year, month, day := now.In(seoul).Date()
		return time.Date(year, month, day+1, 0, 0, 0, 0, seoul)
	}
	m := openMine(t, nil)
	call(m.pageTest, m.tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Seoul"})
	m.do(`const now = Date.now; Date.now = () => now() + 3 * 3600000`)
	m.account.answerWith(map[string]string{"PATCH /me/sharing": mySharing})
	m.do(`press(document.querySelector('#sharing input[name=now][value=followers]'))`) // any request, so that the page learns the server's time from the answer
	m.wait(`announced() === "Saved."`)
	m.require("the choices", `text("#hide .actions")`, "Hide me For an hour For today Until I show myself")
	for _, c := range []struct {
		choice string
		until  func(now time.Time) time.Time
		left   string
	}{
		{"hour", func(now time.Time) time.Time { return now.Add(time.Hour) }, `^(1 h|59 min) left$`},
		{"today", midnight, `^(\d+ h|\d+ h \d+ min|\d+ min) left$`},
		{"forever", func(time.Time) time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }, `^Until you show yourself$`},
	} {
		before := c.until(time.Now())
		m.account.answerWith(map[string]string{"PATCH /me/sharing": with(t, mySharing, `"hiddenUntil":"`+before.UTC().Format("2006-01-02T15:04:05.000Z")+`"`)})
		m.do(`press(document.querySelector("[data-hide=` + c.choice + `]"))`)
		m.wait(`text("#hide h1") === "Nobody sees you right now" && announced() === "Nobody sees you right now"`)
		sent := m.sent()
		body, ok := strings.CutPrefix(sent[len(sent)-1], "PATCH /me/sharing ")
		var change map[string]time.Time
		if err := json.Unmarshal([]byte(body), &change); err != nil || !ok || len(change) != 1 {
			t.Fatalf("%s: the page has asked for %q, error %v", c.choice, sent, err)
		}
		// The page learns the server's time from the header Date, which has whole seconds, so
		// two seconds of difference are allowed.
		if until := change["hiddenUntil"]; until.Before(before.Add(-2*time.Second)) || until.After(c.until(time.Now()).Add(2*time.Second)) {
			t.Errorf("%s: hidden until %s, want %s", c.choice, until, before)
		}
		m.require(c.choice+": the time left, whether it is shown, the choices and the focus",
			`[new RegExp("`+strings.ReplaceAll(c.left, `\`, `\\`)+`").test(text("[data-left]")) || text("[data-left]"), document.querySelector("[data-left]").checkVisibility(), text("#hide .actions"), document.activeElement.textContent].join("|")`,
			"true|true|Show me again|Show me again")

		m.account.answerWith(map[string]string{"PATCH /me/sharing": mySharing})
		m.do(`press(document.querySelector("[data-show]"))`)
		m.wait(`text("#hide h1") === "Everyone sees you" && announced() === "You are visible again, from the next song on."`)
		m.requireSent(`PATCH /me/sharing {"hiddenUntil":null}`)
		m.require(c.choice+": the time left is not shown, and the focus", `[document.querySelector("[data-left]").checkVisibility(), document.activeElement.textContent].join("|")`, "false|For an hour")
	}
	m.account.answerWith(map[string]string{"PATCH /me/sharing": "503 UNAVAILABLE Please try again later."})
	m.do(`press(document.querySelector("[data-hide=today]"))`)
	m.wait(`text("#hide .said") === "Please try again later."`)
	m.require("after an error: the title, and the focus", `text("#hide h1") + "|" + document.activeElement.textContent`, "Everyone sees you|For today")
}

func TestMe_CountsTheTimeThatIsLeftDown(t *testing.T) {
	in := func(d time.Duration) string {
		return with(t, mySharing, `"hiddenUntil":"`+time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000Z")+`"`)
	}
	m := openMine(t, nil) // it calls t.Parallel, which may wait long, so the times are computed only after it
	m.open(map[string]string{"GET /me/sharing": in(47*time.Minute + 25*time.Second)})
	got := evaluate[string](m.pageTest, m.tab, `(async () => {
		const { left } = await import(document.documentElement.dataset.base + "js/me/hide.js");
		const now = Date.parse("2026-03-04T05:06:07.000Z"), minute = 60000;
		return [1, minute, 1.5 * minute, 47 * minute, 59.4 * minute, 59.5 * minute, 60 * minute, 60 * minute + 999, 61 * minute, 119.5 * minute, 24 * 60 * minute, 0, -minute]
			.map((ms) => left(new Date(now + ms).toISOString(), now)).concat(left("9999-12-31T23:59:59.000Z", now), left(null, now)).join("|");
	})()`)
	if want := "1 min left|1 min left|2 min left|47 min left|59 min left|1 h left|1 h left|1 h left|1 h 1 min left|2 h left|24 h left|||Until you show yourself|"; got != want {
		t.Errorf("the times left are %s, want %s", got, want)
	}
	m.require("at first", `text("[data-left]")`, "47 min left")
	// Without a network, the page cannot correct its clock by the server's time. So the test can
	// move the clock to see the countdown.
	m.do(`window.offline = true`)
	m.wait(`pending === 0`)
	m.do(`const now = Date.now; Date.now = () => now() + 17 * 60000`)
	m.wait(`text("[data-left]") === "30 min left"`)
	m.open(map[string]string{"GET /me/sharing": in(2 * time.Second)})
	m.require("a moment before the end", `text("#hide h1")`, "Nobody sees you right now")
	m.account.answerWith(map[string]string{"GET /me/sharing": mySharing})
	m.wait(`text("#hide h1") === "Everyone sees you" && text("[data-left]") === "" && text("#hide .actions").startsWith("Hide me")`)
	m.requireNothingSent()
}

func TestMe_CreatesAndRevokesTheShareLink(t *testing.T) {
	created := with(t, mySharing, `"linkCreatedAt":"2026-03-04T05:06:07.000Z"`)
	m := openMine(t, map[string]string{"POST /me/sharing/link": `{"link":"a secret/1"}`, "DELETE /me/sharing/link": `null`})
	const hint, link = `If you share with people who have your link, this is the link to send them.`, `document.querySelector("#sharing .copy input")?.value || ""`
	m.require("without a link", `[text("#sharing h3 + div"), `+link+`].join("|")`, hint+" Create a link|")
	m.account.answerWith(map[string]string{"GET /me/sharing": created})
	m.do(`pressText("#sharing", "Create a link")`)
	m.wait(`announced() === "The link is created."`)
	m.requireSent("POST /me/sharing/link")
	m.require("the link", link, m.url+"/u/00000000001?link=a%20secret%2F1")
	m.require("a new link", `text("#sharing h3 + div")`, hint+" Copy The link is shown only now, so copy it. An earlier link no longer works. Replace the link Revoke the link")

	// The link shows the user only if the audience allows it. The page must show the address of
	// the link in both cases.
	for _, c := range [][2]string{{"link", "Anyone with the link sees you, also without signing in."}, {"nobody", hint}} {
		m.account.answerWith(map[string]string{"PATCH /me/sharing": with(t, created, `"now":"`+c[0]+`"`)})
		m.do(`document.getElementById("announce").textContent = ""; press(document.querySelector("#sharing input[name=now][value=` + c[0] + `]"))`)
		m.wait(`announced() === "Saved."`)
		m.require("shared with "+c[0], `text("#sharing h3 + div p") + "|" + `+link, c[1]+"|"+m.url+"/u/00000000001?link=a%20secret%2F1")
	}

	m.open(nil)
	m.require("a link of another day", `text("#sharing h3 + div")`, hint+" Link created on Mar 4, 2026, 5:06 AM Replace the link Revoke the link")
	m.do(`pressText("#sharing", "Revoke the link")`)
	m.require("the question", `text("#sharing h3 + div .confirm") + "|" + document.activeElement.textContent`, "People with the link will no longer see you. Revoke the link Cancel|Revoke the link")
	sent := len(m.sent())
	m.do(`pressText("#sharing h3 + div", "Cancel")`)
	m.require("after the answer no", `text("#sharing h3 + div .confirm") + "|" + document.activeElement.textContent`, "Revoke the link|Revoke the link")
	if got := m.sent(); len(got) != sent {
		t.Errorf("after the answer no the page has asked for %q", got[sent:])
	}
	m.account.answerWith(map[string]string{"DELETE /me/sharing/link": "503 UNAVAILABLE Please try again later."})
	m.do(`pressText("#sharing h3 + div", "Revoke the link"); pressText("#sharing h3 + div", "Revoke the link")`)
	m.wait(`text("#sharing h3 + div .said") === "Please try again later."`)
	m.account.answerWith(map[string]string{"DELETE /me/sharing/link": `null`, "GET /me/sharing": mySharing})
	m.do(`pressText("#sharing h3 + div", "Revoke the link")`)
	m.wait(`announced() === "The link is revoked."`)
	m.requireSent("DELETE /me/sharing/link", "DELETE /me/sharing/link")
	m.require("after the link is revoked", `text("#sharing h3 + div")`, hint+" Create a link")
}

func TestMe_ListsWhatIsHiddenAndShowsItAgain(t *testing.T) {
	var items []string
	kinds := map[string]string{"artist": "artist", "track": "song", "episode": "episode", "chapter": "chapter", "show": "podcast", "audiobook": "audiobook", "album": "album", "local": "file"}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		items = append(items, `{"uri":"spotify:`+kind+`:1","name":"`+strings.Repeat("A Name", len(items)%2)+`","hiddenAt":"2026-03-04T05:06:07.000Z"}`)
	}
	m := openMine(t, map[string]string{"GET /me/hidden": `{"items":[` + strings.Join(items, ",") + `],"nextCursor":null}`})
	const rows = `texts("#sharing .rows li")`
	m.require("what is hidden", rows, "spotify:album:1 album Show again|A Name artist Show again|spotify:audiobook:1 audiobook Show again|A Name chapter Show again|"+
		"spotify:episode:1 episode Show again|A Name file Show again|spotify:show:1 podcast Show again|A Name song Show again")
	m.account.answerWith(map[string]string{"DELETE /me/hidden/spotify:artist:1": "503 UNAVAILABLE Please try again later."})
	m.do(`press(document.querySelectorAll("#sharing .rows button")[1])`)
	m.wait(rows + `.split("|")[1] === "A Name artist Show again Please try again later."`)
	m.account.answerWith(map[string]string{"DELETE /me/hidden/spotify:artist:1": `null`})
	m.do(`press(document.querySelectorAll("#sharing .rows button")[1])`)
	m.wait(`announced() === "It is shown again from now on." && ` + rows + `.split("|").length === 7`)
	m.requireSent("DELETE /me/hidden/spotify:artist:1")
	m.require("the focus is on the next row", `document.activeElement.closest("li")?.textContent`, "spotify:audiobook:1 audiobookShow again")
	m.do(`document.querySelectorAll("#sharing .rows li").forEach((row, i) => i > 0 && row.remove())`)
	m.account.answerWith(map[string]string{"DELETE /me/hidden/spotify:album:1": `null`})
	m.do(`press(document.querySelector("#sharing .rows button"))`)
	m.wait(rows + ` === ""`)
	m.require("after the last one", `text("#sharing .body > div:last-child") + "|" + document.activeElement.textContent`, "Nothing is hidden.|Sharing")
	m.open(map[string]string{"GET /me/hidden": noItems})
	m.require("if nothing is hidden", `text("#sharing .body > div:last-child")`, "Nothing is hidden.")
}

// seenAs returns the answer of GET /me/sharing/preview for a viewer who may see the user of
// myAccount. The argument track is the track on the user's page, and front is the track on the
// front page. Both are JSON, or empty if the viewer sees no track there.
func seenAs(track, front string) string {
	const person = `{"handle":"00000000001","nickName":"Listener A","profileImageUrl":""}`
	playing, items := `null`, ``
	if track != "" {
		playing = `{"track":` + track + `,"startedAt":"2026-03-04T05:06:07.000Z","endsAt":null}`
	}
	if front != "" {
		items = `{"person":` + person + `,"track":` + front + `,"startedAt":"2026-03-04T05:06:07.000Z","endsAt":null}`
	}
	return `{"board":{"result":"SUCCESS","data":[],"error":null,"serverTime":"2026-03-04T05:06:07.000Z"},"listening":{"result":"SUCCESS","data":{"items":[` + items + `],"nextCursor":null},"error":null},
		"profile":{"result":"SUCCESS","data":{"person":` + person + `,"nowPlaying":` + playing + `,"follow":"none"},"error":null}}`
}

// seenTrack returns a track of the contract as JSON. The argument cover is the address of its
// album art.
func seenTrack(title, cover string) string {
	return `{"id":1,"handle":"00000000009","uri":"spotify:track:1","title":"` + title + `","artistName":"Somebody, Somebody Else","artists":[{"uri":"spotify:artist:1","name":"Somebody","url":"https://open.spotify.com/artist/1"},
		{"uri":"spotify:artist:2","name":"Somebody Else","url":"https://open.spotify.com/artist/2"}],"albumName":"An Album","album":{"uri":"spotify:album:1","name":"An Album","url":"https://open.spotify.com/album/1"},
		"originalUrl":"https://open.spotify.com/track/1","albumImageUrl":"` + cover + `","kind":"track","durationMs":200000}`
}

func TestMe_ShowsWhatAStrangerAndAFollowerSee(t *testing.T) {
	const seen, asked = `text("#look .body > div:last-child")`, `performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/me/sharing/preview?as=follower")).length`
	track := seenTrack("A Song", "")
	m := openMine(t, map[string]string{"GET /me/sharing/preview?as=stranger": nothingSeen, "GET /me/sharing/preview?as=follower": seenAs(track, "")})
	const tabs = `Array.from(document.querySelectorAll("#look .tabs button"), (tab) => tab.textContent + " " + tab.getAttribute("aria-pressed")).join()`
	m.require("at first, a stranger", tabs+` + "|" + `+seen+` + "|" + `+asked, "A stranger true,A follower false|Nothing. To them your page does not exist.|0")
	m.do(`pressText("#look", "A follower")`)
	m.wait(seen + ` === "Listener A A Song Somebody, Somebody Else · An Album You are not on their front page."`)
	m.require("a follower", tabs+` + "|" + (`+asked+` > 0)`, "A stranger false,A follower true|true")
	m.require("the links", `Array.from(document.querySelectorAll("#look a:not([tabindex])"), (a) => a.getAttribute("href")).join()`,
		"/u/00000000001,https://open.spotify.com/track/1,https://open.spotify.com/artist/1,https://open.spotify.com/artist/2,https://open.spotify.com/album/1")
	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=stranger": seenAs(track, track)})
	m.do(`pressText("#look", "A stranger")`)
	m.wait(seen + `.endsWith("You are on their front page too.")`)
	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=stranger": seenAs("", "")})
	m.do(`pressText("#look", "A stranger")`)
	m.wait(seen + ` === "Listener A They do not see a song right now. You are not on their front page."`)

	// After a change of the settings, the page must read at once what others see, not only at
	// the next regular time.
	m.do(`Object.defineProperty(document, "hidden", { configurable: true, value: true })`) // a hidden page does not read at the regular times
	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=stranger": nothingSeen, "PATCH /me/sharing": with(t, mySharing, `"now":"nobody"`)})
	m.do(`press(document.querySelector("#sharing input[name=now][value=nobody]"))`)
	m.wait(seen + ` === "Nothing. To them your page does not exist."`)
	m.do(`delete document.hidden`)
	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=stranger": seenAs(track, "")})
	m.wait(seen + ` === "Listener A A Song Somebody, Somebody Else · An Album You are not on their front page."`)

	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=follower": "503 UNAVAILABLE Please try again later."})
	m.do(`pressText("#look", "A follower")`)
	m.wait(seen + ` === "Please try again later. Try again"`)
	m.account.answerWith(map[string]string{"GET /me/sharing/preview?as=follower": seenAs(track, "")})
	m.do(`pressText("#look", "Try again")`)
	m.wait(seen + `.startsWith("Listener A A Song")`)
}

// The cases cover all states and tasks of a Spotify link, all states of a seat (a place in a
// Spotify app), and all reasons for a blocked link that the contract has.
func TestMe_SaysInWordsHowTheLinkIsAndLeadsToTheRemedy(t *testing.T) {
	const (
		works     = "Spotify is linked. We are following what you play."
		tries     = "Spotify did not let us look just now. We keep trying."
		ended     = "Your permission at Spotify has ended or was withdrawn. What you play now" + " is not recorded. Link again; your history stays."
		refuses   = "Spotify refuses, because the operator has not registered this Spotify account yet."
		endsSoon  = "Your permission at Spotify ends on Jan 2, 2027, 3:04 AM. Link again now and nothing is lost."
		lasts     = "Your permission at Spotify lasts until Jan 2, 2027, 3:04 AM."
		ours      = "It is linked through this service's app."
		own       = "It is linked through your own app."
		developer = "For developers: link through my own Spotify app"
		notInOwn  = "Spotify refuses, because this Spotify account is not registered in your own app. Add it under User Management in the dashboard at developer.spotify.com, then link again."
		why       = "Spotify lets a small service link only five people with each of its apps. You can link once the people who run this site have added the e-mail address of your Spotify account."
		form      = "E-mail address of your Spotify account It may differ from your Google address. You find it in the account settings of Spotify. It is stored encrypted and deleted when you link."
		asked     = "Requested: Mar 4, 2026, 5:06 AM"
		link      = "/v1/songspy/auth/spotify?return=%2Fme"
	)
	seat := func(state string, ahead int) string {
		return fmt.Sprintf(`{"state":%q,"stateSince":"2026-03-04T05:06:07.000Z","askedAt":"2026-03-04T05:06:07.000Z","ahead":%d}`, state, ahead)
	}
	blocks := map[string]bool{}
	block := func(reason string) string {
		blocks[reason] = true
		return fmt.Sprintf(`"blocked":{"reason":%q,"until":%q}`, reason, "2027-01-02T03:04:05.000Z")
	}
	words := func(texts ...string) string { return strings.Join(texts, " ") }
	states, tasks, seats := map[string]bool{}, map[string]bool{}, map[string]bool{}
	m := openMine(t, nil)
	for _, c := range []struct{ state, task, fields, seat, text, leads string }{
		{"active", "none", ``, ``, words(works, lasts, ours, "Renew the permission Unlink", developer), link},
		{"active", "none", `"userApp":true`, ``, words(works, lasts, own, "Renew the permission Unlink", developer), link},
		{"active", "relink_soon", ``, ``, words(works, endsSoon, "Link again", ours, "Unlink", developer), link},
		{"active", "relink", ``, ``, words(ended, "Link again", ours, "Unlink", developer), link},
		{"active", "none", block("quota_exceeded"), ``, words("The calls that Spotify allows in a day are used up until Jan 2, 2027, 3:04 AM. Until then we cannot see what you play. You need to do nothing.", lasts, ours, "Renew the permission Unlink", developer), link},
		{"suspect", "none", block("rate_limited"), ``, words("Too many calls were made to Spotify. Until Jan 2, 2027, 3:04 AM we cannot see what you play. You need to do nothing.", lasts, ours, "Renew the permission Unlink", developer), link},
		{"active", "none", block("app_refused"), ``, words("Spotify refuses the app that you are linked through, so we cannot see what you play. We try again at Jan 2, 2027, 3:04 AM. The owner of the app can repair it.", lasts, ours, "Renew the permission Unlink", developer), link},
		{"reauth_required", "relink", block("rate_limited"), ``, words(ended, "Link again", ours, "Unlink", developer), link},
		{"suspect", "none", ``, ``, words(tries, lasts, ours, "Renew the permission Unlink", developer), link},
		{"suspect", "relink_soon", ``, ``, words(tries, endsSoon, "Link again", ours, "Unlink", developer), link},
		{"suspect", "relink", ``, ``, words(ended, "Link again", ours, "Unlink", developer), link},
		{"reauth_required", "relink", ``, ``, words(ended, "Link again", ours, "Unlink", developer), link},
		{"reauth_required", "relink", `"userApp":true`, ``, words(ended, "Link again", own, "Unlink", developer), link},
		{"not_registered", "ask_operator", ``, ``, words(refuses, why, form, "Ask for a place", lasts, ours, "Unlink", developer), ""},
		{"not_registered", "ask_operator", ``, seat("waiting", 3), words(refuses, "You are on the waiting list, with 3 ahead of you. Places are given in order.", asked, "Correct the address Give up my place", lasts, ours, "Unlink", developer), ""},
		{"not_registered", "ask_operator", ``, seat("waiting", 0), words(refuses, "You are on the waiting list, and you are next.", asked, "Correct the address Give up my place", lasts, ours, "Unlink", developer), ""},
		{"not_registered", "ask_operator", ``, seat("held", 0), words(refuses, "A place is reserved for you. You can link once the operator has registered you at Spotify. Please come back later.", asked, "Correct the address Give up my place", lasts, ours, "Unlink", developer), ""},
		{"not_registered", "ask_operator", ``, seat("entered", 0), words("You are registered, but Spotify still refuses. The address may be wrong: please send it again.", asked, "Correct the address", form, "Send the address Give up my place", lasts, ours, "Unlink", developer), ""},
		{"not_registered", "ask_operator", `"userApp":true`, ``, words(notInOwn, "Link again", lasts, own, "Unlink", developer), link},
		{"not_registered", "relink", ``, ``, words(ended, "Link again", ours, "Unlink", developer), link},
		{"", "", ``, ``, words("No Spotify account is linked, so we do not know what you are playing.", "Link Spotify", developer), link},
		{"", "", ``, seat("entered", 0), words("No Spotify account is linked, so we do not know what you are playing.", "You are registered. You can link now.", "Link Spotify", asked, "Correct the address Give up my place", developer), link},
		{"", "", ``, seat("held", 0), words("No Spotify account is linked, so we do not know what you are playing.", "A place is reserved for you. You can link once the operator has registered you at Spotify. Please come back later.", asked, "Correct the address Give up my place", developer), ""},
		{"", "", ``, seat("waiting", 1), words("No Spotify account is linked, so we do not know what you are playing.", "You are on the waiting list, with 1 ahead of you. Places are given in order.", asked, "Correct the address Give up my place", developer), ""},
	} {
		answers := map[string]string{"GET /spotify-auth": `null`, "GET /spotify-auth/seat": cmp.Or(c.seat, `null`)}
		if c.state != "" {
			fields := fmt.Sprintf(`"state":%q,"task":%q`, c.state, c.task)
			if c.fields != "" {
				fields += "," + c.fields
			}
			answers["GET /spotify-auth"] = with(t, myLink, fields)
			states[c.state], tasks[c.task] = true, true
		}
		if c.seat != "" {
			var found struct{ State string }
			if err := json.Unmarshal([]byte(c.seat), &found); err != nil {
				t.Fatal(err)
			}
			seats[found.State] = true
		}
		m.account.answerWith(answers)
		m.do(`document.querySelector("#link .body").textContent = "Loading."; import(document.documentElement.dataset.base + "js/me/link.js").then(({ link }) => document.querySelector("#link .body").replaceChildren(...link({})))`)
		m.wait(`!document.querySelector("#link").textContent.includes("Loading.")`)
		m.require(fmt.Sprintf("the link %s, %s, %s, the seat %s", c.state, c.task, c.fields, c.seat), `text("#link .body > div")`, c.text)
		m.require(fmt.Sprintf("where the link %s, %s, %s, the seat %s leads", c.state, c.task, c.fields, c.seat), `Array.from(document.querySelectorAll("#link [data-link-spotify]"), (a) => a.getAttribute("href")).join()`, c.leads)
	}
	for _, all := range []struct {
		schema, field string
		covered       map[string]bool
	}{{"Link", "state", states}, {"Link", "task", tasks}, {"Seat", "state", seats}, {"LinkBlock", "reason", blocks}} {
		for _, value := range enumOf(t, all.schema, all.field) {
			if !all.covered[value] {
				t.Errorf("the table lacks the value %s of %s.%s", value, all.schema, all.field)
			}
		}
	}
}

func TestMe_UnlinksOnlyOnceTheAnswerIsYes(t *testing.T) {
	m := openMine(t, map[string]string{"DELETE /spotify-auth": "503 UNAVAILABLE Please try again later."})
	const confirm = `text("#link .confirm") + "|" + document.activeElement.textContent`
	m.do(`pressText("#link", "Unlink")`)
	m.require("the question", confirm, "Unlinking erases everything that came from Spotify. It cannot be undone. Erase and unlink Cancel|Erase and unlink")
	m.do(`pressText("#link", "Cancel")`)
	m.require("after the answer no", confirm, "Unlink|Unlink")
	m.requireNothingSent()
	m.do(`pressText("#link", "Unlink"); pressText("#link", "Erase and unlink")`)
	m.wait(`text("#link .said") === "Please try again later."`)
	m.account.answerWith(map[string]string{
		"DELETE /spotify-auth": `{"erased":{"spotify":true,"plays":1234,"tracks":56}}`, "GET /spotify-auth": `null`, "GET /me": with(t, myAccount, `"hasSpotify":false`),
	})
	m.do(`pressText("#link", "Erase and unlink")`)
	m.wait(`announced() === "Unlinked. 1,234 plays were erased." && text("#link .body > div").startsWith("No Spotify account is linked") && document.activeElement.id === "link-title"`)
	m.requireSent("DELETE /spotify-auth", "DELETE /spotify-auth")
	m.require("the top of the page", `text("#hide p:not(.large)")`, "No Spotify account is linked, so there is nothing to show yet.")
}

func TestMe_LinksThroughAnAppOfOnesOwn(t *testing.T) {
	m := openMine(t, nil)
	m.do(`window.stay = true; pressText("#link", "For developers: link through my own Spotify app"); window.input = document.querySelector("#link input[name=clientId]")`)
	m.require("the address to register, and the way back", `[document.querySelector("#link .copy input").value, document.querySelector("#link details > p:last-child a").getAttribute("href")].join()`,
		m.url+"/v1/songspy/auth/spotify/callback,/v1/songspy/auth/spotify?return=%2Fme&clientId=ours")
	m.do(`write(input, "0123456789abcdef"); pressText("#link", "Link through my app")`)
	m.require("a wrong client ID", `[text("#link details .said"), window.left].join("|")`, "A client ID has 32 characters, 0–9 and a–f. Please copy it from the dashboard again.|")
	m.do(`write(input, " 0123456789ABCDEF0123456789abcdef "); pressText("#link", "Link through my app")`)
	m.wait(`window.left !== undefined`)
	m.require("where the form leads", `window.left`, m.url+"/v1/songspy/auth/spotify?return=%2Fme&clientId=0123456789abcdef0123456789abcdef")
}

// A user whose link is not_registered requests a seat, corrects the address, and gives the seat up.
func TestMe_AsksForASeatAndGivesItUp(t *testing.T) {
	const waiting = `{"state":"waiting","stateSince":"2026-03-04T05:06:07.000Z","askedAt":"2026-03-04T05:06:07.000Z","ahead":3}`
	m := openMine(t, map[string]string{"GET /spotify-auth": with(t, myLink, `"state":"not_registered","task":"ask_operator"`), "POST /spotify-auth/seat": "409 SPOTIFY_SEAT_NOT_NEEDED You need no place."})
	m.do(`write(document.querySelector("#link input[type=email]"), "a@example.org"); pressText("#link", "Ask for a place")`)
	m.wait(`text("#link form .said") === "You need no place."`)
	m.account.answerWith(map[string]string{"POST /spotify-auth/seat": waiting, "GET /spotify-auth/seat": waiting})
	m.do(`pressText("#link", "Ask for a place")`)
	m.wait(`announced() === "You have asked for a place." && document.activeElement.id === "link-title" && text("#link [data-seat]")?.startsWith("You are on the waiting list, with 3 ahead of you.")`)
	m.requireSent(`POST /spotify-auth/seat {"email":"a@example.org"}`)
	m.do(`pressText("#link", "Correct the address"); write(document.querySelector("#link input[type=email]"), "b@example.org"); pressText("#link", "Send the address")`)
	m.wait(`!document.querySelector("#link [data-seat] details").open`)
	m.requireSent(`POST /spotify-auth/seat {"email":"b@example.org"}`)
	m.account.answerWith(map[string]string{"DELETE /spotify-auth/seat": `null`, "GET /spotify-auth/seat": `null`})
	m.do(`pressText("#link", "Give up my place")`)
	m.require("the question", `text("#link [data-seat] .confirm")`, "You lose your place, also the one in the list. Give up my place Cancel")
	m.do(`pressText("#link", "Give up my place")`)
	m.wait(`announced() === "You have given up your place." && !document.querySelector("#link [data-seat]")`)
	m.requireSent("DELETE /spotify-auth/seat")
}

func TestMe_ShowsGapsWithTheirReasons(t *testing.T) {
	reasons := map[string]string{
		"link_broken":   "The link to Spotify was broken. Linking again ends it.",
		"app_blocked":   "Spotify blocked this service for a while. It ends by itself.",
		"provider_down": "Spotify did not respond. It ends by itself.",
		"batch_down":    "This service was not running.",
		"unseen":        "Spotify returned nothing usable for this time.",
	}
	var items, want []string
	for i, reason := range enumOf(t, "MyGap", "reason") {
		to, ends := `null`, "still going on"
		if i%2 == 1 {
			to, ends = `"2026-03-05T17:08:09.000Z"`, "Mar 5, 2026, 5:08 PM"
		}
		items = append(items, `{"from":"2026-03-04T05:06:07.000Z","to":`+to+`,"reason":"`+reason+`"}`)
		want = append(want, reasons[reason]+" Mar 4, 2026, 5:06 AM – "+ends)
	}
	m := openMine(t, map[string]string{
		"GET /me/gaps":                      `{"items":[` + strings.Join(items, ",") + `],"nextCursor":"next"}`,
		"GET /me/gaps?limit=10&cursor=next": `{"items":[{"from":"2026-02-01T00:00:00.000Z","to":"2026-02-02T00:00:00.000Z","reason":"unseen"}],"nextCursor":null}`,
	})
	const rows = `texts("#link .rows li")`
	m.require("the gaps", rows, strings.Join(want, "|"))
	const last = "Spotify returned nothing usable for this time. Feb 1, 2026, 12:00 AM – Feb 2, 2026, 12:00 AM"
	m.do(`pressText("#link", "Show more")`)
	m.wait(rows + `.endsWith("` + last + `")`)
	m.require("the focus after more gaps", `plain(document.activeElement)`, last)
	m.open(map[string]string{"GET /me/gaps": noItems})
	m.require("without gaps", `text("#link .body > div:last-child")`, "There are none.")
	m.open(map[string]string{"GET /me/gaps": "503 UNAVAILABLE Please try again later."})
	m.require("an error", `text("#link .body > div:last-child")`, "Please try again later. Try again")
}

// newPlay returns a play of the contract as JSON. The argument fields has the fields provisional
// and probable as JSON. If it is empty, both are false.
func newPlay(id int, fields, track string) string {
	return fmt.Sprintf(`{"id":%d,"startedAt":"2026-03-04T05:06:07.000Z","endedAt":"2026-03-04T05:09:07.000Z","listenedMs":83000,"source":"live",%s,"track":%s}`, id, cmp.Or(fields, `"provisional":false,"probable":false`), track)
}

// playsPage returns a page of plays as JSON. Their ids run from first to last, and a play with
// the id 3 has the title "Song 3". The argument cover is the address of their album art, and
// next is the nextCursor as JSON.
func playsPage(first, last int, cover, next string) string {
	var plays []string
	for id := first; id <= last; id++ {
		plays = append(plays, newPlay(id, "", seenTrack(fmt.Sprintf("Song %d", id), cover)))
	}
	return `{"items":[` + strings.Join(plays, ",") + `],"nextCursor":` + next + `}`
}

const historyTitles = `Array.from(document.querySelectorAll("#history .rows .title"), (title) => title.textContent).join()`

func TestMe_ShowsTheLastPlaysWithTheirLinksAndWhatIsNotCertain(t *testing.T) {
	local := `{"id":2,"handle":"00000000008","uri":"spotify:local:1","title":"My File","artistName":"Me","artists":[],"albumName":"","album":null,"originalUrl":"","albumImageUrl":"","kind":"local","durationMs":0}`
	track := seenTrack("A Song", "")
	m := openMine(t, map[string]string{"GET /me/plays": `{"items":[` + strings.Join([]string{
		newPlay(1, "", track), newPlay(2, "", local), newPlay(3, `"provisional":true,"probable":false`, track), newPlay(4, `"provisional":false,"probable":true`, track), newPlay(5, `"provisional":true,"probable":true`, track),
	}, ",") + `],"nextCursor":null}`})
	const when = "Mar 4, 2026, 5:06 AM · 1:23 played"
	m.require("the plays", `texts("#history .rows .grow")`,
		"A Song Somebody, Somebody Else · An Album "+when+"|My File Me "+when+"|A Song Somebody, Somebody Else · An Album "+when+" · not certain yet|A Song Somebody, Somebody Else · An Album "+when+
			" · probably played|A Song Somebody, Somebody Else · An Album "+when+" · probably played")
	m.require("the links", `Array.from(document.querySelectorAll("#history li:nth-child(1) a, #history li:nth-child(2) a"), (a) => a.getAttribute("href")).join()`,
		"https://open.spotify.com/track/1,https://open.spotify.com/artist/1,https://open.spotify.com/artist/2,https://open.spotify.com/album/1")
	m.require("the menus", `Array.from(document.querySelectorAll("#history details"), (menu) => (menu.open = true, menu.querySelector("summary").getAttribute("aria-label") + ": " + plain(menu.querySelector(".actions")))).slice(0, 2).join("|")`,
		"A Song: menu: Delete Hide this song Hide Somebody Hide Somebody Else|My File: menu: Delete")

	// A song and an artist can be hidden from the menu of a play.
	m.account.answerWith(map[string]string{
		"PUT /me/hidden/spotify:track:1": "503 UNAVAILABLE Please try again later.", "GET /me/hidden": `{"items":[{"uri":"spotify:artist:2","name":"Somebody Else","hiddenAt":"2026-03-04T05:06:07.000Z"}],"nextCursor":null}`,
		"PUT /me/hidden/spotify:artist:2": `{"uri":"spotify:artist:2","name":"Somebody Else","hiddenAt":"2026-03-04T05:06:07.000Z"}`,
	})
	m.do(`pressText("#history", "Hide this song")`)
	m.wait(`text("#history li:first-child .said") === "Please try again later."`)
	m.do(`pressText("#history", "Hide Somebody Else")`)
	m.wait(`announced() === "Hidden. Others no longer see it." && text("#history li:first-child .said") === "Hidden. Others no longer see it." && text("#sharing .rows") === "Somebody Else artist Show again"`)
	m.requireSent("PUT /me/hidden/spotify:track:1", "PUT /me/hidden/spotify:artist:2")

	m.open(map[string]string{"GET /me/plays": noItems})
	m.require("without plays", `text("#history .body > div:last-child")`, "There is nothing yet. Play a song on Spotify and it appears here.")
}

func TestMe_ShowsMorePlaysUpToTwoHundred(t *testing.T) {
	m := openMine(t, nil)
	cover := m.url + "/cover"
	m.open(map[string]string{
		"GET /me/plays?limit=20": playsPage(1, 100, cover, `"a"`), "GET /me/plays?limit=20&cursor=a": "503 UNAVAILABLE Please try again later.", "GET /me/plays?limit=10&cursor=b": playsPage(191, 200, cover, `"c"`),
	})
	m.do(`pressText("#history", "Show more")`)
	m.wait(`text("#history .body > div .said:not(:empty)") === "Please try again later."`)
	m.account.answerWith(map[string]string{"GET /me/plays?limit=20&cursor=a": playsPage(101, 190, cover, `"b"`)})
	m.do(`pressText("#history", "Show more")`)
	m.wait(historyTitles + `.endsWith(",Song 190")`)
	m.require("the focus after the second page", `document.activeElement.textContent + " " + document.activeElement.matches("[aria-hidden], [tabindex]")`, "Song 101 false")
	m.do(`pressText("#history", "Show more")`)
	m.wait(historyTitles + `.endsWith(",Song 200")`)
	m.require("the focus after the third page, and what is below the list", `document.activeElement.textContent + "|" + (document.querySelector("#history .rows").nextElementSibling === null)`, "Song 191|true")
}

func TestMe_DeletesAPlay(t *testing.T) {
	m := openMine(t, map[string]string{"GET /me/plays": playsPage(1, 3, "", `null`), "DELETE /me/plays/2": "503 UNAVAILABLE Please try again later."})
	open := func(id int) { m.do(fmt.Sprintf(`press(document.querySelector("[data-play='%d'] summary"))`, id)) }
	open(2)
	m.do(`pressText("#history", "Delete")`)
	m.require("the question", `text("[data-play='2'] .confirm") + "|" + document.activeElement.textContent`, "This cannot be undone. Delete Cancel|Delete")
	m.do(`pressText("#history", "Cancel")`)
	m.require("after the answer no", `text("[data-play='2'] .confirm")`, "Delete")
	m.requireNothingSent()
	m.do(`pressText("#history", "Delete"); pressText("#history", "Delete")`)
	m.wait(`text("[data-play='2'] .said") === "Please try again later."`)
	m.require("after an error", historyTitles, "Song 1,Song 2,Song 3")

	const focus = `document.activeElement.getAttribute("aria-label") || document.activeElement.textContent`
	remaining := "Song 1,Song 2,Song 3"
	for _, c := range []struct {
		id          int
		left, focus string
	}{{2, "Song 1,Song 3", "Song 3: menu"}, {3, "Song 1", "Song 1: menu"}, {1, "", "History"}} {
		m.account.answerWith(map[string]string{fmt.Sprintf("DELETE /me/plays/%d", c.id): `null`})
		if remaining != "Song 1,Song 2,Song 3" {
			open(c.id)
			m.do(`pressText("#history", "Delete")`)
		}
		m.do(`document.getElementById("announce").textContent = ""; pressText("#history", "Delete")`)
		m.wait(`announced() === "Deleted."`)
		remaining = c.left
		m.requireSent(fmt.Sprintf("DELETE /me/plays/%d", c.id))
		m.require(fmt.Sprintf("after play %d is deleted", c.id), historyTitles+` + "|" + (`+focus+`)`, c.left+"|"+c.focus)
	}
	m.require("after all plays are deleted", `text("#history .body > div:last-child")`, "There is nothing yet. Play a song on Spotify and it appears here.")
}

func TestMe_FollowsSpotifysRules(t *testing.T) {
	m := openMine(t, nil)
	track := seenTrack("A Song", m.url+"/cover")
	m.open(map[string]string{"GET /me/plays": `{"items":[` + newPlay(1, "", track) + `,` + newPlay(2, "", track) + `],"nextCursor":null}`, "GET /me/sharing/preview": seenAs(track, track)})
	for _, width := range []int64{320, 1280} {
		if err := chromedp.Do(m.tab, chromedp.EmulateViewport(width, 800)); err != nil {
			t.Fatal(err)
		}
		m.wait(`document.querySelectorAll("main .art img").length === 3 && Array.from(document.querySelectorAll("main .logo")).every((logo) => logo.complete)`)
		m.require(fmt.Sprintf("what Spotify forbids, at %d px", width), artFaults, "")
		// artFaults looks for links to Spotify. The names of hidden artists and songs are not
		// links, so the logo next to them needs a check of its own.
		m.require(fmt.Sprintf("the logo next to what is hidden, at %d px", width), `Array.from(document.querySelectorAll("#sharing h3 ~ .logo"), (logo) => logo.alt + " " + (logo.getBoundingClientRect().width >= 70 && logo.naturalWidth > 0)).join()`, "Spotify true")
	}
}

func TestMe_CreatesShowsAndRevokesImagesForOtherSites(t *testing.T) {
	embed := func(id int, label string) string {
		return fmt.Sprintf(`{"id":%d,"purpose":"embed","label":%q,"createdAt":"2026-03-04T05:06:07.000Z"}`, id, label)
	}
	const rows, copies, when = `texts("#embeds .rows li")`, `Array.from(document.querySelectorAll("#embeds .copy input"), (input) => input.value).join("|")`, " Mar 4, 2026, 5:06 AM Revoke"
	m := openMine(t, map[string]string{"GET /me/embeds": `[` + embed(1, "") + `]`, "POST /me/embeds": "422 TOO_MANY_EMBEDS You have 20 already."})
	m.require("the list", rows, "Without a name"+when)
	m.require("who sees the image", `text("#embeds p.soft")`, "Anyone with the address sees what you are playing. If you hide, the image is empty at once.")
	m.do(`write(document.querySelector("#embeds input[name=label]"), " my blog "); pressText("#embeds", "Create an image")`)
	m.wait(`text("#embeds form .said") === "You have 20 already."`)
	m.requireSent(`POST /me/embeds {"purpose":"embed","label":"my blog"}`)

	m.account.answerWith(map[string]string{
		"POST /me/embeds": `{"embed":` + embed(2, "my blog") + `,"token":"secret","url":"https://songspy.example/embed/secret.svg"}`, "GET /me/embeds": `[` + embed(2, "my blog") + `,` + embed(1, "") + `]`,
	})
	m.do(`pressText("#embeds", "Create an image")`)
	m.wait(`announced() === "The image is created." && ` + rows + ` === "my blog` + when + `|Without a name` + when + `"`)
	m.require("the preview", `((image) => [image.src, image.alt, document.querySelector("#embeds input[name=label]").value].join("|"))(document.querySelector("#embeds img.embed"))`,
		m.url+"/embed/secret.svg?lang=en|What I am listening to|")
	image := "https://songspy.example/embed/secret.svg?lang=en"
	both := `<a href="` + m.url + `/u/00000000001"><img src="` + image + `" alt="What I am listening to" width="480" height="148"></a>|` + image
	m.require("the texts to copy", copies, both)
	m.require("the hint", `text("#embeds [aria-live] p")`, "The address is shown only now, so copy it.")
	for _, c := range [][2]string{{"", "Copied."}, {`throw new Error("not allowed");`, "This could not be copied. The text is selected: please copy it yourself."}} {
		m.do(`Object.defineProperty(navigator, "clipboard", { configurable: true, value: { async writeText(text) { window.copied = text; ` + c[0] + ` } } }); press(document.querySelectorAll("#embeds .copy button")[1])`)
		m.wait(`plain(document.querySelectorAll("#embeds .copy [role=status]")[1]) === "` + c[1] + `" && copied === "` + image + `"`)
	}

	// The address of an image is shown only once, after its creation. So it must stay on the
	// page while another image is revoked.
	m.account.answerWith(map[string]string{"DELETE /me/embeds/1": "503 UNAVAILABLE Please try again later."})
	m.do(`pressText("[data-embed='1']", "Revoke")`)
	m.require("the question", `text("[data-embed='1'] .confirm")`, "It will show nothing wherever you have put it. Revoke Cancel")
	m.do(`pressText("[data-embed='1']", "Revoke")`)
	m.wait(`text("#embeds form .said") === "Please try again later."`)
	m.require("after an error", rows+`.includes("Without a name") + "|" + `+copies, "true|"+both)
	m.account.answerWith(map[string]string{"DELETE /me/embeds/1": `null`, "GET /me/embeds": `[` + embed(2, "my blog") + `]`})
	m.do(`pressText("[data-embed='1']", "Revoke")`)
	m.wait(`announced() === "Revoked." && ` + rows + ` === "my blog` + when + `" && document.activeElement.id === "embeds-title"`)
	m.requireSent("DELETE /me/embeds/1", "DELETE /me/embeds/1")
	m.require("the texts to copy after another image is revoked", copies, both)
	m.account.answerWith(map[string]string{"DELETE /me/embeds/2": `null`, "GET /me/embeds": `[]`})
	m.do(`pressText("[data-embed='2']", "Revoke"); pressText("[data-embed='2']", "Revoke")`)
	m.wait(`text("#embeds .body > div:last-child") === "You have none yet." && ` + copies + ` === "" && !document.querySelector("#embeds img.embed")`)

	m.open(map[string]string{"GET /me/sharing": with(t, mySharing, `"now":"followers"`)})
	m.require("the hint for users that share with followers", `text("#embeds p.soft")`, "With your present setting the image is empty. It shows something if you share with everyone or with people with your link.")
}

func TestMe_ListsSessionsAndEndsThem(t *testing.T) {
	session := func(id int, label string) string {
		return with(t, mySession, fmt.Sprintf(`"id":%d,"label":%q,"current":false`, id, label))
	}
	labels := []struct{ label, words string }{
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari · iPhone"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge · Windows"},
		{"Mozilla/5.0 (Linux; Android 15; SM-S921N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet · Android"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox · Mac"},
		{"curl/8.14.1", "curl/8.14.1"},
		{"", "Unknown device"},
	}
	all, want := []string{mySession}, []string{"Chrome · Linux this one Last used Jan 2, 2026, 3:04 AM"}
	for i, c := range labels {
		all, want = append(all, session(i+2, c.label)), append(want, c.words+" Last used Jan 2, 2026, 3:04 AM Sign out")
	}
	const rows = `texts("#sessions .rows li")`
	m := openMine(t, map[string]string{"GET /me/sessions": `[` + strings.Join(all, ",") + `]`, "DELETE /me/sessions/3": "503 UNAVAILABLE Please try again later."})
	m.require("the sessions", rows, strings.Join(want, "|"))
	end := `press(document.querySelector("#sessions .rows li:nth-child(3) button"))`
	m.do(end)
	m.wait(`text("#sessions .said") === "Please try again later."`)
	m.require("after an error", rows, strings.Join(want, "|"))
	m.account.answerWith(map[string]string{"DELETE /me/sessions/3": `null`, "GET /me/sessions": `[` + strings.Join(slices.Delete(all, 2, 3), ",") + `]`})
	m.do(end)
	m.wait(`announced() === "That session has ended." && text("#sessions .said") === "" && ` + rows + ` === ` + fmt.Sprintf("%q", strings.Join(slices.Delete(want, 2, 3), "|")))
	m.requireSent("DELETE /me/sessions/3", "DELETE /me/sessions/3")
	m.wait(`document.activeElement.id === "sessions-title"`)

	// Ending all sessions ends this one too, so the page leads to the front page.
	m.do(`window.stay = true; pressText("#sessions", "Sign out everywhere")`)
	m.require("the question", `text("#sessions .confirm")`, "This ends this session too. Sign out everywhere Cancel")
	m.do(`pressText("#sessions", "Cancel")`)
	m.requireSent("DELETE /me/sessions/3")
	m.account.answerWith(map[string]string{"DELETE /me/sessions": "503 UNAVAILABLE Please try again later."})
	m.do(`pressText("#sessions", "Sign out everywhere"); pressText("#sessions", "Sign out everywhere")`)
	m.wait(`text("#sessions .said") === "Please try again later."`)
	m.require("after an error the page stays", `String(window.left)`, "undefined")
	m.account.answerWith(map[string]string{"DELETE /me/sessions": `null`})
	m.do(`pressText("#sessions", "Sign out everywhere")`)
	m.wait(`window.left !== undefined`)
	m.require("where the page leads", `window.left`, m.url+"/")
	m.requireSent("DELETE /me/sessions", "DELETE /me/sessions")
}

func TestMe_SwitchesNotificationsOnAndOff(t *testing.T) {
	m := openMine(t, nil)
	const state = `[document.querySelector("#mail input").checked, text("#mail .said"), text("#mail .body")].join("|")`
	const body = "Send me e-mails Only when there is something for you to do, such as linking again. "
	const address = "They go to a…@example.org. It is the address of your Google account, as of your last sign-in."
	m.require("at first", state, "true||"+body+address)
	for _, c := range []struct{ answer, request, announced, want string }{
		{`{"email":false,"address":"a…@example.org"}`, `{"email":false}`, "E-mails are off.", "false||" + body + address},
		{`{"email":true,"address":"a…@example.org"}`, `{"email":true}`, "E-mails are on.", "true||" + body + address},
		{"429 RATE_LIMITED Too many changes.", `{"email":false}`, "", "true|Too many changes.|" + body + "Too many changes. " + address},
		{"401 SESSION_ENDED You were signed out.", `{"email":false}`, "", "true|You are signed out. Nothing has changed. Please sign in again. Sign in again|" + body + "You are signed out. Nothing has changed. Please sign in again. Sign in again " + address},
	} {
		m.account.answerWith(map[string]string{"PUT /me/notices": c.answer})
		m.do(`document.getElementById("announce").textContent = ""; press(document.querySelector("#mail input"))`)
		m.wait(state + ` === ` + fmt.Sprintf("%q", c.want) + ` && announced() === "` + c.announced + `"`)
		m.requireSent("PUT /me/notices " + c.request)
	}
	m.open(map[string]string{"GET /me/notices": `{"email":false,"address":null}`})
	m.require("without an address", state, "false||"+body+"There is no address to send them to: the operator has not set up mail, or Google has not given us a verified address.")
}

func TestMe_ErasesTheAccountOnlyOnceTheWordIsTyped(t *testing.T) {
	m := openMine(t, map[string]string{"DELETE /me": "503 UNAVAILABLE Please try again later."})
	erase := func(word string) {
		m.do(`write(document.querySelector("#erase input"), "` + word + `"); pressText("#erase", "Erase my account")`)
	}
	m.require("what is erased", `text("#erase .body").replace(/ Your accounts at Spotify and Google .+\./, "")`, "Your account, history, settings, follows and sessions are erased at once. This cannot be undone. Type “erase” to continue Erase my account")
	for _, word := range []string{"", "no", "erased"} {
		erase(word)
		m.require("after the word "+word, `String(document.querySelector("#erase input").validity.valueMissing) + text("#erase .said")`, map[bool]string{true: "true", false: "falseNothing is erased yet. Please type “erase”."}[word == ""])
	}
	m.requireNothingSent()
	erase(" Erase ")
	m.wait(`text("#erase .said") === "Please try again later."`)
	m.account.answerWith(map[string]string{"DELETE /me": `{"erased":{"spotify":true,"plays":1234,"tracks":56}}`, "GET /me": "401 UNAUTHORIZED Please sign in.", "GET /me/sharing": "401 UNAUTHORIZED Please sign in.", "GET /me/sharing/preview": "401 UNAUTHORIZED Please sign in."})
	erase("erase")
	m.wait(`text("#main") === "Everything is erased Your account and 1,234 plays are erased. Thank you for having been here. Open the front page" && announced() === "Everything is erased"`)
	m.requireSent("DELETE /me", "DELETE /me")
	m.require("the focus, where the link leads, and the header", `[document.activeElement.textContent, document.querySelector("#main a").getAttribute("href"), document.querySelector("header [data-sign-in]").checkVisibility(), document.querySelector("header [data-me]").checkVisibility()].join("|")`,
		"Everything is erased|/|true|false")
	// The timers of the parts that the page showed before still run. They must not fail although
	// there is no account any more.
	m.do(`window.settled = false; setTimeout(() => (settled = true), 1500)`)
	m.wait(`window.settled`)
}

// person returns a person of the contract as JSON. The person with the id 2 is named "Listener
// B".
func person(id int) string {
	return fmt.Sprintf(`{"handle":%q,"nickName":"Listener %c","profileImageUrl":""}`, songspy.Handle(songspy.PublicID(id)), 'A'+id-1)
}

func follow(id int, state string) string {
	approved := `null`
	if state == "approved" {
		approved = `"2026-03-05T05:06:07.000Z"`
	}
	return `{"person":` + person(id) + `,"state":"` + state + `","askedAt":"2026-03-04T05:06:07.000Z","approvedAt":` + approved + `}`
}

func items(all ...string) string {
	return `{"items":[` + strings.Join(all, ",") + `],"nextCursor":null}`
}

// peopleParts is a script that returns the texts below the four headings of the part People
// (requests, followers, followed users, blocks), joined with "|".
const peopleParts = `Array.from(document.querySelectorAll("#people .body > div"), plain).join("|")`

func TestMe_AnswersFollowRequests(t *testing.T) {
	const asked, approved = " Mar 4, 2026, 5:06 AM Approve Decline", " Mar 5, 2026, 5:06 AM Remove Block"
	b, c := songspy.Handle(2), songspy.Handle(3)
	m := openMine(t, map[string]string{"GET /me/followers": items(follow(2, "requested"), follow(3, "requested"), follow(4, "requested"), follow(5, "approved")), "PUT /me/followers/" + b: "503 UNAVAILABLE Please try again later."})
	m.require("at first", peopleParts, "Listener B"+asked+" Listener C"+asked+" Listener D"+asked+"|Listener E"+approved+"|You follow nobody yet. Tap a name on the front page.|You have not blocked anyone.")
	m.require("where a name leads", `document.querySelector("#people a.who").getAttribute("href")`, "/u/"+b)
	approve := `pressText("[data-person='` + b + `']", "Approve")`
	m.do(approve)
	m.wait(`text("[data-person='` + b + `'] .said") === "Please try again later."`)
	m.account.answerWith(map[string]string{"PUT /me/followers/" + b: follow(2, "approved"), "GET /me/followers": items(follow(3, "requested"), follow(4, "requested"), follow(2, "approved"), follow(5, "approved"))})
	m.do(approve)
	m.wait(`announced() === "Approved." && ` + peopleParts + `.startsWith("Listener C` + asked + ` Listener D` + asked + `|Listener B` + approved + ` Listener E` + approved + `|")`)
	m.requireSent("PUT /me/followers/"+b, "PUT /me/followers/"+b)
	m.require("the focus after a request is approved", `plain(document.activeElement)`, "Listener C")
	m.account.answerWith(map[string]string{"DELETE /me/followers/" + c: `null`})
	m.do(`pressText("[data-person='` + c + `']", "Decline")`)
	m.wait(`announced() === "Declined. They are not told." && ` + peopleParts + `.startsWith("Listener D` + asked + `|Listener B")`)
	m.requireSent("DELETE /me/followers/" + c)
	m.require("the focus after a request is declined", `plain(document.activeElement)`, "Listener D")
}

func TestMe_RemovesAndBlocksFollowers(t *testing.T) {
	b, c := songspy.Handle(2), songspy.Handle(3)
	m := openMine(t, map[string]string{"GET /me/followers": items(follow(2, "approved"), follow(3, "approved")), "DELETE /me/followers/" + b: `null`, "PUT /people/" + c + "/block": "503 UNAVAILABLE Please try again later."})
	m.do(`pressText("[data-person='` + b + `']", "Remove")`)
	m.require("the question before one is removed", `text("[data-person='`+b+`'] .confirm")`, "They stop following you. To follow you again they have to ask. Remove Cancel")
	m.requireNothingSent()
	m.do(`pressText("[data-person='` + b + `']", "Remove")`)
	m.wait(`announced() === "Removed." && plain(document.activeElement) === "Listener C"`)
	m.requireSent("DELETE /me/followers/" + b)

	m.do(`pressText("[data-person='` + c + `']", "Block")`)
	m.require("the question before one is blocked", `texts("[data-person='`+c+`'] .confirm")`, "Remove|You will not see each other. If you share with everyone, they can still look while signed out: share with followers only to prevent that. Block Cancel")
	m.do(`pressText("[data-person='` + c + `']", "Block")`)
	m.wait(`text("[data-person='` + c + `'] > .said") === "Please try again later."`)
	blocked := `{"person":` + person(3) + `,"blockedAt":"2026-03-06T05:06:07.000Z"}`
	m.account.answerWith(map[string]string{"PUT /people/" + c + "/block": blocked, "GET /me/blocks": items(blocked)})
	m.do(`pressText("[data-person='` + c + `']", "Block")`)
	m.wait(`announced() === "Blocked." && ` + peopleParts + ` === "No new requests.|You have no followers yet.|You follow nobody yet. Tap a name on the front page.|Listener C Mar 6, 2026, 5:06 AM Unblock"`)
	m.requireSent("PUT /people/"+c+"/block", "PUT /people/"+c+"/block")
	m.require("the focus after the last follower", `document.activeElement.textContent`, "People")

	m.account.answerWith(map[string]string{"DELETE /people/" + c + "/block": `null`})
	m.do(`pressText("#people", "Unblock")`)
	m.wait(`announced() === "Unblocked." && ` + peopleParts + `.endsWith("|You have not blocked anyone.")`)
	m.requireSent("DELETE /people/" + c + "/block")
}

func TestMe_StopsFollowing(t *testing.T) {
	b, c := songspy.Handle(2), songspy.Handle(3)
	m := openMine(t, map[string]string{"GET /me/following": items(follow(2, "approved"), follow(3, "requested")), "DELETE /people/" + b + "/follow": "503 UNAVAILABLE Please try again later."})
	const third = peopleParts + `.split("|")[2]`
	m.require("at first", third, "Listener B Mar 5, 2026, 5:06 AM Unfollow Listener C Mar 4, 2026, 5:06 AM Cancel the request")
	m.do(`pressText("#people", "Unfollow")`)
	m.wait(`text("[data-person='` + b + `'] .said") === "Please try again later."`)
	m.account.answerWith(map[string]string{"DELETE /people/" + b + "/follow": `null`, "DELETE /people/" + c + "/follow": `null`})
	m.do(`pressText("#people", "Unfollow")`)
	m.wait(`announced() === "You no longer follow them." && plain(document.activeElement) === "Listener C"`)
	m.do(`pressText("#people", "Cancel the request")`)
	m.wait(third + ` === "You follow nobody yet. Tap a name on the front page."`)
	m.requireSent("DELETE /people/"+b+"/follow", "DELETE /people/"+b+"/follow", "DELETE /people/"+c+"/follow")
}

func TestMe_ChangesTheNicknameAndThePicture(t *testing.T) {
	m := openMine(t, map[string]string{"POST /users/1/edit": "400 NICKNAME_INVALID A nickname has 1 to 30 characters."})
	save := func(name string) {
		m.do(`document.getElementById("announce").textContent = ""; write(document.querySelector("#profile input[name=nickname]"), "` + name + `"); pressText("#profile", "Save")`)
	}
	m.require("at first", `[document.querySelector("#profile input[name=nickname]").value, labelled("#profile", "Show my Google picture").checked, text("#profile .body > p:last-child")].join("|")`,
		"Listener A|false|Your name at Google is Ada Example. Only you see it.")
	save("a name that is too long")
	m.wait(`text("#profile .said") === "A nickname has 1 to 30 characters."`)
	m.account.answerWith(map[string]string{"POST /users/1/edit": `{"nickName":"Ada","showProfileImage":false}`, "GET /me": with(t, myAccount, `"nickName":"Ada"`)})
	save(" Ada ")
	m.wait(`announced() === "Saved." && text("#profile .said") === "" && document.querySelector("#profile input[name=nickname]").value === "Ada"`)
	m.requireSent(`POST /users/1/edit {"nickName":"a name that is too long"}`, `POST /users/1/edit {"nickName":" Ada "}`)
	m.account.answerWith(map[string]string{"POST /users/1/edit": `{"nickName":"Ada","showProfileImage":true}`})
	m.do(`document.getElementById("announce").textContent = ""; press(labelled("#profile", "Show my Google picture"))`)
	m.wait(`announced() === "Saved."`)
	m.requireSent(`POST /users/1/edit {"nickName":"Ada","showProfileImage":true}`)
}

func TestMe_ListsWhatHappenedToTheAccount(t *testing.T) {
	kinds := map[string]string{
		"signed_up": "Signed up", "signed_in": "Signed in", "signed_out": "Signed out", "signed_out_all": "Signed out everywhere", "linked": "Linked Spotify", "unlinked": "Unlinked Spotify",
		"sharing_changed": "Changed sharing", "item_hidden": "Hid an artist or a track", "item_shown": "Showed an artist or a track again", "share_link_created": "Created a share link",
		"share_link_revoked": "Revoked the share link", "embed_created": "Created an embed", "embed_revoked": "Revoked an embed", "webhook_set": "Set the webhook", "webhook_deleted": "Deleted the webhook",
		"exported": "Exported data", "erased": "Erased plays", "hidden": "Hidden from others", "shown": "Shown to others again", "renamed": "Renamed",
	}
	actors := map[string]string{"self": "", "operator": " · by the operator", "system": " · automatic"}
	var events, want []string
	all := enumOf(t, "AuditEvent", "actor")
	for i, kind := range enumOf(t, "AuditEvent", "kind") {
		actor := all[i%len(all)]
		events = append(events, `{"kind":"`+kind+`","actor":"`+actor+`","detail":"","at":"2026-03-04T05:06:07.000Z"}`)
		want = append(want, kinds[kind]+actors[actor]+" Mar 4, 2026, 5:06 AM")
	}
	events = append(events, `{"kind":"signed_in","actor":"self","detail":"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0","at":"2026-03-04T05:06:07.000Z"}`,
		`{"kind":"erased","actor":"self","detail":"plays: 3","at":"2026-03-04T05:06:07.000Z"}`, `{"kind":"a_later_kind","actor":"self","detail":"","at":"2026-03-04T05:06:07.000Z"}`)
	want = append(want, "Signed in Firefox · Linux Mar 4, 2026, 5:06 AM", "Erased plays plays: 3 Mar 4, 2026, 5:06 AM", "a_later_kind Mar 4, 2026, 5:06 AM")
	m := openMine(t, map[string]string{"GET /me/audit": items(events...)})
	m.require("the events", `texts("#activity .rows li")`, strings.Join(want, "|"))
	m.open(map[string]string{"GET /me/audit": noItems})
	m.require("without events", `text("#activity .body > div")`, "There is nothing yet.")
}

func TestMe_AsksForAPollOfThePlayerWhenItOpensAndWhenItIsShownAgain(t *testing.T) {
	m := openMine(t, nil)
	// waitFor dispatches visibilitychange again and again, at which the page would request a
	// poll. While window.deaf is true, the page does not receive the event.
	opened := &myTab{m.pageTest, m.openPage("/me", 1280, 800, watched+`
		window.deaf = true;
		document.addEventListener("visibilitychange", (event) => window.deaf && event.stopImmediatePropagation(), true);
		const count = window.fetch;
		window.polls = 0;
		window.fetch = (url, options) => { polls += String(url).endsWith("/me/poll") && options.method === "POST"; return count(url, options); };`)}
	opened.waitUntilRead()
	opened.require("polls when the page is opened", `String(polls)`, "1")
	opened.do(`window.deaf = false; document.dispatchEvent(new Event("visibilitychange"))`)
	opened.require("polls once it is shown again", `String(polls)`, "2")
	m.account.answerWith(map[string]string{"GET /me": with(t, myAccount, `"hasSpotify":false`)})
	if err := chromedp.Do(opened.tab, chromedp.Navigate(m.url+"/me")); err != nil {
		t.Fatal(err)
	}
	opened.waitUntilRead()
	opened.do(`window.deaf = false; document.dispatchEvent(new Event("visibilitychange"))`)
	opened.require("polls without a link", `String(polls)`, "0")
	opened.requireNoFaults()
}

// If the page cannot read its data, it must say why, for example that the session has ended. Its
// button must read the account again.
func TestMe_ReadsTheAccountAgainAfterAnError(t *testing.T) {
	m := openMine(t, nil)
	m.require("the parts", `Array.from(document.querySelectorAll("nav.jump a"), (a) => a.textContent + " " + (document.querySelector(a.getAttribute("href")) ? "" : "leads nowhere")).join()`,
		"What others see ,Sharing ,People ,Spotify link ,History ,Image for other sites ,Profile ,Notifications ,Where you are signed in ,Activity ,Erase my account ")
	for _, c := range []struct{ answer, want string }{
		{"503 UNAVAILABLE Please try again later.", "Please try again later. Try again"},
		{"502", "The server did not answer as expected. Please try again in a moment. Try again"},
		{"401 SESSION_ENDED You were signed out.", "You are signed out. Nothing has changed. Please sign in again. Sign in again"},
	} {
		m.open(map[string]string{"GET /me/sharing": c.answer})
		m.require(c.answer, `text("#main")`, c.want)
	}
	m.open(map[string]string{"GET /me/sharing": "503 UNAVAILABLE Please try again later."})
	m.account.answerWith(map[string]string{"GET /me/sharing": mySharing})
	m.do(`pressText("#main", "Try again")`)
	m.wait(`text("#hide h1") === "Everyone sees you"`)
	m.open(map[string]string{"GET /me": "401 SESSION_ENDED You were signed out."})
	m.require("after the session has ended", `text("#main") + "|" + document.querySelector("#main a").getAttribute("href").includes("google")`, "Sign in to see your page Sign in again|true")
}
