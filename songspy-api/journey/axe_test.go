package journey

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/songspy/songspy/songspy-api/internal/chromiumtest"
	"github.com/songspy/songspy/songspy-api/internal/npmtest"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// state is a state of a page in which the accessibility is checked.
type state struct {
	name string
	tab  *tab
	path string
	// ready is a script that is true when the page shows the state.
	ready string
	// prepare runs once before all checks of the state. For each language, enter runs after
	// the page is open, and leave after the checks. Each may be nil.
	prepare, enter, leave func()
}

// states is how many states TestPage_HasNoViolationsOfAccessibilityRules checks.
const states = 46

// variant is how a viewer sees a page.
type variant struct {
	theme, language string
	width           int64
}

var languages = []string{"en", "ko"}

// variants returns the variants in which the state number n is checked. If all is true, as under
// "make test-page", these are all combinations of theme, language and width. Otherwise these are
// three variants, chosen so that the checks of all states together cover each pair of values: of a
// state and a theme, of a theme and a language, and so on.
func variants(n int, all bool) (list []variant) {
	themes, widths := []string{"light", "dark"}, []int64{360, 768, 1280}
	for i, width := range widths {
		if all {
			for _, theme := range themes {
				for _, language := range languages {
					list = append(list, variant{theme, language, width})
				}
			}
			continue
		}
		list = append(list, variant{themes[(i+n)%2], languages[(i+i/2+n/2)%2], width})
	}
	return list
}

