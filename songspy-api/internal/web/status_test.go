package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"go.yaml.in/yaml/v3"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// statusTools is a script for the page /status. It defines variables and functions of the page:
//   - asked lists the operators' routes that the page has requested.
//   - timers lists the functions that the page has given to setInterval for every 15 s, to read the
//     state again, and has not cleared. They never run by themselves: tests call them.
//   - away can be set to true. Then the page counts as hidden.
//   - seen() returns the visible text of an element, with | between the lines, and with dates in the
//     form [11-28T06:30].
//   - press() focuses and clicks the button with the given text.
//   - said() returns the text that screen readers have been given last.
//   - focused() returns the id or, if there is none, the text of the element with the focus.
const statusTools = `
	window.asked = [];
	window.timers = [];
	window.away = false;
	const ask = fetch, set = setInterval, clear = clearInterval;
	window.fetch = (address, options) => {
		const { pathname, search } = new URL(address, location.href);
		if (pathname.startsWith("/v1/songspy/operator/")) asked.push(pathname.replace("/v1/songspy/operator/", "") + search);
		return ask(address, options);
	};
	window.setInterval = (run, ms, ...rest) => {
		if (ms !== 15000) return set(run, ms, ...rest);
		timers.push(run);
		return -timers.length;
	};
	window.clearInterval = (id) => (id < 0 ? timers.splice(-id - 1, 1) : clear(id));
	Object.defineProperty(document, "hidden", { get: () => away });
	window.seen = (selector) => {
		const element = document.querySelector(selector);
		let text = element ? element.innerText : "";
		for (const time of element ? element.querySelectorAll("time") : []) text = text.replaceAll(time.innerText, time.innerText.includes("2026") ? "[" + time.dateTime.slice(5, 16) + "]" : "[no date]");
		return text.split("\n").map((line) => line.trim()).filter(Boolean).join("|");
	};
	window.press = (selector, text) => {
		const control = Array.from(document.querySelectorAll(selector + " button")).find((button) => button.textContent === text);
		control.focus();
		control.click();
	};
	window.said = () => document.getElementById("announce").textContent;
	window.focused = () => document.activeElement.id || document.activeElement.textContent;`

// minute returns a time for the answers of these tests: m minutes after 06:00.
func minute(m int) httpapi.Time { return httpapi.Time(time.Date(2026, 11, 28, 6, m, 0, 0, time.UTC)) }

// operatorAccount returns the answer of GET /me for user 1, who is an operator if isOperator is true.
func operatorAccount(isOperator bool) string {
	name := "Listener A"
	return contractJSON(httpapi.Me{Handle: songspy.Handle(1), NickName: &name, Operator: isOperator, Audience: httpapi.MeAudienceEveryone, HasSpotify: true, CreatedAt: minute(0)})
}

// newStatus returns the state of a service that works and has no users.
func newStatus() httpapi.OperatorStatus {
	return httpapi.OperatorStatus{
		At: minute(30), Ready: true, Checks: []httpapi.Check{{Name: "database", Ok: true}, {Name: "board", Ok: true}}, Notes: []string{}, BoardReadAt: minute(29),
		Batch: httpapi.OperatorBatch{State: httpapi.Idle, Replicas: []httpapi.BatchReplica{}, Polls: []httpapi.Count{}}, Links: []httpapi.Count{}, ConsentEnds: []httpapi.ConsentEnds{},
		Plays: []httpapi.Count{}, Gaps: []httpapi.Count{}, Apps: []httpapi.OperatorApp{},
	}
}

// noSeats returns the answer of GET /operator/seats of an instance without a Spotify app and without
// a request for a seat (a place in an app).
func noSeats() httpapi.OperatorSeats {
	return httpapi.OperatorSeats{Apps: []httpapi.AppUse{}, ToRegister: []httpapi.OperatorSeat{}, Rejected: []httpapi.OperatorSeat{}, Entered: []httpapi.OperatorSeat{}, Waiting: []httpapi.OperatorSeat{}}
}

// openStatus opens the page /status for an operator. The API answers as a service without users does,
// except for the routes in answers.
func openStatus(t *testing.T, answers map[string]string) (*pageTest, context.Context) {
	t.Helper()
	all := map[string]string{
		"GET /me": operatorAccount(true), "GET /operator/status": contractJSON(newStatus()), "GET /operator/seats": contractJSON(noSeats()),
		"GET /operator/reports": noItems, "GET /operator/people": noItems,
	}
	maps.Copy(all, answers)
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, all)
	tab := s.openPage("/status", 1280, 900, statusTools)
	s.waitFor(tab, `seen(".lead").includes("As of") && !seen("main").includes("Loading.")`)
	return s, tab
}

