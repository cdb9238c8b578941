package web_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// notesLeaving is a script that cancels each navigation, so that the browser stays on the page. It
// appends the address of the navigation, without the page's own origin, to the array window.left.
const notesLeaving = `window.left = []; navigation.addEventListener("navigate", (event) => { left.push(event.destination.url.replace(location.origin, "")); event.preventDefault(); });`

// hrefs is a script that returns the addresses of the links in the page's content, joined by commas.
const hrefs = `Array.from(document.querySelectorAll("main a"), (a) => a.getAttribute("href")).join()`

// navigate opens another page in the tab.
func (s *pageTest) navigate(tab context.Context, path string) {
	s.t.Helper()
	if err := chromedp.Do(tab, chromedp.Navigate(s.url+path)); err != nil {
		s.t.Fatal(err)
	}
	s.waitFor(tab, `document.getElementById("main").dataset.started !== undefined`)
}

// expect reports an error if the value of the JavaScript expression is not want. what names the
// value in the error.
func (s *pageTest) expect(tab context.Context, what, expression, want string) {
	s.t.Helper()
	if got := evaluate[string](s, tab, expression); got != want {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// expectTexts reports an error if the page's content lacks one of the texts of shown, or has one of
// notShown.
func (s *pageTest) expectTexts(tab context.Context, what string, shown, notShown []string) {
	s.t.Helper()
	got := strings.ReplaceAll(evaluate[string](s, tab, `document.querySelector("main").innerText`), "\u00a0", " ")
	for _, text := range shown {
		if !strings.Contains(got, text) {
			s.t.Errorf("%s: the page lacks %q:\n%s", what, text, got)
		}
	}
	for _, text := range notShown {
		if strings.Contains(got, text) {
			s.t.Errorf("%s: the page shows %q:\n%s", what, text, got)
		}
	}
}

// expectStep reports an error if the page /welcome does not show this step and this question, or if
// the focus is not on the question.
func (s *pageTest) expectStep(tab context.Context, what, current, question string) {
	s.t.Helper()
	s.expect(tab, what+": step, question, focus", `[document.querySelector("main [aria-current]")?.textContent, document.querySelector("main h1").textContent, document.activeElement.textContent].join("|")`,
		current+"|"+question+"|"+question)
}

// The steps of the page /welcome, and the question of each step.
const (
	stepSignIn, askSignIn     = "1. Sign in", "Share what you are listening to"
	stepName, askName         = "2. Nickname", "What should we call you?"
	stepAudience, askAudience = "3. Who sees you", "Who may see your nickname and what you are listening to?"
	stepSpotify, askSpotify   = "4. Spotify", "Link your Spotify account"
)

// newMe returns the answer of GET /me for user 1. If nickName is empty, the user has no nickname, like
// a user who has just signed up.
func newMe(nickName string, audience httpapi.MeAudience, hasSpotify bool) string {
	me := httpapi.Me{Id: 1, Handle: songspy.Handle(1), Name: "A Name", Audience: audience, HasSpotify: hasSpotify, CreatedAt: httpapi.Time(testStart)}
	if nickName != "" {
		me.NickName = &nickName
	}
	return contractJSON(me)
}

func newLink(state httpapi.LinkState, task httpapi.LinkTask) string {
	at := httpapi.Time(testStart)
	return contractJSON(httpapi.Link{State: state, Task: task, StateSince: at, Scopes: []string{}, LinkedAt: at, ConsentEndsAt: at, RemindFrom: at, ClientId: strings.Repeat("0", 32)})
}

func newSeat(state httpapi.SeatState, ahead int64) string {
	at := httpapi.Time(testStart)
	return contractJSON(httpapi.Seat{State: state, Ahead: ahead, StateSince: at, AskedAt: at})
}

// newWelcome returns a page test in which the viewer is signed in and has not linked Spotify, and
// a seat (a place in the Spotify app) is free. The API answers accordingly, except for the routes
// in answers.
func newWelcome(t *testing.T, answers map[string]string) *pageTest {
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10)}, map[string]string{
		"GET /me": newMe("Listener A", "everyone", false), "GET /me/sharing": newSharing("everyone"),
		"GET /spotify-auth": "null", "GET /spotify-auth/seat": "null", "GET /spotify-auth/url": newAuthorization(true),
	})
	s.account.answerWith(answers)
	return s
}

func newSharing(now httpapi.SharingNow) string {
	return contractJSON(httpapi.Sharing{Now: now, History: "nobody"})
}

func newAuthorization(registered bool) string {
	return contractJSON(httpapi.Authorization{Url: "https://accounts.spotify.com/authorize?state=s", State: "s", CodeVerifier: "v", RedirectUri: "https://example.org/", Registered: registered})
}