// violations is a script that returns the violations that axe-core finds, one per line.
const violations = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
	violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html.slice(0, 200) + " " + n.failureSummary.replace(/\s+/g, " "))).join("\n"))`

// checkAccessibility fails the test if axe-core finds a violation in a state, and keeps
// pictures of it. It opens the page once for each language: theme and width only choose styles.
func checkAccessibility(t *testing.T, axe string, s state, list []variant) {
	t.Helper()
	b, name := s.tab, strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(s.name)
	for _, language := range languages {
		b.open("/offline.html")
		evaluate[any](b, `document.cookie = "songspy-language=`+language+`; Path=/"`)
		b.open(s.path)
		// The page without a network has texts in both languages and no element #first, so its language
		// is not checked.
		b.wait(`(document.documentElement.lang === "` + language + `" || !document.getElementById("first")) && (` + s.ready + `)`)
		if s.enter != nil {
			s.enter()
		}
		evaluate[any](b, axe+"\n;0")
		for _, l := range list {
			if l.language != language {
				continue
			}
			send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.theme}}})
			b.do(chromedp.EmulateViewport(l.width, 800))
			if found := evaluate[string](b, violations); found != "" {
				t.Errorf("%s, %s, %s, %d px:\n%s", s.name, l.theme, l.language, l.width, found)
			}
			chromiumtest.KeepPicture(t, b.ctx, fmt.Sprintf("%s-%d-%s-%s", name, l.width, l.theme, l.language))
		}
		if s.leave != nil {
			s.leave()
		}
	}
}

func TestPage_HasNoViolationsOfAccessibilityRules(t *testing.T) {
	dir := npmtest.Install(t, "axe", "the accessibility of the page by axe-core")
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	o := sim.Options{Seed: 6, People: 6, AccessTokenLife: 20 * time.Second}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := newPageSystem(t, o, "SONGSPY_OPERATORS="+s.Person(0).Email)
	w.addSecrets(s.Person(0).Email)
	for person := range 3 {
		w.sim.Script(person, songsInARow(w.sim, 100*(person+1), 200, 30*time.Second))
	}
	stranger, operator, friend, newcomer, unlinked := w.newTab(5), w.newTab(0), w.newTab(1), w.newTab(3), w.newTab(4)
	inApp := w.newTab(2)
	inApp.before(`delete Navigator.prototype.serviceWorker`) // a service worker would send requests with the browser's real user agent
	send(inApp, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36 KAKAOTALK 2610990"})
	api := w.start("songspy-api")
	batch := w.start("songspy-batch")
	operator.signUp("op", "everyone")
	operator.link()
	friend.signUp("<b>민아</b>", "everyone")
	friend.link()
	unlinked.signUp("unlinked", "followers")
	newcomer.open("/welcome")
	newcomer.click(".lead a.main")
	newcomer.consent()
	newcomer.step("name")
	person := get[string](friend, "/me", "data.handle")
	friend.request("PATCH", "/me/sharing", `{"history":"everyone","findable":true}`)
	operator.request("PUT", "/people/"+person+"/follow", "")
	operator.request("POST", "/people/"+person+"/report", `{"reason":"name","text":"a reason"}`)
	stranger.open("/")
	stranger.wait(`document.querySelectorAll(".answer:not([hidden]), #board li .title a").length >= 2`)
	track := evaluate[string](stranger, `fetch("/v1/songspy/listening").then((r) => r.json()).then((r) => r.data.items[0].track.handle)`)

	const (
		board   = `document.querySelectorAll(".answer:not([hidden]), #board li .title a").length >= 2`
		heading = `document.querySelector("#main h1")?.textContent`
		mine    = `document.querySelector("[data-mine] a") !== null`
	)
	loaded := func(parts string) string {
		return heading + ` && document.querySelectorAll("` + parts + `").length > 0 && !Array.from(document.querySelectorAll("#main .soft")).some((e) => ["Loading.", "불러오는 중이에요."].includes(e.textContent))`
	}
	stranger.open("/terms")
	stranger.wait(heading)
	if found := evaluate[string](stranger, string(axe)+`; document.getElementById("main").append(document.createElement("input")); `+violations); !strings.Contains(found, "label") {
		t.Fatalf("axe-core does not find a field without a label: %q", found)
	}
	// setSeats restarts songspy-api and songspy-batch with n seats in the Spotify app. Two users have
	// linked already and take two of them.
	setSeats := func(n int, env ...string) {
		w.kill(api)
		w.kill(batch)
		w.env = append(w.env, append(env, fmt.Sprint("SONGSPY_SPOTIFY_SEATS=", n))...)
		api, batch = w.start("songspy-api"), w.start("songspy-batch")
	}
	askSeat := func() { unlinked.request("POST", "/spotify-auth/seat", `{"email":"unlinked@example.com"}`) }
	all := os.Getenv("SONGSPY_TEST_PAGE") != ""
	list := []state{
		{name: "the front page", tab: stranger, path: "/", ready: board},
		{name: "the front page of a user", tab: operator, path: "/", ready: board + ` && document.querySelector(".menu [data-operator]:not([hidden])")`},
		{name: "the front page of a user without a link", tab: unlinked, path: "/", ready: mine},
		{name: "a person", tab: stranger, path: "/u/" + person, ready: heading + ` && document.querySelector(".acts").hasChildNodes()`},
		{name: "a person to a user", tab: operator, path: "/u/" + person, ready: heading + ` && document.querySelector(".acts .report")`},
		{name: "nobody", tab: stranger, path: "/u/00000000001", ready: heading},
		{name: "a track", tab: stranger, path: "/t/" + track, ready: heading},
		{name: "no track", tab: stranger, path: "/t/00000000001", ready: heading},
		{name: "signing in", tab: stranger, path: "/welcome", ready: `document.querySelector("[data-step=signIn]")`},
		{name: "an error of signing in", tab: stranger, path: "/welcome?error=AUTHORIZATION_DENIED", ready: `document.querySelector("[data-step=signIn] .said")`},
		{name: "choosing a nickname", tab: newcomer, path: "/welcome", ready: `document.querySelector("[data-step=name]")`},
		{name: "linking", tab: unlinked, path: "/welcome", ready: `document.querySelector("[data-step=spotify]")`},
		{name: "asking for a seat", tab: unlinked, path: "/welcome?error=SPOTIFY_NO_SEAT", ready: `document.querySelector("[data-step=spotify] input[type=email]")`},
		{name: "an account that is linked elsewhere", tab: unlinked, path: "/welcome?error=SPOTIFY_LINKED_ELSEWHERE", ready: `document.querySelector("[data-step=spotify] a[href*=move]")`},
		{name: "done", tab: operator, path: "/welcome", ready: `document.querySelector("[data-step=done]")`},
		{name: "one's own page", tab: operator, path: "/me", ready: loaded("#erase form")},
		{name: "one's own page with a request", tab: friend, path: "/me", ready: loaded("#people [data-person]")},
		{name: "one's own page without a link", tab: unlinked, path: "/me", ready: loaded("#erase form")},
		{name: "one's own page, signed out", tab: stranger, path: "/me", ready: heading},
		{name: "the status", tab: operator, path: "/status", ready: loaded("#seats dl") + ` && document.querySelector("[data-report]")`},
		{name: "the status, signed out", tab: stranger, path: "/status", ready: heading},
		{name: "the status to a user who is no operator", tab: friend, path: "/status", ready: heading},
		{name: "an app's browser", tab: inApp, path: "/welcome", ready: `document.querySelector("[data-in-app] .copy input")`},
		{name: "a question and one's own app", tab: operator, path: "/me", ready: loaded("#erase form"), enter: func() {
			operator.click("#link details summary")
			operator.click("#link .confirm button")
			operator.wait(`document.querySelector("#link details[open] input") && document.querySelector("#link .confirm [role=alert]")`)
		}},
		{name: "privacy", tab: stranger, path: "/privacy", ready: heading},
		{name: "terms", tab: stranger, path: "/terms", ready: heading},
		{name: "choosing an audience", tab: newcomer, path: "/welcome", ready: `document.querySelector("[data-step=audience]") && !document.querySelector("input:checked")`, prepare: func() {
			newcomer.open("/welcome")
			newcomer.step("name")
			newcomer.write(`input[name="nickname"]`, "newcomer")
			newcomer.click("form button")
			newcomer.step("audience")
		}},
		{name: "the paused board", tab: stranger, path: "/", ready: board, enter: func() {
			stranger.click("[data-pause]")
			stranger.wait(`document.querySelector("[data-pause][aria-pressed=true]")`)
		}},
		{name: "a lost connection", tab: stranger, path: "/", ready: board, prepare: func() {
			stranger.before(hurry)
		}, enter: func() {
			stranger.setOffline(true)
			stranger.wait(`!document.getElementById("connection").hidden && document.querySelectorAll("#board li").length === 0`)
		}, leave: func() { stranger.setOffline(false) }},
		{name: "reconnecting", tab: stranger, path: "/", ready: board, enter: func() {
			evaluate[any](stranger, `Object.defineProperty(navigator, "onLine", { value: true }), 0`) // the network works, and the service does not answer
			stranger.setOffline(true)
			stranger.wait(`/^(The connection is lost|연결이 끊겨)/.test(document.getElementById("connection").textContent)`)
		}, leave: func() { stranger.setOffline(false) }},
		{name: "one's own page, hidden", tab: friend, path: "/me", ready: loaded("[data-show]"), prepare: func() {
			friend.open("/me")
			friend.click("[data-hide=hour]")
			friend.wait(`document.querySelector("[data-show]")`)
		}},
		{name: "the front page, hidden", tab: friend, path: "/", ready: mine},
		{name: "a hidden person", tab: stranger, path: "/u/" + person, ready: heading},
		{name: "a consent that ends soon", tab: friend, path: "/me", ready: loaded("#link .bad"), prepare: func() {
			friend.ageConsent(time.Now().AddDate(0, -songspy.ConsentMonths, 10))
		}},
		{name: "a broken link", tab: friend, path: "/me", ready: loaded("[data-link=reauth_required]"), prepare: friend.endConsent},
		{name: "the front page with a broken link", tab: friend, path: "/", ready: mine},
		{name: "waiting for a seat", tab: unlinked, path: "/welcome", ready: `document.querySelector("[data-seat=waiting]")`, prepare: func() { setSeats(2); askSeat() }},
		{name: "a held seat", tab: unlinked, path: "/welcome", ready: `document.querySelector("[data-seat=held]")`, prepare: func() { setSeats(3, "SONGSPY_SIGN_UP=invite"); askSeat() }},
		{name: "an entered seat", tab: unlinked, path: "/welcome", ready: `document.querySelector("[data-seat=entered]")`, prepare: func() {
			operator.request("POST", "/operator/seats/"+get[string](unlinked, "/me", "data.handle")+"/entered", "")
		}},
		{name: "a refused seat", tab: unlinked, path: "/welcome?error=SPOTIFY_NOT_REGISTERED", ready: `document.querySelector("[data-seat=entered] details[open]")`},
		{name: "signing in with an invite", tab: stranger, path: "/welcome", ready: `document.querySelector("[data-step=signIn] input[name=invite]")`},
		{name: "signing in with a listed address", tab: stranger, path: "/welcome", ready: `document.querySelector("[data-step=signIn] a.main") && !document.querySelector("input[name=invite]")`, prepare: func() {
			setSeats(3, "SONGSPY_SIGN_UP=allowlist", "SONGSPY_ALLOWLIST="+s.Person(0).Email)
		}},
		{name: "the front page without calls to Spotify", tab: operator, path: "/", ready: mine + ` && /\d:\d\d/.test(document.querySelector("[data-mine]").textContent)`, prepare: func() {
			end := w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.QuotaExceeded})
			defer end()
			operator.eventually("a blocked link", func() bool { return get[bool](operator, "/spotify-auth", "data.blocked !== null") })
		}},
		{name: "one's own page without calls to Spotify", tab: operator, path: "/me", ready: loaded("#link .bad")},
		{name: "the front page without listeners", tab: stranger, path: "/", ready: `document.body.classList.contains("nobody")`, prepare: func() {
			operator.request("PATCH", "/me/sharing", `{"now":"nobody"}`)
		}},
		{name: "no network", tab: stranger, path: "/", ready: `document.querySelector("main [lang=en]")`, prepare: func() { w.kill(api) }},
	}
	if len(list) != states {
		t.Errorf("there are %d states, and the pairs are those of %d", len(list), states)
	}
	for n, st := range list {
		if st.prepare != nil {
			st.prepare()
		}
		checkAccessibility(t, string(axe), st, variants(n, all))
	}
}

func TestVariants_PairEverything(t *testing.T) {
	pairs := map[string]bool{}
	for n := range states {
		for _, l := range variants(n, false) {
			values := []string{fmt.Sprint("state ", n), l.theme, l.language, fmt.Sprint(l.width)}
			for i, a := range values {
				for _, b := range values[i+1:] {
					pairs[a+" "+b] = true
				}
			}
		}
	}
	if want := states*(2+2+3) + 2*2 + 2*3 + 2*3; len(pairs) != want {
		list, _ := json.Marshal(pairs)
		t.Errorf("%d pairs, want %d: %s", len(pairs), want, strings.ReplaceAll(string(list), ",", "\n"))
	}
}