// showStatus makes the server answer with the given state, and makes the page read it by a call of
// the page's timer function.
func (s *pageTest) showStatus(tab context.Context, status httpapi.OperatorStatus) {
	s.t.Helper()
	s.account.answerWith(map[string]string{"GET /operator/status": contractJSON(status)})
	evaluate[any](s, tab, `document.querySelector(".lead").replaceChildren(); timers[0]()`)
	s.waitFor(tab, `document.querySelector(".lead h1")`)
}

// checkSeen reports an error if the visible text of the element with the selector is not these
// lines.
func (s *pageTest) checkSeen(tab context.Context, selector string, lines ...string) {
	s.t.Helper()
	if got, want := evaluate[string](s, tab, fmt.Sprintf(`seen(%q)`, selector)), strings.Join(lines, "|"); got != want {
		s.t.Errorf("%s has\n%s\nwant\n%s", selector, strings.ReplaceAll(got, "|", "\n"), strings.ReplaceAll(want, "|", "\n"))
	}
}

func TestStatus_IsForOperatorsOnly(t *testing.T) {
	out := newPageTest(t, newEntry(1, "one", 10))
	tab := out.openPage("/status", 1280, 900, statusTools)
	out.checkSeen(tab, "main", "Please sign in as an operator", "Sign in with Google")
	const leads = `document.querySelector("main a").getAttribute("href")`
	if got := evaluate[string](out, tab, leads+` === document.querySelector("header [data-sign-in]").getAttribute("href") ? "" : `+leads); got != "" {
		t.Errorf("the button to sign in leads to %s", got)
	}
	if got := evaluate[string](out, tab, `document.title + asked.join()`); got != "Status – Songspy" {
		t.Errorf("the title and what the page asked for are %q", got)
	}
	s := startPage(t, []songspy.BoardEntry{newEntry(1, "one", 10)})
	s.feed.viewer = 1
	for name, c := range map[string]struct {
		account string
		lines   []string
	}{
		"no operator":      {operatorAccount(false), []string{"Only operators see this page", "Operators are users whose verified Google address is in SONGSPY_OPERATORS. If you have just added yours, sign in again."}},
		"session ended":    {"401 UNAUTHORIZED Sign in first.", []string{"Please sign in as an operator", "Sign in again"}},
		"account unread":   {"503 UNAVAILABLE The service is busy.", []string{"The service is busy. Try again"}},
		"answer of proxys": {"502", []string{"The server did not answer as expected. Please try again in a moment. Try again"}},
	} {
		s.account.answerWith(map[string]string{"GET /me": c.account})
		if err := chromedp.Do(tab, chromedp.Navigate(s.url+"/status")); err != nil {
			t.Fatal(err)
		}
		s.waitFor(tab, `document.getElementById("main").dataset.started !== undefined`)
		if got, want := evaluate[string](s, tab, `seen("main")`), strings.Join(c.lines, "|"); got != want {
			t.Errorf("%s: the page has %q, want %q", name, got, want)
		}
		if got := evaluate[string](s, tab, `asked.join()`); got != "" {
			t.Errorf("%s: the page asked for %s", name, got)
		}
	}
	s.account.answerWith(map[string]string{
		"GET /me": "502", "GET /operator/status": contractJSON(newStatus()), "GET /operator/seats": contractJSON(noSeats()), "GET /operator/reports": noItems, "GET /operator/people": noItems,
	})
	if err := chromedp.Do(tab, chromedp.Navigate(s.url+"/status")); err != nil {
		t.Fatal(err)
	}
	s.waitFor(tab, `seen("main").endsWith("Try again")`)
	s.account.answerWith(map[string]string{"GET /me": operatorAccount(true)})
	evaluate[any](s, tab, `press("main", "Try again")`)
	s.waitFor(tab, `seen("main").startsWith("Everything works") && document.querySelector("[data-operator]").hidden === false`)
}

