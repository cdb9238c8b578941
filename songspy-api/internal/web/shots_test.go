package web_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// nicknames are the names of the first listeners. The name of each other listener consists of a
// word of firstWords and a word of secondWords, and from the 1,025th listener on also of a number.
var (
	nicknames = []string{
		"민아", "Jonas", "서준", "달토끼", "Ines", "하루", "몽글몽글", "Theo", "윤슬", "Priya", "라디오헤드폰", "Camille", "지우", "새벽두시", "Oskar", "하람", "Noor", "은하수", "Bea", "도토리",
		"Mateo", "연두", "Sunniva", "귤한박스", "Kenji", "보리차", "Alma", "여름방학",
	}
	firstWords = []string{
		"파란", "느린", "졸린", "조용한", "늦은", "노란", "작은", "먼", "하얀", "둥근", "포근한", "수줍은", "맑은", "낡은", "깊은", "고요한",
		"배고픈", "춤추는", "비 오는", "금요일", "따뜻한", "엉뚱한", "용감한", "심심한", "반짝", "투명한", "새까만", "달콤한", "게으른", "멋쩍은", "오래된", "밤샘",
	}
	secondWords = []string{
		"고래", "토끼", "기차", "바다", "자전거", "우산", "구름", "라디오", "고양이", "편지", "등대", "호수", "창문", "나무", "산책", "운동화",
		"감자", "수달", "펭귄", "만두", "기타", "카세트", "베이스", "붕어빵", "택시", "여우", "레몬", "오리", "담요", "노트", "선풍기", "김밥",
	}
)

// song is a title, its artist, its album, and its length in seconds.
type song struct {
	title, artist, album string
	length               int
}

var songs = []song{
	{"밤의 가장자리", "유하린", "첫 번째 겨울", 231},
	{"Slow Harbour", "The Letterpress Club", "Tide Tables", 214},
	{"우리가 지나온 여름", "새벽우편", "여름 뒤", 247},
	{"Glasshouse", "Marlo Vance", "Rooms Without Doors", 198},
	{"창문을 열면", "이온도", "온도", 205},
	{"Northbound (feat. Lia Moreau)", "Kaito & The Lanterns", "Signals", 262},
	{"파도", "Sea of Pines", "물의 이름", 226},
	{"Everything I Meant To Say Before You Left The Room", "Juniper Hale", "Letters", 239},
	{"한낮의 꿈", "오후 네 시", "낮잠", 218},
	{"Bloom", "Ada Lindqvist", "Greenhouse", 187},
	{"Paper Moons", "Silver Alder", "Almanac", 221},
	{"느린 우체통", "정다온", "답장", 244},
	{"Static Garden", "Hollow Coast", "Static Garden", 256},
	{"귤빛 오후", "문라잇 세탁소", "동네 한 바퀴", 209},
	{"Velvet Hours", "Odette Rowe", "Nocturnes", 233},
	{"다정한 거짓말", "서하윤", "혼잣말", 228},
	{"Kite Season", "The Low Meadows", "Fieldwork", 195},
	{"막차", "도시산책", "열두 정거장", 241},
	{"Tangerine", "Mona Vale", "Citrus", 182},
	{"눈이 오기 전에", "한겨울밤", "첫눈", 252},
	{"Half Awake", "Night Ferry", "Crossings", 217},
	{"숲의 안쪽", "나래골", "초록", 236},
	{"Lanterns", "Iris & Oak", "Small Fires", 203},
	{"여전히 여기", "오래된 극장", "재상영", 229},
	{"Blue Hour Radio", "Cassette Bay", "Side B", 211},
	{"별일 없이", "이웃집 피아노", "안부", 224},
	{"Cartographer", "Elin Storm", "Maps", 249},
	{"물수제비", "강가에서", "돌멩이", 193},
	{"Sundial", "Hana Mori", "Noon", 208},
	{"오늘의 날씨", "맑음 뒤 흐림", "예보", 215},
}

