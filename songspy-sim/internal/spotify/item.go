package spotify

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/songspy/songspy/songspy-sim/internal/population"
)

// reference is how a track in an answer refers to an artist or an album. The artists of a
// local file have only names: href, id and uri are null.
type reference struct {
	ExternalURLs map[string]string `json:"external_urls"`
	Href         *string           `json:"href"`
	ID           *string           `json:"id"`
	Name         string            `json:"name"`
	Type         string            `json:"type"`
	URI          *string           `json:"uri"`
}

type album struct {
	AlbumType            *string           `json:"album_type"`
	Artists              []reference       `json:"artists"`
	ExternalURLs         map[string]string `json:"external_urls"`
	Href                 *string           `json:"href"`
	ID                   *string           `json:"id"`
	Images               []image           `json:"images"`
	Name                 string            `json:"name"`
	ReleaseDate          *string           `json:"release_date"`
	ReleaseDatePrecision *string           `json:"release_date_precision"`
	Type                 string            `json:"type"`
	URI                  *string           `json:"uri"`
}

type track struct {
	Album        album             `json:"album"`
	Artists      []reference       `json:"artists"`
	DiscNumber   int               `json:"disc_number"`
	DurationMS   int64             `json:"duration_ms"`
	Explicit     bool              `json:"explicit"`
	ExternalIDs  map[string]string `json:"external_ids"`
	ExternalURLs map[string]string `json:"external_urls"`
	Href         *string           `json:"href"`
	ID           *string           `json:"id"`
	IsLocal      bool              `json:"is_local"`
	Name         string            `json:"name"`
	PreviewURL   *string           `json:"preview_url"`
	TrackNumber  int               `json:"track_number"`
	Type         string            `json:"type"`
	URI          string            `json:"uri"`
}

type show struct {
	Description  string            `json:"description"`
	ExternalURLs map[string]string `json:"external_urls"`
	ID           string            `json:"id"`
	Images       []image           `json:"images"`
	Name         string            `json:"name"`
	Publisher    string            `json:"publisher"`
	Type         string            `json:"type"`
	URI          string            `json:"uri"`
}

type episode struct {
	AudioPreviewURL *string           `json:"audio_preview_url"`
	Description     string            `json:"description"`
	DurationMS      int64             `json:"duration_ms"`
	Explicit        bool              `json:"explicit"`
	ExternalURLs    map[string]string `json:"external_urls"`
	Href            string            `json:"href"`
	ID              string            `json:"id"`
	Images          []image           `json:"images"`
	IsPlayable      bool              `json:"is_playable"`
	Name            string            `json:"name"`
	ReleaseDate     string            `json:"release_date"`
	Show            show              `json:"show"`
	Type            string            `json:"type"`
	URI             string            `json:"uri"`
}

// author is an author of an audiobook.
type author struct {
	Name string `json:"name"`
}

type audiobook struct {
	Authors       []author          `json:"authors"`
	ExternalURLs  map[string]string `json:"external_urls"`
	ID            string            `json:"id"`
	Images        []image           `json:"images"`
	Name          string            `json:"name"`
	Publisher     string            `json:"publisher"`
	TotalChapters int               `json:"total_chapters"`
	Type          string            `json:"type"`
	URI           string            `json:"uri"`
}

type chapter struct {
	Audiobook     audiobook         `json:"audiobook"`
	ChapterNumber int               `json:"chapter_number"`
	DurationMS    int64             `json:"duration_ms"`
	Explicit      bool              `json:"explicit"`
	ExternalURLs  map[string]string `json:"external_urls"`
	Href          string            `json:"href"`
	ID            string            `json:"id"`
	Images        []image           `json:"images"`
	IsPlayable    bool              `json:"is_playable"`
	Name          string            `json:"name"`
	ReleaseDate   string            `json:"release_date"`
	Type          string            `json:"type"`
	URI           string            `json:"uri"`
}

// previewShare says that one song in forty has a preview_url, because few tracks at Spotify
// still do.
const previewShare = 40

// itemJSON returns a track as JSON. It caches the JSON of the tracks of the catalogue,
// because they are served often. Tracks of scripts are not cached.
func (s *Server) itemJSON(t *population.Track) []byte {
	n := t.Number()
	if n < 0 {
		return s.renderItem(t, t.URI)
	}
	if kept := s.itemCache[n].Load(); kept != nil {
		return *kept
	}
	body := s.renderItem(t, t.URI)
	s.itemCache[n].Store(&body)
	return body
}

