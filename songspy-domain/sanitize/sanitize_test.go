package sanitize_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/sanitize"
)

func TestLine_KeepsTextAndDropsInvisible(t *testing.T) {
	for name, c := range map[string]struct{ given, want string }{
		"empty":                               {"", ""},
		"ASCII":                               {"Ann", "Ann"},
		"Hangul":                              {"밤편지", "밤편지"},
		"Latin letters with accents":          {"Beyoncé – Déjà Vu", "Beyoncé – Déjà Vu"},
		"white space at the ends and inside":  {"  a \t\n\u00a0\u3000 b\u2028 ", "a b"},
		"a Braille blank is a space":          {"\u2800a\u2800", "a"},
		"decomposed letters are composed":     {"e\u0301 ㄱ\u1100\u1161\u11a8", "é ㄱ각"},
		"a Greek question mark is a ;":        {"\u037e", ";"},
		"control characters":                  {"a\x00\x1b\u009bb", "ab"},
		"broken UTF-8":                        {"a\xff\xc3b\ufffd", "ab"},
		"direction marks":                     {"a\u202e\u2066\u2069\u200e\u200f\u061cb", "ab"},
		"zero width space and joiner":         {"a\u200b\u2060\ufeffb", "ab"},
		"a soft hyphen":                       {"so\u00adft", "soft"},
		"Hangul fillers":                      {"\u3164\u115f\u1160\uffa0", ""},
		"joiners in Latin":                    {"a\u200db\u200cc\u200d", "abc"},
		"a joiner hides no composition":       {"e\u200d\u0301", "é"},
		"a non-joiner in Persian":             {"می\u200cخواهم", "می\u200cخواهم"},
		"a non-joiner at the end":             {"خواهم\u200c", "خواهم"},
		"a joiner after a virama":             {"ක්\u200d", "ක්\u200d"},
		"a conjunct in Devanagari":            {"क्\u200dष", "क्\u200dष"},
		"one joiner is enough":                {"می\u200c\u200cخ", "می\u200cخ"},
		"a family":                            {"👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"},
		"a family with skin tones":            {"👨🏽‍👩🏽‍👧🏽‍👦🏽", "👨🏽‍👩🏽‍👧🏽‍👦🏽"},
		"a heart on fire":                     {"❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"},
		"an emoji joined to a letter":         {"👨\u200da", "👨a"},
		"a rainbow flag":                      {"🏳️‍🌈", "🏳️‍🌈"},
		"a flag of two letters":               {"🇰🇷", "🇰🇷"},
		"the flag of Scotland":                {"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
		"tags that end no flag":               {"🏴\U000e0067\U000e0062", "🏴"},
		"tags on a letter":                    {"a\U000e0067\U000e0062\U000e007f", "a"},
		"a text hidden in tags":               {"🏴" + strings.Repeat("\U000e0061", 40) + "\U000e007f", "🏴"},
		"a keycap":                            {"1\ufe0f\u20e3", "1\ufe0f\u20e3"},
		"a variation of a digit":              {"1\ufe0f", "1"},
		"a variation of nothing":              {"\ufe0f", ""},
		"a text hidden in variations":         {"a\ufe00\ufe01\U000e0100\U000e01ef", "a"},
		"an emoji's style only once":          {"❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"},
		"a Mongolian selector":                {"ᠠ\u180b a\u180b", "ᠠ\u180b a"},
		"four marks on a letter":              {"x\u0301\u0302\u0303\u0304", "x\u0301\u0302\u0303\u0304"},
		"a fifth mark":                        {"x\u0301\u0302\u0303\u0304\u0305y\u0301", "x\u0301\u0302\u0303\u0304ý"},
		"a thousand marks":                    {"x" + strings.Repeat("\u0337", 1000), "x" + strings.Repeat("\u0337", 4)},
		"a mark on nothing":                   {"\u0301a", "a"},
		"a mark on a space":                   {"a \u0301 b", "a b"},
		"marks alone":                         {"\u0301\u20dd\u0903", ""},
		"Thai with its marks":                 {"ที่นี่", "ที่นี่"},
		"Hebrew with points":                  {"שָּׁלוֹם", norm.NFC.String("שָּׁלוֹם")},
		"an Arabic number sign":               {"\u0600١", "\u0600١"},
		"an emoji that Unicode may add later": {"\U0001fadd", "\U0001fadd"},
	} {
		if got := sanitize.Line(c.given); got != c.want {
			t.Errorf("%s: %+q became %+q, want %+q", name, c.given, got, c.want)
		}
	}
}

func TestText_CutsBetweenCharacters(t *testing.T) {
	for name, c := range map[string]struct {
		given string
		most  int
		want  string
	}{
		"short enough":                    {"밤편지", 3, "밤편지"},
		"too long":                        {"밤편지", 2, "밤편"},
		"cut within a family":             {"a👨‍👩‍👧‍👦", 3, "a👨"},
		"cut after a space":               {"ab cd", 3, "ab"},
		"removed characters do not count": {"\u200b\u200ba\u200bb", 2, "ab"},
		"no runes allowed":                {"a", 0, ""},
	} {
		if got := sanitize.Text(c.given, c.most); got != c.want {
			t.Errorf("%s: became %+q, want %+q", name, got, c.want)
		}
	}
}

// checkInvariants checks what must be true of every cleaned text. The argument line is the
// result of cleaning the argument given.
func checkInvariants(t interface {
	Helper()
	Fatalf(string, ...any)
}, given, line string,
) {
	t.Helper()
	if again := sanitize.Line(line); again != line {
		t.Fatalf("%+q became %+q and then %+q", given, line, again)
	}
	if !utf8.ValidString(line) || !norm.NFC.IsNormalString(line) || strings.TrimSpace(line) != line || strings.Contains(line, "  ") {
		t.Fatalf("%+q became %+q: not one clean line in NFC", given, line)
	}
	marks, base := 0, rune(0)
	for _, r := range line {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r != ' ' && unicode.IsSpace(r):
			t.Fatalf("%+q became %+q: it contains %U", given, line, r)
		case r == 0xFE0E, r == 0xFE0F, r >= 0xE0020 && r <= 0xE007F, r == 0x200C, r == 0x200D: // TestLine_KeepsTextAndDropsInvisible checks where they may be
		case unicode.Is(unicode.M, r):
			if marks++; marks > sanitize.MaxMarks || base == 0 || base == ' ' {
				t.Fatalf("%+q became %+q: mark %d stands on %U", given, line, marks, base)
			}
		default:
			marks, base = 0, r
		}
	}
}

