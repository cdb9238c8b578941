package embeds_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/embeds"
)

// seen returns an entry as the holder of a token sees it.
func seen(t testing.TB, track songspy.Track) *visibility.Seen[songspy.BoardEntry] {
	t.Helper()
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	entry := songspy.BoardEntry{User: songspy.User{ID: 7}, Track: track, Playing: songspy.NowPlaying{StartedAt: start}}
	rule := visibility.Rule{Owner: 7, Periods: []songspy.Sharing{{UserID: 7, BeganAt: start.Add(-time.Hour), Now: songspy.AudienceLink}}}
	s, ok := visibility.Reveal(&entry, 7, rule, visibility.NowThing(&entry.Track, start), visibility.LinkHolder(visibility.Anonymous(), 7), start)
	if !ok {
		t.Fatal("the entry is not visible")
	}
	return &s
}

func song(title, artists string) songspy.Track {
	return songspy.Track{Kind: songspy.KindTrack, Title: title, Artists: artists}
}

// elements returns the names of the elements of an image, its texts and its references.
func elements(t testing.TB, image []byte) (names map[string]int, texts map[string][]string, references []string) {
	t.Helper()
	names, texts = map[string]int{}, map[string][]string{}
	var open []string
	d := xml.NewDecoder(strings.NewReader(string(image)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, texts, references
		}
		if err != nil {
			t.Fatalf("the image is not XML: %v\n%s", err, image)
		}
		switch token := token.(type) {
		case xml.StartElement:
			names[token.Name.Local]++
			open = append(open, token.Name.Local)
			for _, a := range token.Attr {
				if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || a.Name.Local == "style" {
					t.Errorf("the image has the attribute %s", a.Name.Local)
				}
				if a.Name.Local == "href" || strings.Contains(a.Value, "url(") {
					references = append(references, a.Value)
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				texts[open[len(open)-1]] = append(texts[open[len(open)-1]], text)
			}
		case xml.ProcInst, xml.Directive:
			t.Errorf("the image has an instruction: %v", token)
		}
	}
}

func TestDraw_AnyTitleIsTextOnlyAndNothingIsLoaded(t *testing.T) {
	allowed := map[string]bool{"svg": true, "title": true, "defs": true, "clipPath": true, "rect": true, "image": true, "g": true, "text": true, "path": true}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(<script>|</text>|"|'|&|\]\]>|<!--|\x00|가|👩‍👩‍👧|W| )*`))
		title := text.Draw(rt, "title")
		art := "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(text.Draw(rt, "art")))
		style := embeds.Style{Dark: rapid.Bool().Draw(rt, "dark"), English: rapid.Bool().Draw(rt, "english")}
		names, texts, references := elements(t, embeds.Draw(seen(t, song(title, text.Draw(rt, "artists"))), art, style))
		for name := range names {
			if !allowed[name] {
				rt.Fatalf("the image has the element %s", name)
			}
		}
		if names["text"] > 3 || len(texts["title"]) > 1 {
			rt.Fatalf("a title made elements: %v", names)
		}
		for _, r := range references {
			if !strings.HasPrefix(r, "data:image/png;base64,") && r != "url(#art)" && r != "url(#text)" {
				rt.Fatalf("the image refers to %q", r)
			}
		}
	})
}

func TestDraw_ALongTitleEndsWithAnEllipsisAndIsWholeInTheTitle(t *testing.T) {
	for name, title := range map[string]string{
		"Korean": strings.Repeat("아주 긴 노래 제목 ", 20), "English": strings.Repeat("A very long title ", 20),
		"families": strings.Repeat("👩‍👩‍👧", 60), "wide letters": strings.Repeat("W", 200), "marks": strings.Repeat("é", 300),
	} {
		_, texts, _ := elements(t, embeds.Draw(seen(t, song(title, "Artist")), "", embeds.Style{}))
		if got, want := texts["title"][0], strings.TrimSpace(title)+" "; !strings.HasPrefix(got, strings.TrimSpace(want)) || !strings.HasSuffix(got, "— Artist") {
			t.Errorf("%s: <title> is %q, want the whole title", name, got)
		}
		shown := texts["text"][1]
		whole := strings.TrimSuffix(shown, "…")
		if whole == shown || !strings.HasPrefix(title, whole) || len(whole) == 0 {
			t.Errorf("%s: the title is shown as %q, want its beginning and an ellipsis", name, shown)
		}
		if strings.HasSuffix(whole, "\u200d") || name == "families" && len(whole)%len("👩‍👩‍👧") != 0 {
			t.Errorf("%s: a character is cut: %q", name, shown)
		}
	}
}

func TestDraw_AShortTitleIsShownWhole(t *testing.T) {
	_, texts, _ := elements(t, embeds.Draw(seen(t, song("밤편지", "아이유")), "", embeds.Style{}))
	if got := strings.Join(texts["text"], "|"); got != "지금 듣는 중|밤편지|아이유" {
		t.Errorf("the texts are %s", got)
	}
}

func TestDraw_TheLogoBelongsToContentOfSpotify(t *testing.T) {
	local := song("A file", "Nobody")
	local.Kind = songspy.KindLocal
	for name, c := range map[string]struct {
		playing *visibility.Seen[songspy.BoardEntry]
		want    int
	}{"a track": {seen(t, song("One", "Two")), 1}, "a local file": {seen(t, local), 0}, "nothing": {nil, 0}} {
		if names, _, _ := elements(t, embeds.Draw(c.playing, "", embeds.Style{})); names["path"] != c.want {
			t.Errorf("%s: the image has %d logos, want %d", name, names["path"], c.want)
		}
	}
}
