package notify

import (
	"strings"
	"testing"
	"time"
	"unicode"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestEveryKindHasTextsInBothLanguages(t *testing.T) {
	consented := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	for _, kind := range songspy.NotificationKinds() {
		l := Message{NotificationMessage: songspy.NotificationMessage{Kind: kind, App: "the-app", Since: consented, Notifications: []songspy.Notification{{UserID: 7, Occurrence: "api"}}}}
		subject, text := render(l, songspy.Link{AuthorizedAt: consented}, "https://songs.example.org/")
		if strings.ContainsAny(subject+text, "{}") {
			t.Errorf("%s: a placeholder is not replaced: %q %q", kind, subject, text)
		}
		if strings.ContainsFunc(subject, unicode.IsControl) {
			t.Errorf("%s: the subject has several lines", kind)
		}
		for name, text := range map[string]string{"subject": subject, "text": text} {
			if !strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Hangul, r) }) || !strings.ContainsFunc(text, func(r rune) bool { return r >= 'a' && r <= 'z' }) {
				t.Errorf("%s: the %s is not in both languages: %q", kind, name, text)
			}
		}
		if kind.Recipient() == songspy.RecipientUser && strings.Count(text, "https://songs.example.org/") != 2 {
			t.Errorf("%s: the link to the page is missing: %q", kind, text)
		}
		if kind == songspy.NotificationSeatEntered && strings.Contains(text, "you linked") {
			t.Errorf("%s: the user has not linked, but the text says so: %q", kind, text)
		}
	}
	if _, text := render(Message{NotificationMessage: songspy.NotificationMessage{Kind: songspy.NotificationRelinkSoon, Notifications: []songspy.Notification{{UserID: 7}}}},
		songspy.Link{AuthorizedAt: consented}, ""); strings.Count(text, "2026-11-20") != 2 {
		t.Errorf("the end of the consent is missing: %q", text)
	}
}
