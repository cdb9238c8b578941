package web_test

import (
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// newEverywhere returns a page test in which user 1 is signed in, is an operator and can open all
// pages. The answers replace those of this account. paths are the addresses of all pages.
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

// isRead is a script that reports whether the page has read all that it shows.
const isRead = `document.readyState === "complete" && !document.querySelector("main").innerText.includes("Loading.") && Array.from(document.images).every((one) => one.hidden || one.loading === "lazy" || one.complete)`