func TestStatus_SaysWhetherTheServiceIsReady(t *testing.T) {
	s, tab := openStatus(t, nil)
	s.checkSeen(tab, ".lead", "Everything works", "As of [11-28T06:30]")
	status := newStatus()
	status.Ready, status.Checks = false, []httpapi.Check{{Name: "database", Ok: true}, {Name: "board", Message: "The feed is too old."}, {Name: "keys", Message: "It does not respond; see the log."}}
	s.showStatus(tab, status)
	s.checkSeen(tab, ".lead", "Something is wrong", "board: The feed is too old.", "keys: It does not respond; see the log.", "As of [11-28T06:30]")
	if got := evaluate[string](s, tab, `Array.from(document.querySelectorAll(".lead .bad"), (line) => line.lang).join()`); got != "en,en" {
		t.Errorf("the languages of the messages are %q", got)
	}

	// If the state cannot be read, an error must replace it, and the button of the error must read the
	// state again.
	s.account.answerWith(map[string]string{"GET /operator/status": "503 UNAVAILABLE The database does not answer."})
	evaluate[any](s, tab, `timers[0]()`)
	s.waitFor(tab, `seen(".lead") === "The database does not answer. Try again" && seen("#service").includes("Batch")`)
	s.account.answerWith(map[string]string{"GET /operator/status": contractJSON(newStatus())})
	evaluate[any](s, tab, `press(".lead", "Try again")`)
	s.waitFor(tab, `seen(".lead").startsWith("Everything works")`)

	s.account.answerWith(map[string]string{"GET /operator/status": "401 UNAUTHORIZED Sign in first."})
	evaluate[any](s, tab, `timers[0]()`)
	s.waitFor(tab, `seen(".lead") === "You are signed out. Nothing has changed. Please sign in again.|Sign in again"`)
}

// pollReasons returns the reasons of polls that the contract (openapi.yaml) names.
func pollReasons(t *testing.T) (reasons []string) {
	t.Helper()
	for _, found := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(readContract(t).Components.Schemas["OperatorBatch"].Properties["polls"].Description, -1) {
		reasons = append(reasons, found[1])
	}
	if len(reasons) != 14 {
		t.Fatalf("the contract names the reasons %q", reasons)
	}
	return reasons
}

// contractSchemas is the part of the contract that these tests read.
type contractSchemas struct {
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Enum        []string
				Description string
			}
		}
	}
}

func readContract(t *testing.T) (contract contractSchemas) {
	t.Helper()
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(spec, &contract); err != nil {
		t.Fatal(err)
	}
	return contract
}

// enumOf returns the values that the contract lists for a property of a schema.
func enumOf(t *testing.T, schema, property string) []string {
	t.Helper()
	values := readContract(t).Components.Schemas[schema].Properties[property].Enum
	if len(values) == 0 {
		t.Fatalf("the contract lists no values for %s.%s", schema, property)
	}
	return values
}

