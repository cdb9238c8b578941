package web_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

// onPerson returns a copy of answers, a map by route, in which the route of user 2 replaces {}:
// "PUT {}/follow" becomes "PUT /people/HANDLE/follow", where HANDLE is the user's public id.
func onPerson(answers map[string]string) map[string]string {
	all := map[string]string{}
	for route, answer := range answers {
		all[strings.ReplaceAll(route, "{}", "/people/"+songspy.Handle(2))] = answer
	}
	return all
}

// openPerson opens the page of user 2 for user 1, who is signed in. answers are the answers of the
// API by route; in a route, {} stands for the route of user 2.
func openPerson(t *testing.T, answers map[string]string) (*pageTest, context.Context) {
	s := signedIn(t, []songspy.BoardEntry{newEntry(1, "one", 10), newEntry(2, "two", 20)}, map[string]string{"GET /me": newMe("Listener A", "everyone", true)})
	s.account.answerWith(onPerson(answers))
	tab := s.openPage("/u/"+songspy.Handle(2), 800, 900, "")
	s.waitFor(tab, `document.getElementById("name").textContent === "Listener B" && document.querySelector("[data-acts] button, [data-acts] a")`)
	return s, tab
}

// expectAsked reports an error if the requests with which the page has changed something (all but
// GET) are not those in want, in this order. In want, {} stands for the route of user 2.
func (s *pageTest) expectAsked(want ...string) {
	s.t.Helper()
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "{}", "/people/"+songspy.Handle(2))
	}
	if got := s.account.asked(); !slices.Equal(got, want) {
		s.t.Errorf("the page has sent %q, want %q", got, want)
	}
}

func TestPerson_IsFollowedAskedAndUnfollowed(t *testing.T) {
	s, tab := openPerson(t, map[string]string{"PUT {}/follow": "429 RATE_LIMITED Too many requests.", "DELETE {}/follow": "true"})
	const first = `document.querySelector("[data-acts] button").textContent`
	const press = `document.querySelector("[data-acts] button").click()`
	const said = `Array.from(document.querySelectorAll("[data-acts] [role=alert]"), (e) => e.textContent.trim()).join("")`
	s.waitFor(tab, first+` === "Follow"`)
	evaluate[any](s, tab, press)
	s.waitFor(tab, said+` === "Too many requests." && `+first+` === "Follow"`)

	// A follow needs the approval of the followed user. Until then the viewer has only requested to
	// follow, and can withdraw the request.
	state := func(value httpapi.FollowState) string {
		return contractJSON(httpapi.Follow{Person: httpapi.Person{Handle: songspy.Handle(2), NickName: "Listener B"}, State: value, AskedAt: httpapi.Time(testStart)})
	}
	for _, step := range []struct{ answer, button, announced string }{
		{state("requested"), "Cancel the request", "Request sent. You see their songs as soon as they approve it."},
		{"", "Follow", "You no longer follow them."},
		{state("approved"), "Unfollow", "Request sent. You see their songs as soon as they approve it."},
		{"", "Follow", "You no longer follow them."},
	} {
		if step.answer != "" {
			s.account.answerWith(onPerson(map[string]string{"PUT {}/follow": step.answer}))
		}
		evaluate[any](s, tab, press)
		s.waitFor(tab, first+` === "`+step.button+`" && `+said+` === "" && document.getElementById("announce").textContent === "`+step.announced+`"`)
		s.expect(tab, step.button+": focus", `document.activeElement.textContent`, step.button)
	}
	s.expectAsked("PUT {}/follow", "PUT {}/follow", "DELETE {}/follow", "PUT {}/follow", "DELETE {}/follow")
}