func TestWelcome_SaysWhoMaySignUpAndLeadsToGoogle(t *testing.T) {
	const google, seats = "/v1/songspy/auth/google?return=%2Fwelcome", "Spotify limits how many people can link here."
	const reads, facts = "Songspy only reads what you play on Spotify.", "Google gives us only your name, a link to your picture and your e-mail address."
	s := newPageTest(t)
	tab := s.openPage("/privacy", 800, 900, "")
	for name, c := range map[string]struct {
		answer         httpapi.SignUp
		shown, missing []string
		leads          string
	}{
		"open":            {httpapi.SignUp{Policy: "open", Redirect: true}, []string{reads, facts, "Sign in with Google"}, []string{seats, "nvite", "listed"}, google + ",/privacy"},
		"limited seats":   {httpapi.SignUp{Policy: "open", Redirect: true, Seats: true}, []string{reads, facts, seats + " If all places are taken, you join a waiting list", "Sign in with Google"}, nil, google + ",/privacy"},
		"an allowlist":    {httpapi.SignUp{Policy: "allowlist", Redirect: true}, []string{reads, facts, "Only Google addresses that the operator has listed can sign up.", "Sign in with Google"}, []string{seats, "nvite"}, google + ",/privacy"},
		"invites":         {httpapi.SignUp{Policy: "invite", Redirect: true}, []string{reads, facts, "New users need an invite.", "Invite code", "Continue with the code", "If you have signed up before, you need no code.", "Sign in with Google"}, []string{seats, "listed"}, google + ",/privacy"},
		"without Google":  {httpapi.SignUp{Policy: "open"}, []string{"Signing in with Google is not set up here yet. Please tell the operator."}, []string{"Sign in with Google"}, ""},
		"invites, no way": {httpapi.SignUp{Policy: "invite"}, []string{"Signing in with Google is not set up here yet."}, []string{"Invite code"}, ""},
	} {
		s.account.answerWith(map[string]string{"GET /sign-up": contractJSON(c.answer)})
		s.navigate(tab, "/welcome")
		s.expectStep(tab, name, stepSignIn, askSignIn)
		s.expectTexts(tab, name, c.shown, c.missing)
		s.expect(tab, name+": links", hrefs, c.leads)
		s.expect(tab, name+": the ring of the focused heading, which is no control", `getComputedStyle(document.activeElement).outlineStyle`, "none")
	}
	// If the viewer came from another page, the button must lead back there after the sign-in.
	s.account.answerWith(map[string]string{"GET /sign-up": contractJSON(httpapi.SignUp{Policy: "open", Redirect: true})})
	s.navigate(tab, "/welcome?to=%2Fu%2Fsomeone")
	s.expect(tab, "links", hrefs, "/v1/songspy/auth/google?return=%2Fwelcome%3Fto%3D%252Fu%252Fsomeone,/privacy")
}

func TestWelcome_SendsAnInviteAndKeepsOneThatIsRefused(t *testing.T) {
	s := newPageTest(t)
	invites := contractJSON(httpapi.SignUp{Policy: "invite", Redirect: true})
	s.account.answerWith(map[string]string{"GET /sign-up": invites, "POST /auth/google": "429 RATE_LIMITED Too many requests. Please wait a moment."})
	tab := s.openPage("/welcome", 800, 900, notesLeaving)
	const submit = `document.querySelector("main form").requestSubmit()`
	const typed = `document.querySelector("main [name=invite]").value`
	const said = `document.querySelector("main form .said").textContent.trim()`
	evaluate[any](s, tab, submit)
	s.expect(tab, "requests without a code", `String(document.querySelector("main [name=invite]").matches(":invalid"))`, "true")
	evaluate[any](s, tab, typed+` = " ABCD-1234 "; `+submit)
	s.waitFor(tab, said+` === "Too many requests. Please wait a moment."`)
	s.expect(tab, "the code and the next address", `[`+typed+`, left].join("|")`, " ABCD-1234 |")

	s.account.answerWith(map[string]string{"POST /auth/google": `{"url":"https://accounts.google.com/o/oauth2/v2/auth?state=s"}`})
	evaluate[any](s, tab, submit)
	s.waitFor(tab, `left.join() === "https://accounts.google.com/o/oauth2/v2/auth?state=s"`)
	const want = `POST /auth/google {"return":"/welcome","invite":"ABCD-1234"}`
	if got := s.account.asked(); len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("the page has sent %q", got)
	}

	// Whether the code is valid is known only after the redirect from Google back to the page.
	s.navigate(tab, "/?error=INVITE_INVALID")
	s.expectStep(tab, "back from Google", stepSignIn, askSignIn)
	s.expectTexts(tab, "back from Google", []string{"This code cannot be used. Check it, or ask the operator for another one."}, nil)
	s.expect(tab, "the code", typed, "ABCD-1234")
	s.navigate(tab, "/welcome")
	s.expect(tab, "the code at the next visit", typed, "")
}