// readTexts returns the texts that the operators' page loads in a language.
func readTexts(t *testing.T, lang string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"", "account.", "status."} {
		file, err := os.ReadFile("page/text/" + name + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(file, &all); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// The page must show each value that the contract (openapi.yaml) lists, and must have a text for it in
// both languages.
func TestStatus_HasAWordForEachValueOfTheContract(t *testing.T) {
	batches, breakers, links := enumOf(t, "OperatorBatch", "state"), enumOf(t, "OperatorBreaker", "state"), enumOf(t, "Link", "state")
	polls := pollReasons(t)
	sources, gaps, reasons := enumOf(t, "MyPlay", "source"), enumOf(t, "MyGap", "reason"), enumOf(t, "Report", "reason")
	status, reports := newStatus(), httpapi.ReportsPage{}
	count := func(names []string) (counts []httpapi.Count) {
		for i, name := range names {
			counts = append(counts, httpapi.Count{Name: name, Count: int64(i)})
		}
		return counts
	}
	status.Links, status.Plays, status.Gaps, status.Batch.Polls = count(links), count(sources), count(gaps), count(polls)
	for _, state := range breakers {
		b := httpapi.OperatorBreaker{State: httpapi.OperatorBreakerState(state)}
		status.Apps = append(status.Apps, httpapi.OperatorApp{App: state, Tokens: b, Data: b, Calls: []httpapi.Count{}})
	}
	for i, reason := range reasons {
		reports.Items = append(reports.Items, httpapi.Report{Id: int64(i + 1), Person: listener(i + 2), Reason: httpapi.ReportReason(reason), At: minute(0)})
	}
	s, tab := openStatus(t, map[string]string{"GET /operator/status": contractJSON(status), "GET /operator/reports": contractJSON(reports)})
	for _, lang := range []string{"en", "ko"} {
		texts := readTexts(t, lang)
		// All tabs share the browser's cookies, so a header chooses the language instead of the cookie.
		call(s, tab, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
		if err := chromedp.Do(tab, chromedp.Navigate(s.url+"/status")); err != nil {
			t.Fatal(err)
		}
		s.waitFor(tab, `document.documentElement.lang === "`+lang+`" && document.querySelector("#reports [data-report]") && document.querySelector("#quota h3")`)
		check := func(selector, prefix string, values []string) {
			t.Helper()
			shown := evaluate[[]string](s, tab, fmt.Sprintf(`Array.from(document.querySelectorAll(%q), (element) => element.textContent)`, selector))
			for _, value := range values {
				if text := texts[prefix+value]; text == "" || !slices.Contains(shown, text) {
					t.Errorf("%s: the text of %s%s is %q, and the page has %q", lang, prefix, value, text, shown)
				}
			}
		}
		check("#quota dd", "status.breaker.", breakers)
		check("#links dt", "status.link.", links)
		check("#service dt", "status.poll.", polls)
		check("#service dt", "status.source.", sources)
		check("#service dt", "gap.", gaps)
		check("#reports p", "status.reason.", reasons)
		for _, state := range batches {
			next := status
			next.Batch.State = httpapi.OperatorBatchState(state)
			s.showStatus(tab, next)
			check("#service dd", "status.batchState.", []string{state})
		}
	}
}

// listener returns the user of newEntry as a person of the contract: "Listener A" for id 1.
func listener(id int) httpapi.Person {
	return httpapi.Person{Handle: songspy.Handle(songspy.PublicID(id)), NickName: "Listener " + string(rune('A'+id-1))}
}

func TestStatus_ShowsTheBatchPlaysAndGaps(t *testing.T) {
	s, tab := openStatus(t, nil)
	s.checkSeen(tab, "#service", "Service", "Batch", "no user to poll yet", "Last poll", "never", "Lag", "0 s", "Board last read", "[11-28T06:29]", "Playing now", "0",
		"Polls of the last 24 hours", "There are none.", "Plays of the last 24 hours", "There are none.", "Gaps that last", "There are none.")
	status, polled := newStatus(), minute(28)
	status.Batch = httpapi.OperatorBatch{
		State: httpapi.Running, LastPollAt: &polled, OverdueMs: 1_234_567, Replicas: []httpapi.BatchReplica{{Name: "batch-1", Shards: 100}, {Name: "batch-2", Shards: 92}}, UnassignedShards: 64,
		Polls: []httpapi.Count{{Name: "interval", Count: 45_000}, {Name: "track_end", Count: 1020}, {Name: "a_new_reason", Count: 1}},
	}
	status.Playing, status.Notes = 12345, []string{"The quota of app-1 delays polls."}
	status.Plays = []httpapi.Count{{Name: "history", Count: 7}, {Name: "live", Count: 4321}}
	status.Gaps = []httpapi.Count{{Name: "app_blocked", Count: 3}, {Name: "link_broken", Count: 2}}
	s.showStatus(tab, status)
	s.checkSeen(tab, "#service", "Service", "Batch", "running", "Last poll", "[11-28T06:28]", "Lag", "1,235 s", "Replicas (shards)", "batch-1 (100), batch-2 (92)",
		"Shards without a replica", "64", "Board last read", "[11-28T06:29]", "Playing now", "12,345", "Polls of the last 24 hours", "once per interval", "45,000", "a track should be over", "1,020", "a_new_reason", "1", "Plays of the last 24 hours", "from Spotify's history", "7", "observed", "4,321",
		"Gaps that last", "Spotify blocked this service for a while. It ends by itself.", "3", "The link to Spotify was broken. Linking again ends it.", "2", "The quota of app-1 delays polls.")
}

func TestStatus_ShowsBreakersAndQuotasOfApps(t *testing.T) {
	s, tab := openStatus(t, nil)
	s.checkSeen(tab, "#quota", "Spotify apps", "User-supplied apps that are blocked: 0")
	until, planned, left := minute(45), int64(5000), int64(1200)
	closed := httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateClosed}
	status := newStatus()
	status.UserAppsBlocked = 4
	status.Apps = []httpapi.OperatorApp{
		{App: "app-1", Tokens: closed, Data: httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateOpen, Cause: "Spotify answers 429", OpenUntil: &until}, Calls: []httpapi.Count{}},
		{
			App: "app-2", Tokens: httpapi.OperatorBreaker{State: httpapi.OperatorBreakerStateHalfOpen, Cause: "Spotify refuses the app's secret"}, Data: closed, Planned: &planned, Left: &left,
			Calls: []httpapi.Count{{Name: "currently-playing", Count: 3700}, {Name: "recently-played", Count: 100}}, LastRefusal: &httpapi.CallRefusal{At: minute(10), Endpoint: "recently-played"},
		},
	}
	s.showStatus(tab, status)
	s.checkSeen(tab, "#quota", "Spotify apps",
		"app-1", "Tokens", "closed: calls pass", "Data", "open: calls are blocked Spotify answers 429 [11-28T06:45]", "Quota of 24 hours", "no limit is known",
		"app-2", "Tokens", "half open: one call tests it Spotify refuses the app's secret", "Data", "closed: calls pass", "Quota of 24 hours", "1,200 of 5,000 calls left",
		"Calls of currently-playing", "3,700", "Calls of recently-played", "100", "Last refusal by quota", "[11-28T06:10] recently-played",
		"User-supplied apps that are blocked: 4")
	if got := evaluate[string](s, tab, `Array.from(document.querySelectorAll("#quota .bad"), (breaker) => breaker.firstChild.data).join("|")`); got != "open: calls are blocked|half open: one call tests it" {
		t.Errorf("the marked breakers are %q", got)
	}
}

func TestStatus_ShowsLinksByStateAndWhenConsentEnds(t *testing.T) {
	status := newStatus()
	status.Links = []httpapi.Count{{Name: "active", Count: 1500}, {Name: "suspect", Count: 1}}
	status.ConsentEnds = []httpapi.ConsentEnds{{Days: 7, Links: 2}, {Days: 30, Links: 1100}}
	s, tab := openStatus(t, map[string]string{"GET /operator/status": contractJSON(status)})
	s.checkSeen(tab, "#links", "Links", "active", "1,500", "being tried again", "1", "Consent ends", "within 7 days", "2", "within 30 days", "1,100")
}

// The page reads the state every 15 s by a timer. The test calls the timer's function instead of
// waiting. A hidden page must not read the state.
func TestStatus_ReadsTheStateAgainWhileItIsVisible(t *testing.T) {
	s, tab := openStatus(t, nil)
	const reads = `asked.filter((route) => route === "status").length`
	if got := evaluate[[]int](s, tab, `[timers.length, `+reads+`]`); !slices.Equal(got, []int{1, 1}) {
		t.Fatalf("the page has %d timers of 15 s and has read the state %d times, want 1 and 1", got[0], got[1])
	}
	status := newStatus()
	status.At = minute(31)
	s.account.answerWith(map[string]string{"GET /operator/status": contractJSON(status)})
	evaluate[any](s, tab, `timers[0]()`)
	s.waitFor(tab, `seen(".lead") === "Everything works|As of [11-28T06:31]"`)
	if got := evaluate[[]int](s, tab, `(() => { away = true; timers[0](); const hidden = `+reads+`; away = false; timers[0](); return [hidden, `+reads+`]; })()`); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("the page has read the state %d times after it was hidden, and %d times after it was shown, want 2 and 3", got[0], got[1])
	}
	if got := evaluate[string](s, tab, `asked.slice().sort().join()`); got != "people?limit=20,reports?limit=20,seats,status,status,status" {
		t.Errorf("the page asked for %s", got)
	}
	// When a browser leaves the page, it may keep the page in memory. So the timers must stop.
	if got := evaluate[int](s, tab, `window.dispatchEvent(new Event("pagehide")); timers.length`); got != 0 {
		t.Errorf("once the browser has left the page, it keeps %d timers", got)
	}
}