// The first len(songs) listeners play the songs above. Most of the other listeners play songs whose
// titles consist of a word of moreFirst and a word of moreSecond, in English or in Korean.
var (
	moreFirst = [2][]string{
		{"Quiet", "Paper", "Winter", "Golden", "Hidden", "Silver", "Distant", "Velvet", "Summer", "Broken", "Little", "Electric", "Midnight", "Lonely", "Burning", "Secret", "Slow"},
		{"너의", "어느", "마지막", "여름밤의", "비 오는 날의", "우리의", "새벽", "잃어버린", "겨울", "오래된", "서울의", "혼자만의", "봄날의", "작은", "푸른", "내일의", "첫"},
	}
	moreSecond = [2][]string{
		{"Harbour", "Letters", "Orchard", "Signals", "Staircase", "Meadow", "Satellites", "Telephone", "Garden", "Weather", "Mirrors", "Avenue", "Lullaby", "Parade", "Rivers", "Postcards", "Motel", "Rain", "Gravity"},
		{"계절", "고백", "버스", "정류장", "편지", "춤", "바다", "인사", "약속", "노래", "산책", "안녕", "영화", "하루", "별", "사랑", "침대", "커피", "기억"},
	}
	moreArtists = []string{
		"Maren Holt", "초저녁 클럽", "The Velvet Commons", "도윤재", "Ottoline Grey", "낮달 상회", "Park & Rhodes", "유월 삼일", "Little Cathedral", "서리꽃밭", "Nadia Voss", "모래성", "Harbour Lights", "이안재", "Felix Amara",
		"고양이책방", "Sol Marin", "한여름밤", "The Late Trains", "소월로", "Ivy Calder", "노을빛", "Tomas Reyes", "두 번째 달력", "Wren Halloway", "해변가", "Copper Sky", "지안나무", "Luna Ferry", "밤산책", "Ezra Lindt",
		"빈티지 라디오", "The Quiet Hours", "온유월", "Mila Ashford", "파란 대문", "Glass Choir", "수채화방", "Noah Penn", "서촌 블루스", "Hazel & Finch",
	}
)

// newListener returns listener n, counted from 0. The name and the song are from the lists above.
func newListener(n int) songspy.BoardEntry {
	of := n*7 + n/len(songs)
	s := songs[of%len(songs)]
	if n >= len(songs) && n%12 == 0 {
		of = n / 12 % 6 // one listener in twelve plays one of the same six songs
		s = songs[of]
	} else if n >= len(songs) {
		first, second := moreFirst[n%2], moreSecond[n%2]
		s.title = first[n%len(first)] + " " + second[(n+n/len(first))%len(second)]
		s.artist, s.album = moreArtists[n*11%len(moreArtists)], s.title
	}
	p := newEntry(n+1, s.title, 0)
	nick := firstWords[n%len(firstWords)] + secondWords[(n+n/len(firstWords))%len(secondWords)]
	if again := n / (len(firstWords) * len(secondWords)); again > 0 {
		nick += strconv.Itoa(again + 1)
	}
	if n < len(nicknames) {
		nick = nicknames[n]
	}
	start := time.Now().Add(-time.Duration(45+n*37%120) * time.Second)
	end := start.Add(time.Duration(s.length) * time.Second)
	p.User.NickName, p.Playing.StartedAt, p.Playing.EndsAt = &nick, start, &end
	p.Track.ID, p.Track.PublicID, p.Track.DurationMS = songspy.TrackID(1000+of), songspy.PublicID(5000+of), int64(s.length)*1000
	p.Track.Artists, p.Track.ImageURL = s.artist, fmt.Sprintf("HERE/cover?%d", of)
	p.Track.ArtistRefs = []songspy.Artist{{URI: "spotify:artist:" + s.artist, Name: s.artist, URL: "https://open.spotify.com/artist/1"}}
	p.Track.AlbumRef = songspy.Album{URI: "spotify:album:1", Name: s.album, URL: "https://open.spotify.com/album/1"}
	return p
}

// newMany returns n listeners.
func newMany(n int) (entries []songspy.BoardEntry) {
	for i := range n {
		entries = append(entries, newListener(i))
	}
	return entries
}

// songsBefore returns six plays of the user, the newest first.
func (s *pageTest) songsBefore(id songspy.UserID) (plays []songspy.PlayWithTrack) {
	ended := time.Now().Add(-45 * time.Second)
	for n := range 6 {
		p := newListener(n + 1)
		start := ended.Add(-time.Duration(p.Track.DurationMS) * time.Millisecond)
		p.Track.ImageURL = strings.Replace(p.Track.ImageURL, "HERE", s.url, 1)
		plays = append(plays, songspy.PlayWithTrack{Play: songspy.Play{UserID: id, StartedAt: start, EndedAt: ended}, Track: p.Track})
		ended = start.Add(-time.Duration(n) * time.Minute)
	}
	return plays
}

// newLasting returns n listeners whose tracks end in more than an hour, so that no track ends during
// a test on a slow machine.
func newLasting(n int) []songspy.BoardEntry { return lasting(newMany(n)) }

// lasting makes the tracks of the entries an hour longer.
func lasting(entries []songspy.BoardEntry) []songspy.BoardEntry {
	for i := range entries {
		end := entries[i].Playing.EndsAt.Add(time.Hour)
		entries[i].Playing.EndsAt = &end
		entries[i].Track.DurationMS += time.Hour.Milliseconds()
	}
	return entries
}

