// Package sanitize cleans data that users and providers send, before it is
// stored or shown.
//
// Line and Text clean names, titles and notes. The result is one line of valid
// UTF-8 in Unicode's form NFC. It contains no invisible characters, except
// where emoji and joining scripts need them, no mark without a base character,
// and at most MaxMarks marks on one character. Identifiers, such as Spotify's
// URIs, are not text: cleaning could make two of them equal.
//
// WebURL accepts the URLs that a page may show. SafeError removes secrets from
// the error of a failed call.
package sanitize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// MaxMarks is how many combining marks one character keeps. Living languages
// need at most three or four; more would cover the lines above and below.
const MaxMarks = 4

// Line returns s as one clean line: trimmed, and with each run of white space
// as one space. Line(Line(s)) equals Line(s). It does not limit the length.
func Line(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.Join(strings.Fields(strings.Map(mapVisible, s)), " ")
	// Removing a character can make two others adjacent that Unicode combines, or
	// that are not allowed next to each other. So the loop runs until the text is
	// stable. Real text is stable after one round.
	const rounds = 8
	for range rounds {
		next := strings.Join(strings.Fields(dropStrayCharacters(norm.NFC.String(s))), " ")
		if next == s {
			return s
		}
		s = next
	}
	// In the remaining text no character depends on its neighbours.
	return strings.Join(strings.Fields(norm.NFC.String(strings.Map(func(r rune) rune {
		if isDependent(r) {
			return -1
		}
		return r
	}, s))), " ")
}

// Text returns Line(s), cut to at most maxRunes runes.
func Text(s string, maxRunes int) string {
	const spare = 4 // how many runes of s are read for each rune of the result, because Line may remove some
	s = Line(firstRunes(s, spare*maxRunes))
	for utf8.RuneCountInString(s) > maxRunes {
		s = Line(firstRunes(s, maxRunes)) // cleaned again, because the cut may leave a joiner without its second character
	}
	return s
}

// firstRunes returns the first n runes of s.
func firstRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// isClean reports whether Line would return s unchanged. It knows only the scripts of
// most texts. For other scripts it returns false, which only costs time.
func isClean(s string) bool {
	space := true // the previous rune is a space; true at the start, because the text must not begin with one
	for _, r := range s {
		switch {
		case r == ' ':
			if space {
				return false
			}
			space = true
			continue
		case r > ' ' && r < 0x7F, r >= 0xC0 && r <= 0x24F, // Latin
			r >= 0x388 && r <= 0x3CE, r >= 0x410 && r <= 0x44F, // Greek, Cyrillic
			r >= 0x2013 && r <= 0x2026,                             // dashes, quotation marks, ellipsis
			r >= 0x3041 && r <= 0x3096, r >= 0x30A1 && r <= 0x30FC, // kana
			r >= 0x4E00 && r <= 0x9FFF, r >= 0xAC00 && r <= 0xD7A3: // Chinese characters, Hangul syllables
		default:
			return false
		}
		space = false
	}
	return !space || s == ""
}

// mapVisible maps each white space character to a space, and each invisible character to
// -1, so that strings.Map removes it. It keeps invisible characters that emoji and
// joining scripts use, because only dropStrayCharacters sees whether they are needed.
func mapVisible(r rune) rune {
	const brailleBlank = '\u2800' // a symbol that looks like a space
	switch {
	case r > ' ' && r < 0x7F:
		return r
	case unicode.IsSpace(r), r == brailleBlank:
		return ' '
	case isDependent(r), unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector),
		r == unicode.ReplacementChar:
		return -1
	}
	return r
}

// The invisible characters that emoji and joining scripts use, and the visible keycap and
// blackFlag, which emoji use with them.
const (
	nonJoiner  = '\u200C'
	joiner     = '\u200D'
	textStyle  = '\uFE0E' // shows the character before it as text
	emojiStyle = '\uFE0F' // shows the character before it as an emoji
	keycap     = '\u20E3'
	blackFlag  = '\U0001F3F4' // the base of the flags of regions
	firstTag   = '\U000E0020'
	lastTag    = '\U000E007F' // ends the tags of a flag
)

// isDependent reports whether r has a meaning only next to other characters.
func isDependent(r rune) bool {
	return r == nonJoiner || r == joiner || r == textStyle || r == emojiStyle || isTag(r) || unicode.Is(unicode.M, r) && isVisibleMark(r)
}

func isTag(r rune) bool { return r >= firstTag && r <= lastTag }

