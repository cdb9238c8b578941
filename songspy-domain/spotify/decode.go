package spotify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/v1"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

const (
	// nameMaxRunes is the length of the longest name (title, artist, album)
	// that is stored, in runes. Longer names are cut.
	nameMaxRunes = 1000
	// uriMaxBytes is the longest URI that is stored unchanged, in bytes. A longer one
	// is replaced by its hash, because database indexes limit the length. The URI of a
	// local file can be long: it contains artist, album and title, percent-encoded.
	uriMaxBytes = 2048
	// imageWidth is the width, in pixels, of the covers on the board.
	imageWidth = 300
	// artistsMax is the largest number of artists that are read with their URIs. If a
	// track has more, only the names of its artists are read.
	artistsMax = 500
	// trackMillisMax is the longest track length or progress that is believed,
	// in milliseconds. Larger values count as missing.
	trackMillisMax = 1e10
)

// playerBody is the part of currently-playing's answer that is used.
type playerBody struct {
	IsPlaying  optionalBool   `json:"is_playing"`
	ProgressMS optionalMillis `json:"progress_ms"`
	Type       string         `json:"currently_playing_type"`
	Item       *item          `json:"item"`
}

// optionalBool is a boolean that may be missing. Anything but true and false
// counts as missing.
type optionalBool struct{ known, set bool }

// UnmarshalJSON implements json.Unmarshaler.
func (f *optionalBool) UnmarshalJSON(b []byte) error {
	f.set = string(b) == "true"
	f.known = f.set || string(b) == "false"
	return nil
}

// optionalMillis is a number of milliseconds that may be missing. Anything but a number
// from 0 to trackMillisMax counts as missing.
type optionalMillis struct {
	known bool
	n     int64
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *optionalMillis) UnmarshalJSON(b []byte) error {
	*m = optionalMillis{}
	if n, err := strconv.ParseFloat(string(b), 64); err == nil && n >= 0 && n <= trackMillisMax {
		*m = optionalMillis{known: true, n: int64(n)}
	}
	return nil
}

// item is a track, an episode or a chapter.
type item struct {
	ID           string         `json:"id"`
	URI          string         `json:"uri"`
	Type         string         `json:"type"`
	Name         string         `json:"name"`
	IsLocal      bool           `json:"is_local"`
	DurationMS   optionalMillis `json:"duration_ms"`
	PreviewURL   string         `json:"preview_url"`
	ExternalURLs struct {
		Spotify string `json:"spotify"`
	} `json:"external_urls"`
	ExternalIDs struct {
		ISRC string `json:"isrc"`
	} `json:"external_ids"`
	Artists []reference `json:"artists"`
	Album   collection  `json:"album"`
	Show    collection  `json:"show"`
	Book    collection  `json:"audiobook"`
	Images  []image     `json:"images"`
}

// reference is an artist of a track.
type reference struct {
	URI  string `json:"uri"`
	Name string `json:"name"`
}

// collection is an album, a show or an audiobook.
type collection struct {
	URI    string  `json:"uri"`
	Name   string  `json:"name"`
	Images []image `json:"images"`
}

type image struct {
	URL   string  `json:"url"`
	Width float64 `json:"width"`
}

func unreadableObservation(at time.Time) songspy.Observation {
	return songspy.Observation{Kind: songspy.ObservedUnreadable, Progress: songspy.UnknownProgress, At: at}
}

// readPlayer converts the body of a 200 of currently-playing into an observation. If the
// body is not JSON, it returns an error, so that the call counts as failed. JSON without
// usable content, or an empty body, becomes an unreadable observation, because another
// call would get the same answer.
func readPlayer(body []byte, at time.Time) (songspy.Observation, error) {
	if len(body) == 0 {
		return unreadableObservation(at), nil
	}
	p, err := decode[playerBody](body)
	if err != nil {
		return songspy.Observation{}, err
	}
	progress := songspy.UnknownProgress
	if p.ProgressMS.known {
		progress = time.Duration(p.ProgressMS.n) * time.Millisecond
	}
	switch p.Type {
	case "ad":
		return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: progress, At: at}, nil
	case "track", "episode", "chapter", "":
	default:
		return unreadableObservation(at), nil
	}
	if p.Item == nil || !p.IsPlaying.known {
		return unreadableObservation(at), nil
	}
	track, ok := p.Item.toTrack(p.Type)
	if !ok {
		return unreadableObservation(at), nil
	}
	observed := songspy.ObservedPaused
	if p.IsPlaying.set {
		observed = songspy.ObservedPlaying
	}
	return songspy.Observation{Kind: observed, Track: track, Progress: progress, At: at}, nil
}

// inOnePass holds options with which jsonv2.Unmarshal reads like json.Unmarshal, but stops at the
// first error. So it does not check the syntax of the whole text before it begins, which would take
// a quarter of the time.
var inOnePass = jsonv2.JoinOptions(json.DefaultOptionsV1(), json.ReportErrorsWithLegacySemantics(false))