func TestPerson_IsBlockedAfterAQuestion(t *testing.T) {
	s, tab := openPerson(t, map[string]string{"PUT {}/block": "503 UNAVAILABLE Not now."})
	s.waitFor(tab, `document.querySelector(".answer .title").textContent === "two" && document.querySelector("[data-plays] .title")`)
	const buttons = `document.querySelectorAll("[data-acts] .confirm button")`
	evaluate[any](s, tab, buttons+`[0].click()`)
	s.expect(tab, "the question, the buttons, the focus", `[document.querySelector(".confirm [role=alert]").textContent, ...Array.from(`+buttons+`, (one) => one.textContent), document.activeElement.textContent].join("|")`,
		"You will not see each other any more, and neither of you follows the other. If you share with everyone, they can still look while signed out. To prevent that, share only with followers you approve.|Block|Cancel|Block")
	evaluate[any](s, tab, buttons+`[1].click()`)
	s.expect(tab, "after cancelling", `[...Array.from(`+buttons+`, (one) => one.textContent), document.activeElement.textContent].join("|")`, "Block|Block")
	evaluate[any](s, tab, buttons+`[0].click(); `+buttons+`[0].click()`)
	s.waitFor(tab, `document.querySelector("[data-acts]").innerText.includes("Not now.")`)
	s.expect(tab, "the person who is not blocked", `document.getElementById("name").textContent`, "Listener B")

	s.account.answerWith(onPerson(map[string]string{"PUT {}/block": "true", "GET {}": "404 NOT_FOUND Not found.", "GET {}/plays": "404 NOT_FOUND Not found."}))
	evaluate[any](s, tab, buttons+`[0].click()`)
	const empty = `document.getElementById("name").textContent === "Blocked. You can undo it on your page." && document.querySelector(".answer").hidden && document.querySelector(".hero-art").hidden &&
		!document.querySelector("[data-acts]").hasChildNodes() && !document.querySelector("[data-plays]").hasChildNodes() && document.querySelector("[data-plays-section]").hidden && document.querySelector("[data-state]").textContent === ""`
	s.waitFor(tab, empty)
	s.expect(tab, "focus", `document.activeElement.id`, "name")
	s.remove(2) // the board no longer has the person for this viewer
	if !evaluate[bool](s, tab, `new Promise((done) => setTimeout(() => done(`+empty+`), 700))`) {
		s.expect(tab, "the page after the board has dropped the person", `document.querySelector("main").innerText`, "Blocked. You can undo it on your page.")
	}
	s.expectAsked("PUT {}/block", "PUT {}/block")
}

func TestPerson_IsReportedWithAReasonAndWords(t *testing.T) {
	s, tab := openPerson(t, map[string]string{"POST {}/report": "429 RATE_LIMITED Too many requests."})
	evaluate[any](s, tab, `document.querySelector(".report summary").click()`)
	s.expect(tab, "the reasons", `Array.from(document.querySelectorAll("[name=reason] option"), (one) => one.textContent).join("|")`, "Offensive name or picture|Pretends to be somebody else|Harassment|Another reason")
	const send = `document.querySelector(".report form").requestSubmit()`
	const kept = `[document.querySelector("[name=reason]").value, document.querySelector("[name=text]").value, document.querySelector(".report").open].join("|")`
	evaluate[any](s, tab, `document.querySelector("[name=reason]").value = "harassment"; document.querySelector("[name=text]").value = "It says \"<b>no</b>\""; `+send)
	s.waitFor(tab, `document.querySelector("[data-acts]").innerText.includes("Too many requests.")`)
	s.expect(tab, "the refused report", kept, `harassment|It says "<b>no</b>"|true`)
	s.account.answerWith(onPerson(map[string]string{"POST {}/report": "true"}))
	evaluate[any](s, tab, send)
	s.waitFor(tab, `document.getElementById("announce").textContent === "Report sent. The people who run this site will look at it." && !document.querySelector(".report").open`)
	s.expect(tab, "focus and messages", `[document.activeElement.textContent, ...Array.from(document.querySelectorAll("[data-acts] [role=alert]"), (one) => one.textContent)].join("|")`, "Report|")
	const want = `POST {}/report {"reason":"harassment","text":"It says \"<b>no</b>\""}`
	s.expectAsked(want, want)
}

func TestPerson_LeadsViewersToTheirOwnPageOrToSigningIn(t *testing.T) {
	s := newPageTest(t, newEntry(1, "one", 10), newEntry(2, "two", 20))
	const acts = `document.querySelector("[data-acts]").innerText.trim() + "|" + Array.from(document.querySelectorAll("[data-acts] a, [data-acts] button"), (one) => one.getAttribute("href")).join()`
	tab := s.openPage("/u/"+songspy.Handle(2), 800, 900, "")
	s.waitFor(tab, `document.querySelector("[data-acts] a")`)
	s.expect(tab, "signed out", acts, "Sign in to follow people.\n\nSign in with Google|/v1/songspy/auth/google?return=%2Fwelcome%3Fto%3D%252Fu%252F"+songspy.Handle(2))
	s.feed.viewer = 1
	s.account.answerWith(map[string]string{"GET /me": newMe("Listener A", "everyone", true)})
	s.navigate(tab, "/u/"+songspy.Handle(1))
	s.waitFor(tab, acts+` === "My page|/me"`)
}