// failures are the error codes with which signing in, linking and signing out lead to the page
// /welcome. The first key says which viewer gets the code. The value of a code is a text of the
// step that repairs the failure.
var failures = map[string]map[string]string{
	"signed out": {
		"UNAUTHORIZED": "Sign in with Google", "SESSION_ENDED": "Sign in with Google", "CROSS_ORIGIN": "Sign in with Google", "INVALID_REQUEST": "Sign in with Google",
		"RATE_LIMITED": "Sign in with Google", "UNAVAILABLE": "Sign in with Google", "COMMON_ERROR": "Sign in with Google",
		"GOOGLE_TOKEN_INVALID": "Sign in with Google", "GOOGLE_TOKEN_FOREIGN": "Sign in with Google", "GOOGLE_UNAVAILABLE": "Sign in with Google", "SIGN_UP_CLOSED": "Sign in with Google",
		"AUTHORIZATION_EXPIRED": "Sign in with Google", "AUTHORIZATION_ELSEWHERE": "Sign in with Google", "AUTHORIZATION_DENIED": "Sign in with Google",
		"INVITE_REQUIRED": "Invite code", "INVITE_INVALID": "Invite code",
	},
	"no Google": {"SIGN_IN_BY_REDIRECT_OFF": "Please tell the operator."},
	"signed in": {
		"CROSS_ORIGIN": "Link Spotify", "INVALID_REQUEST": "Link Spotify", "RATE_LIMITED": "Link Spotify", "UNAVAILABLE": "Link Spotify", "COMMON_ERROR": "Link Spotify",
		"AUTHORIZATION_EXPIRED": "Link Spotify", "AUTHORIZATION_ELSEWHERE": "Link Spotify", "AUTHORIZATION_DENIED": "Link Spotify",
		"SPOTIFY_CODE_INVALID": "Link Spotify", "SPOTIFY_SCOPES_MISSING": "Link Spotify", "SPOTIFY_UNAVAILABLE": "Link Spotify", "SPOTIFY_APP_REFUSED": "Please tell the operator.",
		"SPOTIFY_LINKED_ELSEWHERE": "Link it to this account instead", "SPOTIFY_NO_SEAT": "Ask for a place", "SPOTIFY_NOT_REGISTERED": "Ask for a place",
		"SPOTIFY_USER_APP_REFUSED": "Client ID of the app", "SPOTIFY_USER_APPS_OFF": "Link Spotify",
	},
	"linked": {
		"AUTHORIZATION_DENIED": "My page", "UNAVAILABLE": "My page", "SPOTIFY_LINKED_ELSEWHERE": "Link it to this account instead", "SPOTIFY_SCOPES_MISSING": "Link again",
		"SPOTIFY_NOT_REGISTERED": "Ask for a place", "SPOTIFY_USER_APPS_OFF": "Link again",
	},
	"without a nickname": {"AUTHORIZATION_EXPIRED": "Nickname"},
	"relinking":          {"AUTHORIZATION_DENIED": "Link again"},
}

// endElsewhere are the error codes of the contract that are not in failures: no redirect ends with them.
var endElsewhere = []string{
	"TOKEN_EXPIRED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED", "CONFLICT", "GONE", "UNPROCESSABLE", "BODY_TOO_LARGE", "HEADERS_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE",
	"REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED", "OPEN_IN_BROWSER", "SPOTIFY_SEAT_NOT_ASKED", "SPOTIFY_SEAT_NOT_NEEDED", "SPOTIFY_NOT_LINKED", "WEBHOOK_URL_INVALID", "NICKNAME_INVALID",
	"TOO_MANY_EMBEDS", "TOO_MANY_HIDDEN_ITEMS",
}

// renderAgain is a script: a function that shows the page /welcome for another address, without
// loading the page. That is faster than opening the page.
const renderAgain = `(async (address) => {
	history.replaceState(null, "", address);
	const main = document.getElementById("main"), { render } = await import(document.documentElement.dataset.base + "js/welcome.js");
	main.replaceChildren();
	await render(main, { first: JSON.parse(document.getElementById("first").textContent) });
})`