// newListeners returns 24 listeners. Two of them play the same track, one plays an episode, and
// one a chapter.
func newListeners() []songspy.BoardEntry {
	entries := newMany(24)
	first, second := &entries[3], &entries[1]
	second.Track, second.Playing.StartedAt = first.Track, first.Playing.StartedAt.Add(14*time.Second)
	end := first.Playing.EndsAt.Add(14 * time.Second)
	second.Playing.EndsAt = &end
	for n, other := range map[int]songspy.Track{
		5: {Kind: songspy.KindEpisode, Title: "112화 겨울에 읽는 시", Artists: "밤의 서재"},
		7: {Kind: songspy.KindChapter, Title: "Chapter 4: The Lighthouse", Artists: "The Salt Road"},
	} {
		t := &entries[n].Track
		t.Kind, t.Title, t.Artists = other.Kind, other.Title, other.Artists
		t.PublicID, t.ArtistRefs, t.AlbumRef = songspy.PublicID(9000+n), nil, songspy.Album{URI: "spotify:show:1", Name: other.Artists, URL: "https://open.spotify.com/show/1"}
	}
	return entries
}

// withFollowed returns n listeners, and the ids of the five listeners that the viewer follows.
// The first listener is the viewer. One of the five plays the viewer's song, and began it four
// seconds after the viewer.
func withFollowed(n int) (entries []songspy.BoardEntry, followed []songspy.UserID) {
	entries = newMany(n)
	own, other := entries[0], &entries[2]
	start, end := own.Playing.StartedAt.Add(4*time.Second), own.Playing.EndsAt.Add(4*time.Second)
	other.Track, other.Playing.TrackURI, other.Playing.StartedAt, other.Playing.EndsAt = own.Track, own.Playing.TrackURI, start, &end
	for _, at := range []int{2, 4, 7, 10, 16} {
		followed = append(followed, entries[at].User.ID)
	}
	return entries, followed
}

// emulateMedia makes the browser report the given preferences of the viewer's system, such as a dark
// color scheme.
func emulateMedia(media ...*emulation.MediaFeature) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media})
		return err
	})
}

// shoot returns a picture of the front page: of the whole page if whole is true, else of the part
// that the viewer sees without scrolling. media are the preferences for emulateMedia.
func (s *pageTest) shoot(width, height int64, language string, whole bool, media ...*emulation.MediaFeature) []byte {
	s.t.Helper()
	tab := s.openTab(width, height, "")
	defer func() { _ = chromedp.Cancel(tab) }()
	err := chromedp.Do(tab, emulateMedia(media...), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		// All tabs share the browser's cookies, so a header chooses the language instead of the cookie.
		_, err := cdp.Call(ctx, target, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
		return err
	}), chromedp.Navigate(s.url+"/"))
	if err != nil {
		s.t.Fatal(err)
	}
	// A picture of the whole page would lack covers that the browser loads only when they are
	// scrolled into view, so the script makes it load all of them.
	s.waitFor(tab, `document.documentElement.lang === "`+language+`" && document.getElementById("main").dataset.started !== undefined &&
		(`+strconv.FormatBool(s.feed.viewer == 0)+` || document.querySelector(".match, .together")) &&
		(`+strconv.FormatBool(len(s.feed.entries) != 1)+` || document.querySelector("[data-before] .title")) &&
		(!document.body.classList.contains("nobody") || document.querySelector("[data-state]").textContent !== "") &&
		Array.from(document.images).every((i) => (i.loading = "eager", i.hidden || i.complete))`)
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

// TestPictures_OfTheREADME writes the pictures of the README; the command "make pictures" runs it.
// It does not check anything.
func TestPictures_OfTheREADME(t *testing.T) {
	dir := os.Getenv("SONGSPY_PICTURES")
	if dir == "" {
		t.Skip("SONGSPY_PICTURES names no folder for the pictures; make pictures sets it")
	}
	for name, p := range map[string]struct {
		width, height int64
		scheme, lang  string
	}{
		"page-light.png": {1280, 1500, "light", "en"},
		"page-dark.png":  {1280, 1500, "dark", "ko"},
		"page-phone.png": {390, 1300, "light", "ko"},
	} {
		picture := startPage(t, newListeners()).shoot(p.width, p.height, p.lang, false, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: p.scheme})
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
	for _, state := range []struct {
		name      string
		listeners int
		signedIn  bool
	}{{"0", 0, false}, {"1", 1, false}, {"24", 24, false}, {"1000", 1000, false}, {"1000-signed-in", 1000, true}, {"100000", 100_000, false}} {
		for size, box := range map[string][2]int64{"phone": {390, 844}, "desktop": {1440, 900}} {
			for _, scheme := range []string{"light", "dark"} {
				for _, lang := range []string{"ko", "en"} {
					entries, followed := newListeners(), []songspy.UserID(nil) // new entries for each picture, because the songs of older ones have ended
					switch {
					case state.signedIn:
						entries, followed = withFollowed(state.listeners)
					case state.listeners != len(entries):
						entries = newMany(state.listeners)
					}
					page := startPage(t, entries)
					page.feed.before = page.songsBefore
					if state.signedIn {
						page.feed.viewer, page.feed.followed = entries[0].User.ID, followed
					}
					picture := page.shoot(box[0], box[1], lang, true, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: scheme})
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("now-%s-%s-%s-%s.png", state.name, size, scheme, lang)), picture, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
