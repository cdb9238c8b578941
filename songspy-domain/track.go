package songspy

import (
	"strings"
	"time"
)

// TrackID identifies a track within this instance.
type TrackID int64

// TrackKind is the kind of a track.
type TrackKind string

// The kinds of tracks.
const (
	KindTrack   TrackKind = "track"   // a song
	KindEpisode TrackKind = "episode" // an episode of a podcast; Artists holds the show
	KindChapter TrackKind = "chapter" // a chapter of an audiobook; Artists holds the book
	KindLocal   TrackKind = "local"   // a local file on the user's disk; it has no URL and no image
)

// Track is something that can be played. URI identifies it at Spotify
// ("spotify:track:…", "spotify:episode:…", "spotify:chapter:…",
// "spotify:local:…").
type Track struct {
	ID         TrackID `gorm:"primaryKey"`
	URI        string
	Kind       TrackKind
	Title      string
	Artists    string // joined by ", "; the name of the show for an episode, of the book for a chapter
	Album      string
	ImageURL   string // empty if there is none
	URL        string // opens the track at Spotify; empty for a local file
	PreviewURL string // a short sample; empty if Spotify sent none, as for apps created since November 2024
	// DurationMS is the length in milliseconds, or 0 if Spotify did not report it.
	DurationMS int64
	ISRC       string
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	// PublicID identifies the track outside the service, as a Handle (a text).
	PublicID PublicID
	// ArtistRefs are the artists in Spotify's order. ArtistRefs is empty if the URIs
	// of the artists are not known: for local files, episodes and chapters, and for
	// tracks that were stored before Songspy stored the URIs of artists. AlbumRef is
	// the album, the show of an episode or the book of a chapter. Its URI is empty if
	// it is not known. Even then the field Artists holds the names, and for a song or a
	// local file Album holds the name of the album.
	ArtistRefs []Artist `gorm:"-"`
	AlbumRef   Album    `gorm:"-"`
}

// TableName returns the name of the table of tracks.
func (Track) TableName() string { return "tracks" }

// Artist is an artist at Spotify.
type Artist struct {
	URI  string `gorm:"primaryKey"` // "spotify:artist:…"
	Name string
	URL  string // opens the artist at Spotify; empty if unknown
}

// TableName returns the name of the table of artists.
func (Artist) TableName() string { return "artists" }

// Album is an album at Spotify ("spotify:album:…"), a show ("spotify:show:…") or
// an audiobook ("spotify:audiobook:…" or "spotify:show:…", whichever Spotify sends).
type Album struct {
	URI      string `gorm:"primaryKey"`
	Name     string
	URL      string // opens the album at Spotify; empty if unknown
	ImageURL string // empty if there is none
}

// TableName returns the name of the table of albums, shows and audiobooks.
func (Album) TableName() string { return "albums" }

// localPrefix begins the URI of every local file.
const localPrefix = "spotify:local:"

// IsLocal reports whether the URI is that of a local file.
func IsLocal(uri string) bool { return strings.HasPrefix(uri, localPrefix) }

// LocalURI returns the URI under which a local file is stored: uri, with the prefix
// "spotify:local:" if uri lacks it, so that IsLocal recognizes the file. An empty
// uri stays empty.
func LocalURI(uri string) string {
	if uri == "" || IsLocal(uri) {
		return uri
	}
	return localPrefix + uri
}

// IsSpeech reports whether the URI is that of an episode or a chapter.
func IsSpeech(uri string) bool {
	return strings.HasPrefix(uri, "spotify:episode:") || strings.HasPrefix(uri, "spotify:chapter:")
}

// IsNeverListed reports whether Spotify's history never lists the track with this
// URI. History lists no episodes, no chapters and no local files.
func IsNeverListed(uri string) bool { return IsSpeech(uri) || IsLocal(uri) }

// Duration returns the length of the track, or 0 if it is unknown.
func (t Track) Duration() time.Duration { return time.Duration(t.DurationMS) * time.Millisecond }