func TestWelcome_SaysWhatFailedAtTheStepThatRepairsIt(t *testing.T) {
	body, err := os.ReadFile("page/text/account.en.json")
	texts := map[string]string{}
	if err == nil {
		err = json.Unmarshal(body, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	signUp := func(c httpapi.SignUp) map[string]string {
		return map[string]string{"GET /me": "401 UNAUTHORIZED Please sign in.", "GET /sign-up": contractJSON(c)}
	}
	viewers := map[string]struct{ answers map[string]string }{
		"signed out":         {signUp(httpapi.SignUp{Policy: "invite", Redirect: true})},
		"no Google":          {signUp(httpapi.SignUp{Policy: "open"})},
		"signed in":          {nil},
		"linked":             {map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none")}},
		"without a nickname": {map[string]string{"GET /me": newMe("", "nobody", false)}},
		"relinking":          {map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("reauth_required", "relink")}},
	}
	for viewer, repairs := range failures {
		t.Run(viewer, func(t *testing.T) {
			s := newWelcome(t, viewers[viewer].answers)
			tab := s.openPage("/?error=UNAVAILABLE", 800, 900, "")
			s.expect(tab, "address", `location.pathname + location.search`, "/welcome?error=UNAVAILABLE")
			for code, repair := range repairs {
				evaluate[any](s, tab, renderAgain+`("/welcome?error=`+code+`")`)
				if texts["welcome.why."+code] == "" {
					t.Errorf("no text says what %s means", code)
				}
				s.expect(tab, code, `Array.from(document.querySelectorAll("main [role=alert]"), (e) => e.textContent).filter(Boolean).join("|")`, texts["welcome.why."+code])
				s.expectTexts(tab, code, []string{repair}, nil)
				s.expect(tab, code+": focus", `document.activeElement.nodeName`, "H1")
			}
		})
	}
}

func TestWelcome_GetsTheErrorsOfRedirectsAndKnowsEachOfTheContract(t *testing.T) {
	s := newPageTest(t)
	for _, repairs := range failures {
		for code := range repairs {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/?error="+code, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultTransport.RoundTrip(request) // follows no redirect
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.Header.Get("Location"); got != "/welcome?error="+code {
				t.Errorf("the error %s leads to %q", code, got)
			}
			_ = answer.Body.Close()
		}
	}
	contract, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^ {12}- ([A-Z_]+)$`).FindAllSubmatch(contract, -1)
	known := slices.Clone(endElsewhere)
	for _, repairs := range failures {
		known = slices.AppendSeq(known, maps.Keys(repairs))
	}
	for _, code := range found {
		if !slices.Contains(known, string(code[1])) {
			t.Errorf("no test says where the error %s is shown", code[1])
		}
	}
	if len(found) < 40 {
		t.Errorf("the contract has %d errors", len(found))
	}
}

func TestWelcome_ShowsNothingOfACodeThatItDoesNotKnow(t *testing.T) {
	s := newWelcome(t, nil)
	tab := s.openPage("/privacy", 800, 900, `window.addEventListener("securitypolicyviolation", () => { window.injected = true; })`)
	for _, code := range []string{"NO_SUCH_CODE", "SPOTIFY_NO_SUCH_CODE", "constructor", "__proto__", `<img src=x onerror="window.injected=true">`, `"></p><script>window.injected=true</script>`, "%", "{{.}}"} {
		s.navigate(tab, "/welcome?error="+url.QueryEscape(code))
		s.expectStep(tab, code, stepSpotify, askSpotify)
		s.expect(tab, code+": alerts, announcement, injected", `[Array.from(document.querySelectorAll("[role=alert]"), (e) => e.textContent).join(""), document.getElementById("announce").textContent, window.injected, document.querySelectorAll("main img, main script").length].join("|")`, "|||0")
		s.expectTexts(tab, code, []string{"Link Spotify"}, []string{code})
	}
}

func TestWelcome_StoresTheNicknameAndAsksWhoSeesTheUser(t *testing.T) {
	s := newWelcome(t, map[string]string{
		"GET /me": newMe("", "nobody", false), "POST /users/1/edit": "400 NICKNAME_INVALID A nickname has 1 to 30 characters.", "PATCH /me/sharing": "503 UNAVAILABLE The service is not available right now.",
	})
	tab := s.openPage("/welcome", 800, 900, "")
	s.expectStep(tab, "a user without a nickname", stepName, askName)
	s.expectTexts(tab, "the nickname", []string{"Up to 30 characters. You can change it at any time."}, nil)
	evaluate[any](s, tab, `document.querySelector("main form").requestSubmit()`) // the browser refuses the empty field
	evaluate[any](s, tab, `document.querySelector("[name=nickname]").value = "달토끼 🐇"; document.querySelector("main form").requestSubmit()`)
	s.waitFor(tab, `document.querySelector("main form [role=alert]").textContent.trim() === "A nickname has 1 to 30 characters." && document.querySelector("[name=nickname]").value === "달토끼 🐇"`)

	s.account.answerWith(map[string]string{"POST /users/1/edit": "true", "GET /me": newMe("달토끼 🐇", "nobody", false)})
	evaluate[any](s, tab, `document.querySelector("main form").requestSubmit()`)
	s.waitFor(tab, `document.querySelector("main .lead").dataset.step === "audience"`)
	s.expectStep(tab, "with a nickname", stepAudience, askAudience)
	s.expectTexts(tab, "who sees the user", []string{
		"If you choose Everyone, anyone who opens this site can see it, and it may appear in large type on the front page.", "Your history has a setting of its own. At first only you see it.",
		"Everyone\nPeople who are not signed in see it too.", "Followers I approved\nOnly people who asked to follow you",
		"People with my link\nOnly people who have the link that you make on your page.", "Only me\nYour history is kept, and nobody else sees anything.",
	}, nil)
	const checked = `Array.from(document.querySelectorAll("[name=now]:checked"), (one) => one.value).join()`
	const next = `document.querySelector("main button.main").click()`
	const said = `document.querySelector("main .lead > [role=alert]").textContent.trim()`
	s.expect(tab, "choices at first", checked, "")
	before := len(s.account.asked())
	evaluate[any](s, tab, next)
	s.waitFor(tab, said+` === "Please choose one. You can change it later."`)
	if got := s.account.asked(); len(got) != before {
		t.Errorf("without a choice the page has sent %q", got[before:])
	}
	evaluate[any](s, tab, `document.querySelector("[name=now][value=followers]").click(); `+next)
	s.waitFor(tab, said+` === "The service is not available right now."`)
	s.expect(tab, "the choice that was not stored", checked, "followers")

	s.account.answerWith(map[string]string{"PATCH /me/sharing": newSharing("followers")})
	evaluate[any](s, tab, next)
	s.waitFor(tab, `document.querySelector("main .lead").dataset.step === "spotify"`)
	s.expectStep(tab, "with an audience", stepSpotify, askSpotify)
	want := []string{
		`POST /users/1/edit {"nickName":"달토끼 🐇"}`, `POST /users/1/edit {"nickName":"달토끼 🐇"}`,
		`PATCH /me/sharing {"now":"followers"}`, `PATCH /me/sharing {"now":"followers"}`,
	}
	if got := s.account.asked(); !slices.Equal(got, want) {
		t.Errorf("the page has sent %q, want %q", got, want)
	}
}

func TestWelcome_SaysThatTheNextStepCouldNotBeRead(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /me": newMe("Listener A", "nobody", false), "PATCH /me/sharing": newSharing("nobody"), "GET /spotify-auth": "503 UNAVAILABLE The service is not available right now."})
	tab := s.openPage("/welcome", 800, 900, "")
	s.expectStep(tab, "a user without an audience", stepAudience, askAudience)
	evaluate[any](s, tab, `document.querySelector("[name=now][value=nobody]").click(); document.querySelector("main button.main").click()`)
	s.waitFor(tab, `document.querySelector("main .lead").innerText === "The service is not available right now. Try again"`)
	s.account.answerWith(map[string]string{"GET /spotify-auth": "null"})
	evaluate[any](s, tab, `document.querySelector("main button").click()`)
	s.waitFor(tab, `document.querySelector("main .lead").dataset.step === "spotify" && document.activeElement.nodeName === "H1"`)
	s.expectStep(tab, "after trying again", stepSpotify, askSpotify)
}

func TestWelcome_LeadsToSpotifyOrToAPlaceInTheWaitingList(t *testing.T) {
	const link, own, rest = "/v1/songspy/auth/spotify?return=%2Fwelcome", "/terms,/v1/songspy/auth/spotify?return=%2Fwelcome&clientId=ours", ",/"
	const asks = "Spotify lets a small service link only five people with each of its apps."
	s := newWelcome(t, nil)
	tab := s.openPage("/welcome", 800, 900, "")
	for name, c := range map[string]struct {
		code, link, seat, url string
		shown, missing        []string
		leads                 string
	}{
		"a free place":         {"", "null", "null", newAuthorization(true), []string{"Link Spotify", "We only read what you are playing and what you played recently.", "Every six months you have to link again.", "Look around first"}, []string{"place", "Link again"}, link + "," + own + rest},
		"unknown":              {"", "null", "null", "503 UNAVAILABLE Not now.", []string{"Link Spotify"}, []string{asks, "Not now."}, link + "," + own + rest},
		"no free place":        {"", "null", "null", "409 SPOTIFY_NO_SEAT All apps are full.", []string{asks, "E-mail address of your Spotify account", "Ask for a place"}, []string{"Link Spotify"}, own + rest},
		"not registered":       {"", "null", "null", newAuthorization(false), []string{asks, "Ask for a place"}, []string{"Link Spotify"}, own + rest},
		"three ahead":          {"", "null", newSeat("waiting", 3), "", []string{"You are on the waiting list, with 3 ahead of you. Places are given in order.", "Requested: ", "Correct the address", "Give up my place"}, []string{"Link Spotify", asks}, own + rest},
		"next":                 {"", "null", newSeat("waiting", 0), "", []string{"You are on the waiting list, and you are next."}, []string{"Link Spotify"}, own + rest},
		"held":                 {"", "null", newSeat("held", 0), "", []string{"A place is reserved for you. You can link once the operator has registered you at Spotify. Please come back later."}, []string{"Link Spotify", "waiting list"}, own + rest},
		"entered":              {"", "null", newSeat("entered", 0), "", []string{"You are registered. You can link now.", "Link Spotify"}, []string{"The address may be wrong"}, link + "," + own + rest},
		"entered and refused":  {"SPOTIFY_NOT_REGISTERED", "null", newSeat("entered", 0), "", []string{"You are registered, but Spotify still refuses. The address may be wrong: please send it again.", "Send the address"}, []string{"Link Spotify"}, own + rest},
		"refused without seat": {"", newLink("not_registered", "ask_operator"), "null", "", []string{asks, "Ask for a place"}, []string{"Link again"}, own + rest},
		"linked elsewhere":     {"SPOTIFY_LINKED_ELSEWHERE", "null", newSeat("entered", 0), "", []string{"Link it to this account instead", "that account loses the link and everything that came from Spotify"}, []string{"Link Spotify"}, link + "&move=true," + own + rest},
		"end of consent":       {"", newLink("reauth_required", "relink"), newSeat("entered", 0), "", []string{"Your permission at Spotify has ended or was withdrawn.", "Link again; your history stays.", "Link again"}, []string{"registered"}, link + "," + own + rest},
	} {
		s.account.answerWith(map[string]string{"GET /spotify-auth": c.link, "GET /spotify-auth/seat": c.seat, "GET /spotify-auth/url": c.url, "GET /me": newMe("Listener A", "everyone", c.link != "null")})
		evaluate[any](s, tab, renderAgain+`("/welcome?error=`+c.code+`")`)
		s.expectStep(tab, name, stepSpotify, askSpotify)
		s.expectTexts(tab, name, c.shown, c.missing)
		s.expect(tab, name+": links", hrefs, c.leads)
	}
}

// One click must be enough to link again: the page must not ask anything in between.
func TestWelcome_LinksAgainWithOneClick(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "relink")})
	tab := s.openPage("/welcome", 800, 900, notesLeaving)
	evaluate[any](s, tab, `document.querySelector("main a.button.main").click()`)
	s.waitFor(tab, `left.join() === "/v1/songspy/auth/spotify?return=%2Fwelcome"`)
}

