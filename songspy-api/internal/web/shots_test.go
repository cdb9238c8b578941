package web_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var (
	nicknames = []string{"민아", "Jonas", "서준", "달토끼", "Ines", "하루", "몽글몽글", "Theo", "윤슬", "Priya", "라디오헤드폰", "Camille", "지우", "새벽두시", "Oskar", "하람", "Noor", "은하수", "Bea", "도토리"}
	songs     = [][3]string{
		{"밤의 가장자리", "유하", "첫 번째 겨울"},
		{"Slow Harbour", "The Paper Kites Club", "Tide Tables"},
		{"우리가 지나온 여름", "새벽공방", "여름 뒤"},
		{"Glasshouse", "Marlo Vance", "Rooms Without Doors"},
		{"창문을 열면", "이온", "온도"},
		{"Northbound (feat. Lia Moreau)", "Kaito & The Lanterns", "Signals"},
		{"파도", "Sea Of Trees", "물의 이름"},
		{"Everything I Meant To Say Before You Left The Room", "Juniper Hale", "Letters"},
		{"한낮의 꿈", "오후 네 시", "한낮"},
		{"Bloom", "Ada Lindqvist", "Bloom"},
	}
)

// newListener returns the nth of many listeners.
func newListener(n int) songspy.BoardEntry {
	song := songs[(n*7+n/10)%len(songs)]
	p := newEntry(n+1, song[0], 7+n*13%170)
	nick := nicknames[n%len(nicknames)]
	if n >= len(nicknames) {
		nick += " " + strconv.Itoa(n/len(nicknames)+1)
	}
	end := p.Playing.StartedAt.Add(time.Duration(195+n*11%60) * time.Second)
	p.User.NickName, p.Playing.EndsAt = &nick, &end
	cover := (n*7 + n/10) % len(songs)
	p.Track.ID, p.Track.PublicID, p.Track.DurationMS = songspy.TrackID(1000+n*7%len(songs)), songspy.PublicID(5000+n), end.Sub(p.Playing.StartedAt).Milliseconds()
	p.Track.Artists, p.Track.ImageURL = song[1], fmt.Sprintf("HERE/cover?%d", cover)
	p.Track.ArtistRefs = []songspy.Artist{{URI: fmt.Sprintf("spotify:artist:%d", n), Name: song[1], URL: "https://open.spotify.com/artist/1"}}
	p.Track.AlbumRef = songspy.Album{URI: "spotify:album:1", Name: song[2], URL: "https://open.spotify.com/album/1"}
	return p
}

// newMany returns n listeners.
func newMany(n int) (entries []songspy.BoardEntry) {
	for i := range n {
		entries = append(entries, newListener(i))
	}
	return entries
}

// newListeners returns 24 listeners. Two of them hear the same track.
func newListeners() []songspy.BoardEntry {
	entries := newMany(24)
	entries[1].Track, entries[1].Playing.StartedAt = entries[3].Track, entries[3].Playing.StartedAt.Add(14*time.Second)
	entries[5].Track.Kind, entries[7].Track.Kind = songspy.KindEpisode, songspy.KindChapter
	return entries
}

// shoot returns a picture of the front page: of the first screen, or of the whole page.
func (s *pageTest) shoot(width, height int64, language string, whole bool, media ...*emulation.MediaFeature) []byte {
	s.t.Helper()
	tab := s.openTab(width, height, "")
	defer func() { _ = chromedp.Cancel(tab) }()
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media}); err != nil {
			return err
		}
		// All tabs share the browser's cookies, so the language is not in one.
		_, err := cdp.Call(ctx, target, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
		return err
	}), chromedp.Navigate(s.url+"/"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.waitFor(tab, `document.documentElement.lang === "`+language+`" && Array.from(document.querySelectorAll("img:not([loading])")).every((i) => i.hidden || i.complete)`)
	shot := chromedp.CaptureScreenshot()
	if whole {
		shot = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(tab, shot)
	if err != nil {
		s.t.Fatal(err)
	}
	return picture
}

// TestPictures_OfTheREADME writes the pictures of the README, as make pictures does. It
// does not check anything.
func TestPictures_OfTheREADME(t *testing.T) {
	dir := os.Getenv("SONGSPY_PICTURES")
	if dir == "" {
		t.Skip("SONGSPY_PICTURES names no folder for the pictures; make pictures sets it")
	}
	s := newPageTest(t, newListeners()...)
	for name, p := range map[string]struct {
		width, height int64
		scheme, lang  string
	}{
		"page-light.png": {1280, 1500, "light", "en"},
		"page-dark.png":  {1280, 1500, "dark", "ko"},
		"page-phone.png": {390, 1300, "light", "ko"},
	} {
		picture := s.shoot(p.width, p.height, p.lang, false, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: p.scheme})
		if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil { //nolint:gosec // a picture of the documentation
			t.Fatal(err)
		}
	}
}

// TestShots_OfTheFrontPage writes pictures of the whole front page for people to look at.
// It does not check anything.
func TestShots_OfTheFrontPage(t *testing.T) {
	dir := os.Getenv("SONGSPY_ARTEFACTS")
	if dir == "" {
		t.Skip("SONGSPY_ARTEFACTS names no folder for the pictures; make test-page sets it")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // others may look at the pictures
		t.Fatal(err)
	}
	for _, listeners := range []int{0, 1, 24, 1000} {
		t.Run(strconv.Itoa(listeners), func(t *testing.T) {
			entries := newListeners()
			if listeners != len(entries) {
				entries = newMany(listeners)
			}
			s := newPageTest(t, entries...)
			for size, box := range map[string][2]int64{"phone": {390, 844}, "desktop": {1440, 900}} {
				for _, scheme := range []string{"light", "dark"} {
					for _, lang := range []string{"ko", "en"} {
						picture := s.shoot(box[0], box[1], lang, true, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
						if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("now-%d-%s-%s-%s.png", listeners, size, scheme, lang)), picture, 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}
