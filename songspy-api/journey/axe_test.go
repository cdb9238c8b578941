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

	"github.com/songspy/songspy/songspy-api/internal/npmtest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// state is a state of a page in which the accessibility is checked.
type state struct {
	name string
	tab  *tab
	path string
	// ready is a script that is true when the page shows the state.
	ready string
}

// variant is how a viewer sees a page.
type variant struct {
	theme, language string
	width           int64
}

// variants returns how the nth state is checked: in make test-page in all ways, else in three,
// so that all states together pair each state, theme, language and width with each other.
func variants(n int, all bool) (list []variant) {
	themes, languages, widths := []string{"light", "dark"}, []string{"en", "ko"}, []int64{360, 768, 1280}
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

// violations is a script that returns what axe-core finds, in lines.
const violations = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
	violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html.slice(0, 200) + " " + n.failureSummary.replace(/\s+/g, " "))).join("\n"))`

// checkAccessibility fails the test if axe-core finds a violation in a state.
func checkAccessibility(t *testing.T, axe string, s state, l variant) {
	t.Helper()
	b := s.tab
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.theme}}})
	b.do(chromedp.EmulateViewport(l.width, 800))
	b.open("/offline.html")
	evaluate[any](b, `document.cookie = "songspy-language=`+l.language+`; Path=/"`)
	b.open(s.path)
	b.wait(`document.documentElement.lang === "` + l.language + `" && (` + s.ready + `)`)
	evaluate[any](b, axe+"\n;0")
	if found := evaluate[string](b, violations); found != "" {
		t.Errorf("%s, %s, %s, %d px:\n%s", s.name, l.theme, l.language, l.width, found)
	}
}

func TestPage_HasNoViolationsOfAccessibilityRules(t *testing.T) {
	dir := npmtest.Install(t, "axe", "the accessibility of the page by axe-core")
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	o := sim.Options{Seed: 6, People: 6}
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
	w.start("songspy-api")
	w.start("songspy-batch")
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
	friend.wait(`fetch("/v1/songspy/me/sharing", { method: "PATCH", headers: { "Content-Type": "application/json" }, body: '{"history":"everyone","findable":true}' })`)
	for _, path := range []string{"/follow", "/report"} {
		method, body := "PUT", "null"
		if path == "/report" {
			method, body = "POST", `JSON.stringify({ reason: "name", text: "a reason" })`
		}
		if status := evaluate[int](operator, fmt.Sprintf(`fetch("/v1/songspy/people/%s%s", { method: %q, headers: { "Content-Type": "application/json" }, body: %s }).then((r) => r.status)`, person, path, method, body)); status != 200 {
			t.Fatalf("%s answers %d", path, status)
		}
	}
	stranger.open("/")
	stranger.wait(`document.querySelectorAll("#board li .title a").length >= 2`)
	track := evaluate[string](stranger, `fetch("/v1/songspy/listening").then((r) => r.json()).then((r) => r.data.items[0].track.handle)`)

	const (
		board   = `document.querySelectorAll("#board li .title a").length >= 2`
		heading = `document.querySelector("#main h1")?.textContent`
	)
	loaded := func(parts string) string {
		return heading + ` && document.querySelectorAll("` + parts + `").length > 0 && !Array.from(document.querySelectorAll("#main .soft")).some((e) => ["Loading.", "불러오는 중이에요."].includes(e.textContent))`
	}
	stranger.open("/terms")
	stranger.wait(heading)
	if found := evaluate[string](stranger, string(axe)+`; document.getElementById("main").append(document.createElement("input")); `+violations); !strings.Contains(found, "label") {
		t.Fatalf("axe-core does not find a field without a label: %q", found)
	}
	all := os.Getenv("SONGSPY_TEST_PAGE") != ""
	for n, st := range []state{
		{"the front page", stranger, "/", board},
		{"the front page of a user", operator, "/", board + ` && document.querySelector(".menu [data-operator]:not([hidden])")`},
		{"the front page of a user without a link", unlinked, "/", `!document.querySelector("[data-mine]").hidden`},
		{"a person", stranger, "/u/" + person, heading + ` && document.querySelector(".acts").hasChildNodes()`},
		{"a person to a user", operator, "/u/" + person, heading + ` && document.querySelector(".acts .report")`},
		{"nobody", stranger, "/u/00000000001", heading},
		{"a track", stranger, "/t/" + track, heading},
		{"no track", stranger, "/t/00000000001", heading},
		{"signing in", stranger, "/welcome", `document.querySelector("[data-step=signIn]")`},
		{"an error of signing in", stranger, "/welcome?error=AUTHORIZATION_DENIED", `document.querySelector("[data-step=signIn] .said")`},
		{"choosing a nickname", newcomer, "/welcome", `document.querySelector("[data-step=name]")`},
		{"linking", unlinked, "/welcome", `document.querySelector("[data-step=spotify]")`},
		{"asking for a seat", unlinked, "/welcome?error=SPOTIFY_NO_SEAT", `document.querySelector("[data-step=spotify] input[type=email]")`},
		{"done", operator, "/welcome", `document.querySelector("[data-step=done]")`},
		{"one's own page", operator, "/me", loaded("#erase form")},
		{"one's own page with a request", friend, "/me", loaded("#people [data-person]")},
		{"one's own page without a link", unlinked, "/me", loaded("#erase form")},
		{"one's own page, signed out", stranger, "/me", heading},
		{"the status", operator, "/status", loaded("#seats dl") + ` && document.querySelector("[data-report]")`},
		{"the status, signed out", stranger, "/status", heading},
		{"privacy", stranger, "/privacy", heading},
		{"terms", stranger, "/terms", heading},
	} {
		for _, l := range variants(n, all) {
			checkAccessibility(t, string(axe), st, l)
		}
	}
}

func TestVariants_PairEverything(t *testing.T) {
	pairs := map[string]bool{}
	const states = 22
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