// seat returns the seat of listener(n) in an app. app is empty for a user on the waiting list. email
// is empty if the service has no e-mail address of the user.
func seat(n int, app, email string) httpapi.OperatorSeat {
	s := httpapi.OperatorSeat{Person: listener(n), App: app, Since: minute(n)}
	if email != "" {
		s.Email = &email
	}
	return s
}

func TestStatus_ListsSeatsWithTheAddressesToRegister(t *testing.T) {
	limit, free := 5, int64(2)
	seats := noSeats()
	seats.Apps = []httpapi.AppUse{
		{App: "app-1", Configured: true, Seats: &limit, Linked: 1, Reserved: 2, Free: &free}, {App: "app-2", Configured: true, Linked: 1200}, {App: "app-3", Linked: 3},
	}
	seats.ToRegister, seats.Rejected = []httpapi.OperatorSeat{seat(2, "app-1", "b@example.org")}, []httpapi.OperatorSeat{seat(3, "app-2", "")}
	seats.Entered, seats.Waiting = []httpapi.OperatorSeat{seat(4, "app-1", "d@example.org")}, []httpapi.OperatorSeat{seat(5, "", "e@example.org")}
	s, tab := openStatus(t, map[string]string{"GET /operator/seats": contractJSON(seats)})
	s.checkSeen(tab, "#seats", "Seats", "app-1", "1 linked, 2 reserved, 2 free of 5", "app-2", "1,200 linked, without a limit", "app-3", "3 linked; this app is no longer configured",
		"To register in the dashboard", "Listener B", "b@example.org", "app-1 [11-28T06:02]", "Entered, try again", "Remove",
		"Rejected by Spotify", "Listener C", "no address", "app-2 [11-28T06:03]", "Entered, try again", "Remove",
		"Registered, expected to link", "Listener D", "d@example.org", "app-1 [11-28T06:04]", "Entered, try again", "Remove",
		"Waiting list", "Listener E", "e@example.org", "[11-28T06:05]", "Remove")
	if got, want := evaluate[string](s, tab, `Array.from(document.querySelectorAll("#seats li a"), (a) => a.getAttribute("href")).join()`), "/u/"+songspy.Handle(2)+",/u/"+songspy.Handle(3)+",/u/"+songspy.Handle(4)+",/u/"+songspy.Handle(5); got != want {
		t.Errorf("the links of the seats are %s, want %s", got, want)
	}
	s.account.answerWith(map[string]string{"GET /operator/seats": "503 UNAVAILABLE The database does not answer."})
	if err := chromedp.Do(tab, chromedp.Navigate(s.url+"/status")); err != nil {
		t.Fatal(err)
	}
	s.waitFor(tab, `seen("#seats") === "Seats|The database does not answer. Try again"`)
	s.account.answerWith(map[string]string{"GET /operator/seats": contractJSON(noSeats())})
	evaluate[any](s, tab, `press("#seats", "Try again")`)
	s.waitFor(tab, `seen("#seats") === "Seats"`)
}