func TestWelcome_AsksForAPlaceCorrectsTheAddressAndGivesThePlaceUp(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /spotify-auth/url": "409 SPOTIFY_NO_SEAT All apps are full.", "POST /spotify-auth/seat": "400 INVALID_REQUEST The field email is not valid."})
	tab := s.openPage("/welcome?error=SPOTIFY_NO_SEAT", 800, 900, "")
	const fill = `document.querySelector("[name=email]").value = `
	const submit = `; document.querySelector("[name=email]").form.requestSubmit()`
	const step = `document.querySelector("main .body").innerText`
	const reason = "All places are taken at the moment."
	s.expectTexts(tab, "at first", []string{reason, "It may differ from your Google address.", "It is stored encrypted and deleted when you link."}, nil)
	evaluate[any](s, tab, fill+`"not an address"`+submit) // the browser refuses it
	evaluate[any](s, tab, fill+`"a@b"`+submit)
	s.waitFor(tab, step+`.includes("The field email is not valid.") && document.querySelector("[name=email]").value === "a@b"`)

	s.account.answerWith(map[string]string{"POST /spotify-auth/seat": newSeat("waiting", 2), "GET /spotify-auth/seat": newSeat("waiting", 2)})
	evaluate[any](s, tab, fill+`"one@example.org"`+submit)
	s.waitFor(tab, step+`.includes("You are on the waiting list, with 2 ahead of you.") && document.getElementById("announce").textContent === "You have asked for a place."`)
	s.expectStep(tab, "asked", stepSpotify, askSpotify)
	s.expectTexts(tab, "asked", nil, []string{reason, "E-mail address of your Spotify account"})

	evaluate[any](s, tab, `document.querySelector("[data-seat] summary").click()`)
	s.account.answerWith(map[string]string{"POST /spotify-auth/seat": newSeat("held", 0), "GET /spotify-auth/seat": newSeat("held", 0)})
	evaluate[any](s, tab, fill+`"two@example.org"`+submit)
	s.waitFor(tab, step+`.includes("A place is reserved for you.")`)

	// The button to give the place up must ask first, and the question can be cancelled.
	const buttons = `Array.from(document.querySelectorAll("[data-seat] .confirm button"), (one) => one.textContent).join()`
	const press = `document.querySelectorAll("[data-seat] .confirm button")`
	s.account.answerWith(map[string]string{"DELETE /spotify-auth/seat": "503 UNAVAILABLE The service is not available right now."})
	evaluate[any](s, tab, press+`[0].click()`)
	s.expect(tab, "the question, the buttons, the focus", `[document.querySelector(".confirm [role=alert]").textContent, `+buttons+`, document.activeElement.textContent].join("|")`,
		"You lose your place, also the one in the list.|Give up my place,Cancel|Give up my place")
	evaluate[any](s, tab, press+`[1].click()`)
	s.expect(tab, "the buttons and the focus after cancelling", `[`+buttons+`, document.activeElement.textContent].join("|")`, "Give up my place|Give up my place")
	evaluate[any](s, tab, press+`[0].click(); `+press+`[0].click()`)
	s.waitFor(tab, step+`.includes("The service is not available right now.") && document.querySelector("[data-seat]").dataset.seat === "held"`)
	s.account.answerWith(map[string]string{"DELETE /spotify-auth/seat": "true", "GET /spotify-auth/seat": "null"})
	evaluate[any](s, tab, press+`[0].click()`)
	s.waitFor(tab, step+`.includes("Ask for a place") && document.getElementById("announce").textContent === "You have given up your place."`)
	s.expectStep(tab, "given up", stepSpotify, askSpotify)
	want := []string{
		`POST /spotify-auth/seat {"email":"a@b"}`, `POST /spotify-auth/seat {"email":"one@example.org"}`, `POST /spotify-auth/seat {"email":"two@example.org"}`,
		`DELETE /spotify-auth/seat`, `DELETE /spotify-auth/seat`,
	}
	if got := s.account.asked(); !slices.Equal(got, want) {
		t.Errorf("the page has sent %q, want %q", got, want)
	}
}

