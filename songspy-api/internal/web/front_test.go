package web_test

import (
	"testing"

	"github.com/chromedp/cdproto/network"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// atFirst is a script that evaluates the expression in the HTML from the server, before the scripts
// of the page run, and keeps the value in first.
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
			s.waitFor(tab, answer+` === ""`) // the scripts have written the text
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