func TestStatus_TriesUsersAgainThatTheOperatorHasRegistered(t *testing.T) {
	seats := noSeats()
	seats.ToRegister, seats.Rejected = []httpapi.OperatorSeat{seat(2, "app-1", "b@example.org"), seat(4, "app-1", "d@example.org")}, []httpapi.OperatorSeat{seat(3, "app-1", "")}
	entered := func(n int) string { return "POST /operator/seats/" + songspy.Handle(songspy.PublicID(n)) + "/entered" }
	s, tab := openStatus(t, map[string]string{
		"GET /operator/seats": contractJSON(seats), entered(2): `{"retried":false}`, entered(3): `{"retried":true}`, entered(4): "409 CONFLICT The user still waits for a free seat.",
	})
	enter := func(n int) {
		evaluate[any](s, tab, fmt.Sprintf(`press("#seats li:has([data-entered='%s'])", "Entered, try again")`, songspy.Handle(songspy.PublicID(n))))
	}
	enter(4)
	s.waitFor(tab, `seen("#seats .said") === "The user still waits for a free seat."`)
	if got := evaluate[string](s, tab, `focused() + ": " + document.querySelectorAll("#seats li").length + " " + asked.filter((route) => route === "seats").length`); got != "Entered, try again: 3 1" {
		t.Errorf("after an error the focus, the number of rows and how often the list was read are %q", got)
	}
	seats.Entered, seats.ToRegister = seats.ToRegister[:1], seats.ToRegister[1:]
	s.account.answerWith(map[string]string{"GET /operator/seats": contractJSON(seats)})
	enter(2)
	s.waitFor(tab, `said() === "The user can link now." && seen("#seats").includes("Registered, expected to link|Listener B") && focused() === "seats-title"`)
	if got := evaluate[string](s, tab, `seen("#seats .said")`); got != "" {
		t.Errorf("after a change the section still says %q", got)
	}
	seats.Rejected = []httpapi.OperatorSeat{}
	s.account.answerWith(map[string]string{"GET /operator/seats": contractJSON(seats)})
	enter(3)
	s.waitFor(tab, `said() === "The link is tried again." && !seen("#seats").includes("Rejected by Spotify") && focused() === "seats-title"`)
	if got, want := s.account.asked(), []string{entered(4), entered(2), entered(3)}; !slices.Equal(got, want) {
		t.Errorf("the page asked for %q, want %q", got, want)
	}
}

func TestStatus_RemovesUsersFromSeatsAfterAQuestion(t *testing.T) {
	seats := noSeats()
	seats.ToRegister, seats.Waiting = []httpapi.OperatorSeat{seat(2, "app-1", "b@example.org")}, []httpapi.OperatorSeat{seat(3, "", "")}
	drop := "DELETE /operator/seats/" + songspy.Handle(3)
	s, tab := openStatus(t, map[string]string{"GET /operator/seats": contractJSON(seats), drop: "404 NOT_FOUND There is no such seat."})
	const row = `#seats ul:last-of-type li`
	evaluate[any](s, tab, `press("`+row+`", "Remove")`)
	s.checkSeen(tab, row, "Listener C", "no address", "[11-28T06:03]", "The user loses the seat or the place.", "Remove", "Cancel")
	if got := evaluate[string](s, tab, `document.querySelector("`+row+` [role=alert]").innerText + focused()`); got != "The user loses the seat or the place.Remove" {
		t.Errorf("the question and the focus are %q", got)
	}
	evaluate[any](s, tab, `press("`+row+`", "Cancel")`)
	s.checkSeen(tab, row, "Listener C", "no address", "[11-28T06:03]", "Remove")
	if got := evaluate[string](s, tab, `focused()`); got != "Remove" || len(s.account.asked()) > 0 {
		t.Errorf("after the question was cancelled the focus is on %q, and the page asked for %q", got, s.account.asked())
	}
	remove := func() { evaluate[any](s, tab, `press("`+row+`", "Remove"); press("`+row+`", "Remove")`) }
	remove()
	s.waitFor(tab, `seen("#seats .said") === "There is no such seat."`)
	if got := evaluate[string](s, tab, `seen("`+row+`")`); !strings.HasPrefix(got, "Listener C") {
		t.Errorf("after an error the row has %q", got)
	}
	seats.Waiting = []httpapi.OperatorSeat{}
	s.account.answerWith(map[string]string{drop: "true", "GET /operator/seats": contractJSON(seats)})
	evaluate[any](s, tab, `press("`+row+`", "Remove")`)
	s.waitFor(tab, `said() === "Removed." && !seen("#seats").includes("Waiting list") && focused() === "seats-title"`)
	if got, want := s.account.asked(), []string{drop, drop}; !slices.Equal(got, want) {
		t.Errorf("the page asked for %q, want %q", got, want)
	}
}