func TestWelcome_LinksThroughAnAppOfTheUser(t *testing.T) {
	s := newWelcome(t, nil)
	tab := s.openPage("/welcome", 800, 900, `Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { window.copied = text; } } }); `+notesLeaving)
	evaluate[any](s, tab, `Array.from(document.querySelectorAll("main summary")).find((one) => one.textContent === "For developers: link through my own Spotify app").click()`)
	s.waitFor(tab, `document.querySelector("[name=clientId]").checkVisibility()`)
	s.expectTexts(tab, "own app", []string{"With an app of your own you need no place. Spotify requires Premium to create one.", "No secret is needed.", "To go back from your own app:"}, nil)
	evaluate[any](s, tab, `document.querySelector(".copy button").click()`)
	s.waitFor(tab, `document.querySelector(".copy [role=status]").textContent === "Copied."`)
	s.expect(tab, "the redirect URI and what was copied", `[document.querySelector(".copy input").getAttribute("aria-label"), document.querySelector(".copy input").value, copied].join("|")`,
		"Redirect URI|"+s.url+"/v1/songspy/auth/spotify/callback|"+s.url+"/v1/songspy/auth/spotify/callback")

	const good = "0123456789abcdef0123456789abcdef"
	send := func(id string) {
		evaluate[any](s, tab, `(([input, id]) => { input.value = id; input.form.requestSubmit(); })([document.querySelector("[name=clientId]"), "`+id+`"])`)
	}
	for _, bad := range []string{"abc", good + "0", "g" + good[1:], good[:16] + " " + good[16:], "https://developer.spotify.com/dashboard/"} {
		evaluate[any](s, tab, `document.querySelector("details form .said").textContent = ""`)
		send(bad)
		s.waitFor(tab, `document.querySelector("details form .said").textContent === "A client ID has 32 characters, 0–9 and a–f. Please copy it from the dashboard again."`)
		s.expect(tab, bad+": the ID and the next address", `[document.querySelector("[name=clientId]").value, left].join("|")`, bad+"|")
	}
	send("  " + strings.ToUpper(good) + " ")
	s.waitFor(tab, `left.join() === "/v1/songspy/auth/spotify?return=%2Fwelcome&clientId=`+good+`"`)
	evaluate[any](s, tab, `left.length = 0; Array.from(document.querySelectorAll("main a")).find((one) => one.textContent === "link through this service's app").click()`)
	s.waitFor(tab, `left.join() === "/v1/songspy/auth/spotify?return=%2Fwelcome&clientId=ours"`)
	if got := s.account.asked(); len(got) > 0 {
		t.Errorf("the page has sent %q", got)
	}
}

