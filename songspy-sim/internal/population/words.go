package population

import "strings"

// The words below form the names in the catalogue and of people. These names mix languages
// and scripts, as those at Spotify do. Some of them are likely to break page layouts,
// databases and code that cuts strings.

var (
	adjectives = []string{"Paper", "Quiet", "Electric", "Borrowed", "Winter", "Golden", "Hollow", "Neon", "Distant", "Second", "Velvet", "Glass", "Tidal", "Restless", "Salted", "Amber", "Lucid", "Northbound", "Feral", "Sunday"}
	nouns      = []string{"Harbour", "Lanterns", "Machine", "Orchard", "Signals", "Avenue", "Satellites", "Kitchen", "Weather", "Cartographer", "Mirrors", "Static", "Parade", "Gardens", "Elevator", "Umbrella", "Tigers", "Postcards", "Railway", "Ghosts"}
	tails      = []string{"", "", "", " (Live)", " – Remastered 2019", " (feat. Nobody)", ", Pt. 2", " [Demo]"}

	koreanFirst    = []string{"푸른", "새벽", "조용한", "오래된", "흐린", "작은", "낯선", "하얀", "여름", "마지막"}
	koreanSecond   = []string{"골목", "편지", "정류장", "바다", "우산", "창문", "노을", "라디오", "그림자", "약속"}
	japaneseFirst  = []string{"透明な", "真夜中の", "遠い", "錆びた", "夏の", "静かな", "空白の"}
	japaneseSecond = []string{"信号", "自転車", "プール", "手紙", "観覧車", "ラムネ", "海岸線"}
	arabicFirst    = []string{"قمر", "طريق", "شارع", "نافذة", "صوت"}
	arabicSecond   = []string{"المدينة", "البحر", "المساء", "الصيف", "الذاكرة"}
	hebrewFirst    = []string{"שירי", "רחוב", "אור", "חלון"}
	hebrewSecond   = []string{"הלילה", "הים", "החורף", "העיר"}
	romance        = []string{"Été à Nîmes", "Canção do Porão", "Mañana, Quizás", "Über den Dächern", "Señal Perdida", "Ça Ira Mieux", "Þögn"}
	emoji          = []string{"🌙✨", "🚲💨", "👩🏽‍🚀", "🏳️‍🌈", "🔥🔥🔥", "👨‍👩‍👧‍👦", "🫠", "🇰🇷"}
	awkward        = []string{`"Quoted" & <b>Bold</b>`, `Back\slash`, "Tab\tStop", "Line\nBreak", "'; DROP TABLE tracks; --", "%s %d {{.}}", "e\u0301 (two runes)", "zero\u200bwidth", "50% Off / 100% On", "?=&#"}

	givenNames  = []string{"Mina", "Jun", "Sora", "Haneul", "Elio", "Priya", "Tomas", "Yuki", "Amara", "Noor", "Ivo", "Lena", "Kofi", "Marta", "Ravi", "Wren"}
	familyNames = []string{"Kim", "Park", "Lee", "Okafor", "Silva", "Tanaka", "Novak", "Haddad", "Larsen", "Moreau", "Iyer", "Castillo"}
	nicknames   = []string{"별빛", "밤산책", "lofi-otter", "sora", "ねこ", "moss", "kimchi🎧", "northbound", "하늘고래", "vinylmouse", "Zoë", "quietloud"}
	shows       = []string{"Slow News, Fast Trains", "밤의 라디오", "The Spare Key", "Kitchen Physics", "深夜便り", "Two Left Headphones"}
)

func pick(r *random, list []string) string {
	return list[r.next()%uint64(len(list))]
}

// newTitle returns a random name for a track or an album.
func newTitle(r *random) string {
	switch n := r.next() % 100; {
	case n < 52:
		return pick(r, adjectives) + " " + pick(r, nouns) + pick(r, tails)
	case n < 72:
		return pick(r, koreanFirst) + " " + pick(r, koreanSecond)
	case n < 82:
		return pick(r, japaneseFirst) + pick(r, japaneseSecond)
	case n < 86:
		return pick(r, arabicFirst) + " " + pick(r, arabicSecond)
	case n < 89:
		return pick(r, hebrewFirst) + " " + pick(r, hebrewSecond)
	case n < 93:
		return pick(r, romance)
	case n < 96:
		return pick(r, emoji) + " " + pick(r, nouns)
	case n < 98:
		return pick(r, awkward)
	case n < 99:
		return newLongTitle(r)
	default:
		return strings.Repeat("아", int(r.between(1, 3))) // very short
	}
}

// newLongTitle returns a random title of about 700 bytes, which is longer than most database
// columns and layouts allow.
func newLongTitle(r *random) string {
	var b strings.Builder
	for b.Len() < 700 {
		b.WriteString(pick(r, adjectives) + " " + pick(r, nouns) + ", " + pick(r, koreanSecond) + "; ")
	}
	return strings.TrimRight(b.String(), "; ")
}

// newArtist returns a random name for an artist.
func newArtist(r *random) string {
	switch n := r.next() % 10; {
	case n < 5:
		return "The " + pick(r, adjectives) + " " + pick(r, nouns)
	case n < 7:
		return pick(r, koreanFirst) + pick(r, koreanSecond)
	case n < 8:
		return pick(r, japaneseSecond) + " " + pick(r, nouns)
	default:
		return pick(r, givenNames) + " " + pick(r, familyNames)
	}
}