// decode reads JSON. Fields whose value has the wrong JSON type stay zero. decode returns
// an error only if body is not valid JSON.
func decode[T any](body []byte) (T, error) {
	var v T
	if jsonv2.Unmarshal(body, &v, inOnePass) == nil {
		return v, nil
	}
	var again T // a new value, because some fields of v may be set
	err := json.Unmarshal(body, &again)
	if err == nil {
		return again, nil
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return again, nil
	}
	return again, unavailable(errors.New("spotify's answer is not valid JSON, or was cut off"), 0)
}

// toTrack converts the item into a track. playingType is the kind of the item according
// to the field currently_playing_type: "track", "episode", "chapter" or "". toTrack
// returns false if the item has neither a URI nor a valid ID, or if it is a local file
// without a URI.
func (i *item) toTrack(playingType string) (songspy.Track, bool) {
	t := songspy.Track{URI: cleanID(i.URI, len(i.URI)), Title: sanitize.Text(i.Name, nameMaxRunes), DurationMS: i.DurationMS.n}
	switch {
	case i.IsLocal || songspy.IsLocal(t.URI):
		t.Kind, t.URI = songspy.KindLocal, songspy.LocalURI(t.URI)
	case strings.HasPrefix(t.URI, "spotify:chapter:"), i.Type == "chapter", playingType == "chapter":
		t.Kind = songspy.KindChapter
	case strings.HasPrefix(t.URI, "spotify:episode:"), i.Type == "episode", playingType == "episode":
		t.Kind = songspy.KindEpisode
	default:
		t.Kind = songspy.KindTrack
	}
	id := i.ID
	if !isBase62ID(id) {
		id = ""
	}
	switch {
	case t.URI != "":
	case id == "" || t.Kind == songspy.KindLocal:
		return songspy.Track{}, false
	default:
		t.URI = "spotify:" + string(t.Kind) + ":" + id
	}
	if len(t.URI) > uriMaxBytes {
		sum := sha256.Sum256([]byte(t.URI))
		t.URI = "spotify:" + string(t.Kind) + ":sha256-" + hex.EncodeToString(sum[:])
	}
	switch t.Kind {
	case songspy.KindEpisode:
		t.Artists = sanitize.Text(cmp.Or(i.Show.Name, i.Book.Name), nameMaxRunes)
		t.AlbumRef = cmp.Or(i.Show.toAlbum("show"), i.Book.toAlbum("show", "audiobook"))
		t.ImageURL = pickImage(i.Images, i.Show.Images, i.Book.Images)
	case songspy.KindChapter:
		t.Artists = sanitize.Text(cmp.Or(i.Book.Name, i.Show.Name), nameMaxRunes)
		t.AlbumRef = cmp.Or(i.Book.toAlbum("show", "audiobook"), i.Show.toAlbum("show"))
		t.ImageURL = pickImage(i.Images, i.Book.Images, i.Show.Images)
	default:
		t.Artists = sanitize.Text(i.artistNames(), nameMaxRunes)
		t.Album = sanitize.Text(i.Album.Name, nameMaxRunes)
		if t.Kind == songspy.KindLocal {
			return t, true
		}
		t.ArtistRefs, t.AlbumRef = i.toArtists(), i.Album.toAlbum("album")
		t.ImageURL = t.AlbumRef.ImageURL
		if t.ImageURL == "" {
			t.ImageURL = pickImage(i.Album.Images, i.Images)
		}
	}
	t.URL = sanitize.WebURL(i.ExternalURLs.Spotify)
	if t.URL == "" && id != "" {
		page := t.Kind
		if page == songspy.KindChapter {
			page = songspy.KindEpisode // chapters have the pages of episodes
		}
		t.URL = "https://open.spotify.com/" + string(page) + "/" + id
	}
	t.PreviewURL = sanitize.WebURL(i.PreviewURL)
	t.ISRC = cleanID(i.ExternalIDs.ISRC, 32)
	return t, true
}

// artistNames joins the names of the artists that have one.
func (i *item) artistNames() string {
	if len(i.Artists) == 1 {
		return i.Artists[0].Name
	}
	names := make([]string, 0, len(i.Artists))
	for _, a := range i.Artists {
		if a.Name != "" {
			names = append(names, a.Name)
		}
	}
	return strings.Join(names, ", ")
}

// toArtists returns the artists with their URIs, without empty entries. It returns nil if
// one of them has no valid URI, or if there are more than artistsMax. Then the artists
// that a user hides are compared with the names of the track's artists instead.
func (i *item) toArtists() []songspy.Artist {
	if len(i.Artists) == 0 || len(i.Artists) > artistsMax {
		return nil
	}
	artists := make([]songspy.Artist, 0, len(i.Artists))
	for _, a := range i.Artists {
		page := spotifyPage(a.URI, "artist")
		switch {
		case page != "":
			artists = append(artists, songspy.Artist{URI: a.URI, Name: sanitize.Text(a.Name, nameMaxRunes), URL: page})
		case a.Name != "" || a.URI != "":
			return nil
		}
	}
	return artists
}