// newReports returns a page of open reports, one about each of the listeners with these numbers.
// cursor is the cursor of the next page, or empty if there is none.
func newReports(cursor string, numbers ...int) httpapi.ReportsPage {
	page := httpapi.ReportsPage{Items: []httpapi.Report{}}
	if cursor != "" {
		page.NextCursor = &cursor
	}
	for _, n := range numbers {
		page.Items = append(page.Items, httpapi.Report{Id: int64(n), Person: listener(n), Reason: httpapi.ReportReasonName, At: minute(n)})
	}
	return page
}

func TestStatus_ListsReportsPageByPage(t *testing.T) {
	reports := newReports("the next", 2, 3)
	reports.Items[0].Hidden, reports.Items[1].Reason, reports.Items[1].Text = true, httpapi.ReportReasonOther, "The name is that of my <b>shop</b>."
	reports.Items[1].Person.NickName = ""
	s, tab := openStatus(t, map[string]string{"GET /operator/reports": contractJSON(reports)})
	row := func(name, reason, at string) []string {
		return []string{name, reason, at, "What the user reads in the activity", "New nickname (none if empty)", "Hide", "Rename", "Dismiss"}
	}
	lines := slices.Concat([]string{"Reports"}, row("Listener B hidden already", "offensive name or picture", "[11-28T06:02]"), row("A listener", "another reason: The name is that of my <b>shop</b>.", "[11-28T06:03]"))
	s.checkSeen(tab, "#reports", append(lines, "Show more")...)
	s.account.answerWith(map[string]string{"GET /operator/reports": contractJSON(newReports("", 4))})
	evaluate[any](s, tab, `press("#reports", "Show more")`)
	s.waitFor(tab, `document.querySelectorAll("#reports [data-report]").length === 3`)
	s.checkSeen(tab, "#reports", append(lines, row("Listener D", "offensive name or picture", "[11-28T06:04]")...)...)
	if got := evaluate[string](s, tab, `focused() + ", " + asked[asked.length - 1]`); got != "Listener D, reports?limit=20&cursor=the+next" {
		t.Errorf("the focus and what the page asked for are %q", got)
	}
}

