package spotify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainID reports whether s looks like Spotify's base-62 ids.
func isBase62ID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range []byte(s) {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

// identifier drops from an id what databases and pages stumble over: control
// characters and direction marks. It keeps at most most runes. Unlike
// sanitize.Text it does not normalize: two ids must not become one.
func cleanID(s string, most int) string {
	if strings.ContainsFunc(s, func(r rune) bool { return cleanRune(r) != r }) {
		s = strings.Map(cleanRune, s)
	}
	s = strings.ToValidUTF8(s, "")
	if len(s) > most && utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most])
	}
	return s
}

// oneLine is what becomes of a rune: itself, a space, or nothing (-1).
func cleanRune(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
		return ' '
	case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return -1
	}
	return r
}