func TestWelcome_SaysWhoWillSeeTheFirstSong(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none")})
	tab := s.openPage("/welcome", 800, 900, "")
	for audience, want := range map[httpapi.SharingNow]string{
		"everyone": "Play a song on Spotify. It will soon appear on the front page.", "followers": "Play a song on Spotify. Only followers that you have approved will see it.",
		"link": "Play a song on Spotify. Only people who have your link will see it.", "nobody": "Play a song on Spotify. Only you will see it, in your history.",
	} {
		s.account.answerWith(map[string]string{"GET /me/sharing": newSharing(audience)})
		evaluate[any](s, tab, renderAgain+`("/welcome")`)
		s.expectStep(tab, string(audience), "", "You are ready")
		s.expectTexts(tab, string(audience), []string{want, "Open the front page", "My page"}, []string{"Link"})
		s.expect(tab, string(audience)+": links", hrefs, "/,/me")
	}
	s.account.answerWith(map[string]string{"GET /me/sharing": "503 UNAVAILABLE The service is not available right now."})
	evaluate[any](s, tab, renderAgain+`("/welcome")`)
	s.expectTexts(tab, "a fault", []string{"The service is not available right now. Try again"}, nil)
}

// If the viewer has linked Spotify and came from another page of this site, the page must lead back
// there. It must not lead to another site.
func TestWelcome_ReturnsToThePageOfThisSiteThatAskedToSignIn(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /me": newMe("Listener A", "everyone", true), "GET /spotify-auth": newLink("active", "none")})
	tab := s.openPage("/privacy", 800, 900, notesLeaving)
	for to, want := range map[string]string{"/terms?x=1": "/terms?x=1", "//other.example/": "", "https://other.example/": "", `/\other.example`: "", "javascript:alert(1)": "", "http://[": ""} {
		s.navigate(tab, "/welcome?to="+url.QueryEscape(to))
		s.expect(tab, to, `left.join()`, want)
		if want == "" {
			s.expectStep(tab, to, "", "You are ready")
		}
	}
	// A viewer who still has to link Spotify returns to that page too: after linking, or by the HTML
	// link that skips linking.
	s.account.answerWith(map[string]string{"GET /me": newMe("Listener A", "everyone", false), "GET /spotify-auth": "null"})
	s.navigate(tab, "/welcome?to=%2Fu%2Fsomeone")
	s.expect(tab, "links", `Array.from(document.querySelectorAll("main .actions a"), (a) => a.getAttribute("href")).join()`, "/v1/songspy/auth/spotify?return=%2Fwelcome%3Fto%3D%252Fu%252Fsomeone,/u/someone")
}

// userAgent sets the user agent of the tab. It applies to the next page that the tab opens.
func (s *pageTest) userAgent(tab context.Context, name string) {
	s.t.Helper()
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: name})
		return err
	}))
	if err != nil {
		s.t.Fatal(err)
	}
}