func TestLine_Invariants(t *testing.T) {
	// Characters that need special treatment are drawn often: marks, joiners, emoji, and
	// letters that form NFC combines with marks.
	hard := rapid.SampledFrom([]rune("a e1 \u0301\u0327\u0345\u05b0\u05c1\u093c\u094d\u200b\u200c\u200d\u202e\u034f\ufe0e\ufe0f\u20e3\u180b\u1100\u1161\u11a8\u0958\u0915ی❤👨🏽🔥🏴\U000e0067\U000e007f\u1820\u2800\ufffd"))
	text := rapid.StringOf(rapid.OneOf(hard, rapid.Rune()))
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "s")
		checkInvariants(t, s, sanitize.Line(s))
		most := rapid.IntRange(0, 20).Draw(t, "most")
		cut := sanitize.Text(s, most)
		checkInvariants(t, s, cut)
		if n := utf8.RuneCountInString(cut); n > most {
			t.Fatalf("%+q became %+q: %d runes, at most %d", s, cut, n, most)
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"Ann", "\u200b가\x00\xff", "👨🏽‍👩🏽‍👧🏽‍👦🏽", "e\u200d\u0301", "x\u0301\u0302\u0303\u0304\u0305", "🏴\U000e0067\U000e007f", "1\ufe0f\u20e3", "می\u200cخواهم"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkInvariants(t, s, sanitize.Line(s)) })
}

func BenchmarkLine(b *testing.B) {
	for name, s := range map[string]string{"plain": "밤편지 (Through the Night) – IU", "decomposed": "Beyonce\u0301 – De\u0301ja\u0300 Vu", "emoji": "밤 👨‍👩‍👧‍👦 편지"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sanitize.Line(s)
			}
		})
	}
}
