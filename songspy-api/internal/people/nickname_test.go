package people_test

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/people"
)

func TestNickNames_AreCountedInGraphemes(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	for given, want := range map[string]string{
		"  Ann  ":                  "Ann",
		"a \t\n b":                 "a b",
		strings.Repeat("가", 30):    strings.Repeat("가", 30),
		strings.Repeat("가", 31):    "",
		strings.Repeat(family, 30): strings.Repeat(family, 30),
		strings.Repeat(family, 31): "",
		"":                         "",
		"   ":                      "",
		"\u200b\u2060":             "",
		"\u3164":                   "", // Hangul filler
		"\u2800":                   "", // Braille blank
		"a\u202eb":                 "ab",
		strings.Repeat("👨🏽‍👩🏽‍👧🏽‍👦🏽", 30): strings.Repeat("👨🏽‍👩🏽‍👧🏽‍👦🏽", 30),
		"\ufe0f":                             "", // a variation selector alone
		"\U000e0100":                         "",
		"❤\ufe0f":                            "❤\ufe0f",
		"x" + strings.Repeat("\u0301", 1200): "x" + strings.Repeat("\u0301", 4),
		"\u0301\u0302":                       "", // marks alone
		"A\u200bn\u200dn":                    "Ann",
		"e\u0301":                            "é",
	} {
		got, err := people.NickName(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, error %v", given, got, err)
		}
		if err != nil && songspy.ReasonOf(err) != "NICKNAME_INVALID" {
			t.Errorf("%q: error %v, want NICKNAME_INVALID", given, err)
		}
	}
}

func FuzzNickName(f *testing.F) {
	f.Add("Ann")
	f.Add("\u200b가\x00\xff")
	f.Fuzz(func(t *testing.T, raw string) {
		name, err := people.NickName(raw)
		if err != nil {
			return
		}
		if again, err := people.NickName(name); err != nil || again != name {
			t.Errorf("%q became %q and then %q, error %v", raw, name, again, err)
		}
	})
}