func TestStatus_ClosesReports(t *testing.T) {
	for name, c := range map[string]struct {
		press, question, nickName, detail, want string
	}{
		"hide":              {"Hide", "Nobody else will see this user.", "not used", " rude name ", `{"action":"hide","detail":"rude name"}`},
		"rename":            {"Rename", "The nickname changes.", " Listener ", "a rude name", `{"action":"rename","detail":"a rude name","nickName":"Listener"}`},
		"rename to no name": {"Rename", "The nickname changes.", "", "", `{"action":"rename","detail":"","nickName":""}`},
		"dismiss":           {"Dismiss", "This only closes the report.", "not used", "", `{"action":"dismiss","detail":""}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, tab := openStatus(t, map[string]string{"GET /operator/reports": contractJSON(newReports("", 2, 3)), "POST /operator/reports/2": "true", "POST /operator/reports/3": "409 CONFLICT The name is taken."})
			fill := func(id int) {
				evaluate[any](s, tab, fmt.Sprintf(`(() => { const row = document.querySelector("[data-report='%d']"); row.querySelector("[name=nickname]").value = %q; row.querySelector("[name=detail]").value = %q; })()`, id, c.nickName, c.detail))
			}
			press := func(id int, text string) {
				evaluate[any](s, tab, fmt.Sprintf(`press("[data-report='%d']", %q)`, id, text))
			}
			fill(2)
			press(2, c.press)
			if got := evaluate[string](s, tab, `document.querySelector("[data-report] .confirm [role=alert]").innerText + "|" + focused()`); got != c.question+"|"+c.press {
				t.Errorf("the question and the focus are %q, want %q", got, c.question+"|"+c.press)
			}
			press(2, "Cancel")
			if got := evaluate[string](s, tab, `focused()`); got != c.press || len(s.account.asked()) > 0 {
				t.Errorf("after the question was cancelled the focus is on %q, and the page asked for %q", got, s.account.asked())
			}
			press(2, c.press)
			press(2, c.press)
			s.waitFor(tab, `said() === "The report is closed." && document.querySelectorAll("[data-report]").length === 1`)
			if got := evaluate[string](s, tab, `focused()`); got != "Listener C" {
				t.Errorf("after the row is gone the focus is on %q, want the next row", got)
			}

			fill(3)
			press(3, c.press)
			press(3, c.press)
			s.waitFor(tab, `seen("[data-report='3'] > .said") === "The name is taken."`)
			s.account.answerWith(map[string]string{"POST /operator/reports/3": "true"})
			press(3, c.press)
			s.waitFor(tab, `seen("#reports") === "Reports|No open reports." && focused() === "reports-title"`)
			if got, want := s.account.asked(), []string{"POST /operator/reports/2 " + c.want, "POST /operator/reports/3 " + c.want, "POST /operator/reports/3 " + c.want}; !slices.Equal(got, want) {
				t.Errorf("the page asked for %q, want %q", got, want)
			}
		})
	}
}

func TestStatus_ListsUsersAgainOnceOneIsHidden(t *testing.T) {
	s, tab := openStatus(t, map[string]string{"GET /operator/reports": contractJSON(newReports("", 2)), "POST /operator/reports/2": "true"})
	s.checkSeen(tab, "#hidden", "Hidden users", "You hide nobody.")
	at := minute(31)
	s.account.answerWith(map[string]string{"GET /operator/people": contractJSON(httpapi.HiddenPeoplePage{Items: []httpapi.HiddenPerson{{Person: listener(2), Since: &at, Detail: "rude"}}})})
	evaluate[any](s, tab, `press("#reports", "Hide"); press("#reports", "Hide")`)
	s.waitFor(tab, `seen("#hidden").startsWith("Hidden users|Listener B: rude") && focused() === "reports-title"`)
}

func TestStatus_ShowsHiddenUsersAgain(t *testing.T) {
	at := minute(5)
	people := httpapi.HiddenPeoplePage{Items: []httpapi.HiddenPerson{{Person: listener(2), Since: &at, Detail: "A rude name"}, {Person: listener(3)}}}
	route := func(n int) string { return "POST /operator/people/" + songspy.Handle(songspy.PublicID(n)) }
	s, tab := openStatus(t, map[string]string{"GET /operator/people": contractJSON(people), route(2): "503 UNAVAILABLE The database does not answer.", route(3): "true"})
	s.checkSeen(tab, "#hidden", "Hidden users", "Listener B: A rude name", "[11-28T06:05]", "What the user reads in the activity", "Show again", "Listener C", "What the user reads in the activity", "Show again")
	row := fmt.Sprintf(`[data-hidden=%q]`, songspy.Handle(2))
	press := func(text string) { evaluate[any](s, tab, fmt.Sprintf(`press(%q, %q)`, row, text)) }
	evaluate[any](s, tab, fmt.Sprintf(`document.querySelector(%q).value = "  a mistake "`, row+" [name=detail]"))
	press("Show again")
	if got := evaluate[string](s, tab, `document.querySelector("#hidden .confirm [role=alert]").innerText + "|" + focused()`); got != "Others will see this user as the user’s settings say.|Show again" {
		t.Errorf("the question and the focus are %q", got)
	}
	press("Cancel")
	if got := evaluate[string](s, tab, `focused()`); got != "Show again" || len(s.account.asked()) > 0 {
		t.Errorf("after the question was cancelled the focus is on %q, and the page asked for %q", got, s.account.asked())
	}
	press("Show again")
	press("Show again")
	s.waitFor(tab, fmt.Sprintf(`seen(%q) === "The database does not answer."`, row+" > .said"))
	s.account.answerWith(map[string]string{route(2): "true"})
	press("Show again")
	s.waitFor(tab, `said() === "The user is shown again." && focused() === "Listener C" && document.querySelectorAll("#hidden li").length === 1`)
	row = fmt.Sprintf(`[data-hidden=%q]`, songspy.Handle(3))
	press("Show again")
	press("Show again")
	s.waitFor(tab, `seen("#hidden") === "Hidden users|You hide nobody." && focused() === "hidden-title"`)
	shown := func(detail string) string { return ` {"action":"show","detail":"` + detail + `"}` }
	if got, want := s.account.asked(), []string{route(2) + shown("a mistake"), route(2) + shown("a mistake"), route(3) + shown("")}; !slices.Equal(got, want) {
		t.Errorf("the page asked for %q, want %q", got, want)
	}
}