// In an in-app browser, Google signs nobody in. So the page must not offer to sign in there, and must
// lead to another browser.
func TestWelcome_LeadsFromTheBrowsersOfAppsToABrowser(t *testing.T) {
	const android, webView, iPhone = "Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; Android 14; SM-S918N Build/UP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
	const google = `document.querySelectorAll('a[href*="/auth/google"], img.google').length`
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	s.account.answerWith(map[string]string{"GET /sign-up": contractJSON(httpapi.SignUp{Policy: "open", Redirect: true})})
	// The script disables service workers: one would send the page's requests with the browser's real
	// user agent.
	tab := s.openPage("/privacy", 400, 800, `delete Navigator.prototype.serviceWorker; Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => { window.copied = text; } } }); `+notesLeaving)
	host := strings.TrimPrefix(s.url, "http://")
	const from = "/u/" // the page of a person, which asks to sign in
	back := "/welcome?to=" + url.QueryEscape(from+songspy.Handle(1))
	kakao, line := "kakaotalk://web/openExternal?url="+url.QueryEscape(s.url+back), back+"&openExternalBrowser=1" // notesLeaving leaves out the origin
	intent := "intent://" + host + back + "#Intent;scheme=http;end"
	for name, c := range map[string]struct{ agent, leads string }{
		"KakaoTalk, Android":  {webView + ";KAKAOTALK 2610990", kakao},
		"KakaoTalk, iPhone":   {iPhone + " KAKAOTALK 11.2.5", kakao},
		"Line, Android":       {webView + " Line/14.19.1/IAB", line},
		"Line, iPhone":        {iPhone + " Safari Line/14.19.1", line},
		"Instagram, Android":  {webView + " Instagram 361.0.0.46.88 Android", intent},
		"Instagram, iPhone":   {iPhone + " Instagram 361.0.0.37.84 (iPhone15,2; iOS 18_1)", ""},
		"Facebook, Android":   {webView + "[FB_IAB/FB4A;FBAV/493.0.0.48.83;]", intent},
		"Facebook, iPhone":    {iPhone + " [FBAN/FBIOS;FBAV/493.0.0.45.104;FBDV/iPhone15,2]", ""},
		"an Android WebView":  {webView, intent},
		"Chrome on Android":   {android, "browser"},
		"Safari on an iPhone": {strings.Replace(iPhone, "Mobile", "Version/18.1 Mobile", 1) + " Safari/604.1", "browser"},
	} {
		s.userAgent(tab, c.agent)
		s.navigate(tab, back)
		if c.leads == "browser" {
			s.expectStep(tab, name, stepSignIn, askSignIn)
			s.expectTexts(tab, name, []string{"Sign in with Google"}, []string{"Open in the browser", "inside this app"})
			continue
		}
		s.expectStep(tab, name, stepSignIn, "Please open this in your browser")
		s.expectTexts(tab, name, []string{"Google does not allow signing in inside this app. Open this address in a browser such as Chrome or Safari."}, []string{"Sign in with Google"})
		s.expect(tab, name+": links and marks of Google", `String(`+google+`)`, "0")
		s.expect(tab, name+": where the button leads", `document.querySelector("main .actions button")?.click(); left.join()`, c.leads)
		s.expect(tab, name+": what can be copied", `(async () => {
			document.querySelector(".copy button").click();
			await new Promise((done) => setTimeout(done));
			return [document.querySelector(".copy input").getAttribute("aria-label"), document.querySelector(".copy input").value, copied, document.querySelector(".copy [role=status]").textContent].join("|");
		})()`, "The address of this page|"+s.url+back+"|"+s.url+back+"|Copied.")
		if strings.HasPrefix(name, "KakaoTalk, A") { // all pages get the address from the same function, so one app is enough
			for path, leads := range map[string]string{"/": "/welcome", from + songspy.Handle(1): back} {
				s.navigate(tab, path)
				s.expect(tab, name+": the links to sign in of "+path, `[`+google+`, ...Array.from(document.querySelectorAll('a[href^="/welcome"]'), (a) => a.getAttribute("href")).filter((href, i, all) => all.indexOf(href) === i)].join()`, "0,"+leads)
			}
		}
	}
}

func TestWelcome_IsWhereAFailedSignOutIsExplained(t *testing.T) {
	s := newWelcome(t, map[string]string{"GET /me": newMe("Listener A", "everyone", true)})
	tab := s.openPage("/privacy", 800, 900, notesLeaving)
	for answer, want := range map[string]string{
		"502": "/welcome?error=UNAVAILABLE", "503 UNAVAILABLE Not now.": "/welcome?error=UNAVAILABLE", "500 COMMON_ERROR A fault.": "/welcome?error=COMMON_ERROR",
		"401 SESSION_ENDED It has ended.": "/", "true": "/",
	} {
		s.account.answerWith(map[string]string{"POST /logout": answer})
		evaluate[any](s, tab, `left.length = 0; document.querySelector("[data-sign-out]").click()`)
		s.waitFor(tab, `left.join() === "`+want+`"`)
	}
}