// isVisibleMark reports whether a mark counts as visible. Of the variation selectors,
// which are invisible themselves, only those that select the shape of a Mongolian letter
// count as visible.
func isVisibleMark(r rune) bool {
	return isMongolianSelector(r) || !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func isMongolianSelector(r rune) bool { return r >= 0x180B && r <= 0x180D || r == 0x180F }

// dropStrayCharacters removes characters that only have a meaning next to
// others, such as combining marks and joiners, where those others are missing.
func dropStrayCharacters(s string) string {
	runes := []rune(s)
	kept := make([]rune, 0, len(runes))
	base := rune(0) // the character that marks apply to; 0 if there is none
	marks := 0      // the number of marks on base
	for i := 0; i < len(runes); i++ {
		r, before, after := runes[i], lastRune(kept), runeAt(runes, i+1)
		const firstMark = 0x300
		switch {
		case r < firstMark:
			kept = append(kept, r)
			base, marks = r, 0
			if r == ' ' {
				base = 0
			}
		case isTag(r):
			end, flag := tagRun(runes, i)
			if flag && before == blackFlag {
				kept = append(kept, runes[i:end]...)
			}
			i = end - 1
		case r == textStyle, r == emojiStyle:
			if isPictographic(before) || isKeycapBase(before) && after == keycap {
				kept = append(kept, r)
			}
		case r == joiner, r == nonJoiner:
			if r == joiner && isPictographic(base) && isPictographic(after) || joinsLetters(r, before, after) {
				kept = append(kept, r)
			}
		case isSkinTone(r) && isPictographic(before):
			kept = append(kept, r) // base stays the emoji
		case unicode.Is(unicode.M, r):
			if base != 0 && marks < MaxMarks && (!isMongolianSelector(r) || unicode.Is(unicode.Mongolian, before)) {
				kept = append(kept, r)
				marks++
			}
		default:
			kept = append(kept, r)
			base, marks = r, 0
		}
	}
	return string(kept)
}

// tagRun returns the index after the run of Unicode tag characters that begins
// at i, and whether the run can name a flag.
func tagRun(runes []rune, i int) (end int, flag bool) {
	const longest = 7 // in runes: the code of a country, that of a region, and the last tag
	end = i
	for isTag(runeAt(runes, end)) {
		if end++; runes[end-1] == lastTag {
			return end, end-i > 1 && end-i <= longest
		}
	}
	return end, false
}

// joinsLetters reports whether a joiner or non-joiner r has a meaning between the runes
// before and after. That is so if both are of a joining script, or if r is a joiner that
// shapes the last letter of a word.
func joinsLetters(r, before, after rune) bool {
	if !isJoiningScript(before) {
		return false
	}
	if isJoiningScript(after) {
		return true
	}
	// After a virama, a mark that removes the vowel of a consonant, a joiner selects the
	// half form of the consonant.
	return r == joiner && unicode.Is(unicode.Mn, before)
}

// isJoiningScript reports whether r belongs to a script whose letters join.
func isJoiningScript(r rune) bool { return r > unicode.MaxLatin1 && unicode.In(r, joiningScripts...) }

var joiningScripts = []*unicode.RangeTable{
	unicode.Adlam, unicode.Arabic, unicode.Balinese, unicode.Bengali, unicode.Devanagari, unicode.Gujarati, unicode.Gurmukhi,
	unicode.Hanifi_Rohingya, unicode.Javanese, unicode.Kannada, unicode.Khmer, unicode.Malayalam, unicode.Mandaic, unicode.Mongolian,
	unicode.Myanmar, unicode.Nko, unicode.Oriya, unicode.Phags_Pa, unicode.Sinhala, unicode.Syriac, unicode.Tamil, unicode.Telugu, unicode.Tibetan,
}

// isKeycapBase reports whether r is a character that an emoji keycap can show.
func isKeycapBase(r rune) bool { return r >= '0' && r <= '9' || r == '#' || r == '*' }

func isSkinTone(r rune) bool { return r >= 0x1F3FB && r <= 0x1F3FF }

// isPictographic reports whether r is an emoji or can become one, that is,
// whether Unicode joins it with another emoji (rule GB11 of annex 29).
func isPictographic(r rune) bool {
	if r < 0xA9 || r == unicode.ReplacementChar || unicode.In(r, unicode.L, unicode.M, unicode.N) {
		return false
	}
	return uniseg.GraphemeClusterCount(string(r)+string(joiner)+"❤") == 1
}

func lastRune(runes []rune) rune { return runeAt(runes, len(runes)-1) }

// runeAt returns the rune at i, or 0 if i is out of range.
func runeAt(runes []rune, i int) rune {
	if i < 0 || i >= len(runes) {
		return 0
	}
	return runes[i]
}