// toAlbum returns the collection as an album, or the zero value if the kind in its URI
// is not one of the given kinds. For example, the kind in spotify:album:… is "album".
func (c *collection) toAlbum(kinds ...string) songspy.Album {
	for _, kind := range kinds {
		if page := spotifyPage(c.URI, kind); page != "" {
			return songspy.Album{URI: c.URI, Name: sanitize.Text(c.Name, nameMaxRunes), URL: page, ImageURL: pickImage(c.Images)}
		}
	}
	return songspy.Album{}
}

// spotifyPage returns the address of the page of an artist, an album, a show or an
// audiobook at Spotify. It returns "" if uri is not a Spotify URI of the given kind.
func spotifyPage(uri, kind string) string {
	rest, ok := strings.CutPrefix(uri, "spotify:")
	if !ok {
		return ""
	}
	id, ok := strings.CutPrefix(rest, kind+":")
	if !ok || !isBase62ID(id) {
		return ""
	}
	if kind == "audiobook" {
		kind = "show" // audiobooks have the pages of shows
	}
	return "https://open.spotify.com/" + kind + "/" + id
}

// pickImage returns the URL of a cover image. It takes the first set that has an image
// with a valid URL, and of that set the image whose width is closest to imageWidth. It
// returns "" if there is none.
func pickImage(sets ...[]image) string {
	for _, images := range sets {
		best, far := "", 0.0
		for _, im := range images {
			width := im.Width
			if width <= 0 {
				width = 2 * imageWidth // unknown: about the width of Spotify's largest images, which is 640
			}
			distance := max(width-imageWidth, imageWidth-width)
			if best != "" && distance >= far {
				continue
			}
			if u := sanitize.WebURL(im.URL); u != "" {
				best, far = u, distance
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// readAccount converts the body of /v1/me into an account. It returns an error if the
// body names no account.
func readAccount(body []byte) (songspy.SpotifyAccount, error) {
	me, err := decode[struct {
		AccountID   string `json:"account_id"`
		ID          string `json:"id"`
		DisplayName string `json:"display_name"`
	}](body)
	if err != nil {
		return songspy.SpotifyAccount{}, err
	}
	a := songspy.SpotifyAccount{
		AccountID:   cleanID(me.AccountID, nameMaxRunes),
		ID:          cleanID(me.ID, nameMaxRunes),
		DisplayName: sanitize.Text(me.DisplayName, nameMaxRunes),
	}
	if a.AccountID == "" && a.ID == "" {
		return songspy.SpotifyAccount{}, unavailable(errors.New("spotify's answer names no account"), 0)
	}
	return a, nil
}

// readHistory converts the body of recently-played into its items, oldest
// first. It skips items that lack the track or the time.
func readHistory(body []byte) ([]songspy.HistoryItem, error) {
	if len(body) == 0 {
		return nil, nil
	}
	answer, err := decode[struct {
		Items []json.RawMessage `json:"items"`
	}](body)
	if err != nil {
		return nil, err
	}
	answer.Items = answer.Items[:min(len(answer.Items), songspy.HistoryItemsMax)]
	items := make([]songspy.HistoryItem, 0, len(answer.Items))
	for _, raw := range answer.Items {
		if item, ok := readHistoryItem(raw); ok {
			items = append(items, item)
		}
	}
	slices.SortStableFunc(items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	return items, nil
}

// readHistoryItem converts one item of recently-played. It returns false if the
// item has no valid track or time.
func readHistoryItem(raw []byte) (songspy.HistoryItem, bool) {
	entry, err := decode[struct {
		PlayedAt string `json:"played_at"`
		Track    *item  `json:"track"`
	}](raw)
	if err != nil || entry.Track == nil {
		return songspy.HistoryItem{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, entry.PlayedAt)
	if err != nil || at.Unix() <= 0 {
		return songspy.HistoryItem{}, false
	}
	track, ok := entry.Track.toTrack("track")
	return songspy.HistoryItem{Track: track, PlayedAt: songspy.HistoryItemKey(at, track)}, ok
}

// isBase62ID reports whether s looks like one of Spotify's base-62 IDs.
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

// cleanID removes the characters from an ID that databases and pages cannot handle:
// control characters, direction embeddings and isolates, and invalid UTF-8. Tabs and line
// breaks become spaces. It keeps at most the given number of runes. Unlike sanitize.Text it
// does not normalize, because that could make two different IDs equal.
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

// cleanRune returns a space for a tab or a line break, -1 for a rune that strings.Map must
// remove, and any other rune unchanged.
func cleanRune(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85, r == 0x2028, r == 0x2029:
		return ' '
	case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
		return -1
	}
	return r
}