// renderItem returns a track as JSON. A song gets the given URI and the ID in it, because
// history may list the song under another URI than the player.
func (s *Server) renderItem(t *population.Track, uri string) []byte {
	var v any
	switch t.Kind {
	case population.KindEpisode:
		v = s.episode(t)
	case population.KindChapter:
		v = s.chapter(t)
	default:
		v = s.track(t, uri)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // Spotify does not escape <, > and & in JSON
	if err := enc.Encode(v); err != nil {
		panic(err) // cannot happen: v contains only strings, numbers, booleans, and slices and maps of them
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func (s *Server) track(t *population.Track, uri string) track {
	out := track{
		DiscNumber: 1, TrackNumber: max(t.Number(), 0)%10 + 1, DurationMS: t.Duration.Milliseconds(),
		ExternalIDs: map[string]string{}, ExternalURLs: map[string]string{},
		Name: t.Title, Type: "track", URI: uri, Explicit: len(t.Title)%11 == 0,
		Album: album{Name: t.Album, Type: "album", Images: s.coverImages(t), ExternalURLs: map[string]string{}, Artists: []reference{}},
	}
	if t.Kind == population.KindLocal {
		out.IsLocal = true
		for _, name := range t.Artists {
			out.Artists = append(out.Artists, reference{ExternalURLs: map[string]string{}, Name: name, Type: "artist"})
		}
		return out
	}
	id := uri[strings.LastIndexByte(uri, ':')+1:]
	out.ID, out.Href = &id, ptr("https://api.spotify.com/v1/tracks/"+id)
	out.ExternalURLs["spotify"] = "https://open.spotify.com/track/" + id
	if t.ISRC != "" {
		out.ExternalIDs["isrc"] = t.ISRC
	}
	if n := t.Number(); n >= 0 && n%previewShare == 0 {
		out.PreviewURL = ptr("https://p.scdn.co/mp3-preview/" + id)
	}
	for _, name := range t.Artists {
		out.Artists = append(out.Artists, newReference("artist", population.NameID(name), name))
	}
	l := newReference("album", t.AlbumID, t.Album)
	a := &out.Album
	a.AlbumType, a.ExternalURLs, a.Href, a.ID, a.URI = ptr("album"), l.ExternalURLs, l.Href, l.ID, l.URI
	a.ReleaseDate, a.ReleaseDatePrecision = ptr("2026-03-13"), ptr("day")
	a.Artists = append(a.Artists, out.Artists[:min(1, len(out.Artists))]...)
	return out
}

func (s *Server) episode(t *population.Track) episode {
	return episode{
		DurationMS: t.Duration.Milliseconds(), ID: t.ID, URI: t.URI, Name: t.Title, Type: "episode", IsPlayable: true,
		Href: "https://api.spotify.com/v1/episodes/" + t.ID, ReleaseDate: "2026-10-02", Images: s.coverImages(t),
		ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/episode/" + t.ID},
		Show: show{
			ID: t.AlbumID, Name: t.Album, Publisher: t.Album, Type: "show", URI: "spotify:show:" + t.AlbumID, Images: s.coverImages(t),
			ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/show/" + t.AlbumID},
		},
	}
}

func (s *Server) chapter(t *population.Track) chapter {
	out := chapter{
		DurationMS: t.Duration.Milliseconds(), ID: t.ID, URI: t.URI, Name: t.Title, Type: "chapter", IsPlayable: true, ChapterNumber: 1,
		Href: "https://api.spotify.com/v1/chapters/" + t.ID, ReleaseDate: "2026-10-02", Images: s.coverImages(t),
		ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/episode/" + t.ID},
		Audiobook: audiobook{
			ID: t.AlbumID, Name: t.Album, Type: "audiobook", URI: "spotify:show:" + t.AlbumID, Images: s.coverImages(t), TotalChapters: 12,
			ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/show/" + t.AlbumID},
		},
	}
	for _, name := range t.Artists {
		out.Audiobook.Authors = append(out.Audiobook.Authors, author{name})
	}
	return out
}

// coverImages returns the images of a track's cover in three sizes, the largest first. It
// returns an empty slice if the track has no cover.
func (s *Server) coverImages(t *population.Track) []image {
	images := []image{}
	if !t.HasCover {
		return images
	}
	for _, size := range []int{640, 300, 64} {
		images = append(images, image{URL: s.PublicURL + "/covers/" + url.PathEscape(t.AlbumID) + ".svg", Height: &size, Width: &size})
	}
	return images
}

func newReference(kind, id, name string) reference {
	return reference{
		ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/" + kind + "/" + id},
		Href:         ptr("https://api.spotify.com/v1/" + kind + "s/" + id),
		ID:           &id, Name: name, Type: kind, URI: ptr("spotify:" + kind + ":" + id),
	}
}

func ptr[T any](v T) *T { return &v }
