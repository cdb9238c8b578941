package google

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

func FuzzReadTokeninfo(f *testing.F) {
	f.Add([]byte(`{"azp":"client","aud":"client","sub":"1","exp":"99999999999","expires_in":"3560"}`), "client")
	f.Add([]byte(`{"issued_to":"client","audience":"evil","user_id":"1","expires_in":3000}`), "client")
	f.Add([]byte(`{"aud":["client"],"exp":-1}`), "")
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte, id string) {
		i, err := readTokeninfo(body)
		if err != nil {
			if songspy.CodeOf(err) == songspy.CodeInternal {
				t.Fatal(err)
			}
			return
		}
		if err := i.check([]string{id}, now); err != nil {
			return
		}
		// An accepted token must name this client ID, and no other.
		if id == "" || len(i.audiences) == 0 {
			t.Fatalf("%q was accepted for %q", body, id)
		}
		for _, a := range append(i.audiences, i.authorizedParties...) {
			if a != id {
				t.Fatalf("a token of %q was accepted for %q", a, id)
			}
		}
	})
}

func FuzzReadUserinfo(f *testing.F) {
	f.Add([]byte(`{"id":"1107","name":"Ada","picture":"https://x/y"}`))
	f.Add([]byte(`{"sub":1107,"name":"\u0000\ud800","picture":"http://localhost/"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readUserinfo(body)
		if err != nil {
			return
		}
		if p.Subject == "" || len(p.Subject) > 255 || strings.ContainsFunc(p.Subject, isNotPrintable) {
			t.Fatalf("accepted the subject %q", p.Subject)
		}
		if !utf8.ValidString(p.Name) || strings.ContainsRune(p.Name, 0) || utf8.RuneCountInString(p.Name) > nameMaxRunes {
			t.Fatalf("stored the name %q", p.Name)
		}
		if p.PictureURL != "" && sanitize.WebURL(p.PictureURL) != p.PictureURL {
			t.Fatalf("stored the picture %q", p.PictureURL)
		}
	})
}
