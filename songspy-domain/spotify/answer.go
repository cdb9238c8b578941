package spotify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/outside"
)

const (
	// textMax is the longest name that is kept, in runes.
	textMax = 1000
	// uriMax is the longest URI that is an identity as it stands, in bytes; a
	// local file's holds its names percent-encoded, and an index has its limits.
	uriMax = 2048
	// imageWidth is the width, in pixels, that a cover on the board wants.
	imageWidth = 300
)

// item is a track or an episode.
type item struct {
	ID         string
	URI        string
	Type       string
	Name       string
	IsLocal    bool
	DurationMS int64 // 0: untold
	PreviewURL string
	URL        string
	ISRC       string
	Artists    []string
	Album      collection
	Show       collection
	Images     []image
}

// collection is an album or a show.
type collection struct {
	Name   string
	Images []image
}

type image struct {
	URL   string
	Width float64 // 0: untold
}

// itemOf reads an item, which may be missing.
func itemOf(v *fastjson.Value) *item {
	i := &item{
		ID: text(v, "id"), URI: text(v, "uri"), Type: text(v, "type"), Name: text(v, "name"), IsLocal: v.GetBool("is_local"),
		PreviewURL: text(v, "preview_url"), URL: text(v, "external_urls", "spotify"), ISRC: text(v, "external_ids", "isrc"),
		Album: collectionOf(v.Get("album")), Show: collectionOf(v.Get("show")), Images: imagesOf(v),
	}
	i.DurationMS, _ = milliseconds(v.Get("duration_ms"))
	for _, artist := range v.GetArray("artists") {
		i.Artists = append(i.Artists, text(artist, "name"))
	}
	return i
}

func collectionOf(v *fastjson.Value) collection {
	return collection{Name: text(v, "name"), Images: imagesOf(v)}
}

func imagesOf(v *fastjson.Value) (images []image) {
	for _, i := range v.GetArray("images") {
		images = append(images, image{URL: text(i, "url"), Width: i.GetFloat64("width")})
	}
	return images
}

func unreadable(at time.Time) songspy.Observation {
	return songspy.Observation{Sighting: songspy.SightingUnreadable, Progress: songspy.UnknownProgress, At: at}
}

// readPlayer turns the body of a 200 into an observation. A body that is no
// JSON is a failed call; JSON that says nothing usable is a sighting, since
// asking again would not change it.
func readPlayer(body []byte, at time.Time) (songspy.Observation, error) {
	if len(body) == 0 {
		return unreadable(at), nil
	}
	return read(body, func(v *fastjson.Value) songspy.Observation { return player(v, at) })
}

func player(v *fastjson.Value, at time.Time) songspy.Observation {
	progress := songspy.UnknownProgress
	if ms, known := milliseconds(v.Get("progress_ms")); known {
		progress = time.Duration(ms) * time.Millisecond
	}
	playing := text(v, "currently_playing_type")
	switch playing {
	case "ad":
		return songspy.Observation{Sighting: songspy.SightingAdvertisement, Progress: progress, At: at}
	case "track", "episode", "":
	default:
		return unreadable(at)
	}
	o := songspy.Observation{Progress: progress, At: at}
	switch is := v.Get("is_playing"); {
	case is == nil:
		return unreadable(at)
	case is.Type() == fastjson.TypeTrue:
		o.Sighting = songspy.SightingPlaying
	case is.Type() == fastjson.TypeFalse:
		o.Sighting = songspy.SightingPaused
	default:
		return unreadable(at)
	}
	var ok bool
	if o.Track, ok = itemOf(v.Get("item")).track(playing); !ok {
		return unreadable(at)
	}
	return o
}

// track is the item in our words; false if nothing tells which track it is.
func (i *item) track(playing string) (songspy.Track, bool) {
	t := songspy.Track{URI: clean(i.URI, len(i.URI)), Title: clean(i.Name, textMax), DurationMS: i.DurationMS}
	switch {
	case i.IsLocal || strings.HasPrefix(t.URI, "spotify:local:"):
		t.Kind = songspy.KindLocal
	case strings.HasPrefix(t.URI, "spotify:episode:"), i.Type == "episode", playing == "episode":
		t.Kind = songspy.KindEpisode
	default:
		t.Kind = songspy.KindTrack
	}
	id := i.ID
	if !plainID(id) {
		id = ""
	}
	switch {
	case t.URI != "":
	case id == "" || t.Kind == songspy.KindLocal:
		return songspy.Track{}, false
	default:
		t.URI = "spotify:" + string(t.Kind) + ":" + id
	}
	if len(t.URI) > uriMax {
		sum := sha256.Sum256([]byte(t.URI))
		t.URI = "spotify:" + string(t.Kind) + ":sha256-" + hex.EncodeToString(sum[:])
	}
	if t.Kind == songspy.KindEpisode {
		t.Artists = clean(i.Show.Name, textMax)
		t.ImageURL = cover(i.Images, i.Show.Images)
	} else {
		t.Artists = clean(i.artists(), textMax)
		t.Album = clean(i.Album.Name, textMax)
		t.ImageURL = cover(i.Album.Images, i.Images)
	}
	if t.Kind == songspy.KindLocal {
		t.ImageURL = ""
		return t, true
	}
	t.URL = outside.WebURL(i.URL)
	if t.URL == "" && id != "" {
		t.URL = "https://open.spotify.com/" + string(t.Kind) + "/" + id
	}
	t.PreviewURL = outside.WebURL(i.PreviewURL)
	t.ISRC = clean(i.ISRC, 32)
	return t, true
}

// artists joins the names there are.
func (i *item) artists() string {
	if len(i.Artists) == 1 {
		return i.Artists[0]
	}
	names := make([]string, 0, len(i.Artists))
	for _, name := range i.Artists {
		if name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// cover is the image nearest to imageWidth of the first set that has a usable one.
func cover(sets ...[]image) string {
	for _, images := range sets {
		best, far := "", 0.0
		for _, im := range images {
			width := im.Width
			if width <= 0 {
				width = 2 * imageWidth // untold; Spotify's largest is 640
			}
			distance := max(width-imageWidth, imageWidth-width)
			if best != "" && distance >= far {
				continue
			}
			if u := outside.WebURL(im.URL); u != "" {
				best, far = u, distance
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// readAccount turns the body of /v1/me into an account.
func readAccount(body []byte) (songspy.Account, error) {
	a, err := read(body, func(v *fastjson.Value) songspy.Account {
		return songspy.Account{
			AccountID:   clean(text(v, "account_id"), textMax),
			ID:          clean(text(v, "id"), textMax),
			DisplayName: clean(text(v, "display_name"), textMax),
		}
	})
	if err == nil && a.AccountID == "" && a.ID == "" {
		err = unavailable(errors.New("spotify's answer names no account"), 0)
	}
	if err != nil {
		return songspy.Account{}, err
	}
	return a, nil
}
