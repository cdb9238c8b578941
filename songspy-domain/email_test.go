package songspy_test

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestMaskEmail_KeepsFirstLetterAndDomain(t *testing.T) {
	for address, want := range map[songspy.Secret]string{
		"ada@example.org": "a…@example.org", "한글@example.org": "한…@example.org", "a@b@c": "a…@b@c",
		"": "", "ada": "", "@example.org": "", "ada@": "",
	} {
		if got := songspy.MaskEmail(address); got != want {
			t.Errorf("MaskEmail(%q) = %q, want %q", address.Reveal(), got, want)
		}
	}
}

func TestIsEmail_AcceptsOnePlainAddressOnly(t *testing.T) {
	for text, want := range map[songspy.Secret]bool{
		"ada@example.org": true, "a.b+c@example.org": true, "한글@example.org": true,
		"": false, "ada": false, "ada@": false, "Ada <ada@example.org>": false, "ada@example.org, eve@example.org": false,
		"ada@example.org\r\nBcc: eve@example.org": false, "ada@example.org ": false, "\"a\r\nb\"@example.org": false,
		"a\u009b31m@example.org": false, "a\u202egro.elpmaxe@example.org": false, "a\u200bb@example.org": false, "a\u00a0b@example.org": false,
		"a\u2028b@example.org": false,
		songspy.Secret(strings.Repeat("a", 242) + "@example.org"): true, songspy.Secret(strings.Repeat("a", 243) + "@example.org"): false,
	} {
		if got := songspy.IsEmail(text); got != want {
			t.Errorf("IsEmail(%q) = %v", text.Reveal(), got)
		}
	}
}
