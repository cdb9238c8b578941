package songspy

import (
	"strings"
	"time"
)

// TrackID names a track within this instance.
type TrackID int64

// TrackKind is what a track is.
type TrackKind string

// The kinds.
const (
	KindTrack   TrackKind = "track"
	KindEpisode TrackKind = "episode" // of a podcast; Artists holds the show
	KindChapter TrackKind = "chapter" // of an audiobook; Artists holds the book
	KindLocal   TrackKind = "local"   // a file of the listener's own: no link, no image
)

// Track is something that can be played. URI is its identity at Spotify
// ("spotify:track:…", "spotify:episode:…", "spotify:chapter:…", "spotify:local:…").
type Track struct {
	ID         TrackID `gorm:"primaryKey"`
	URI        string
	Kind       TrackKind
	Title      string
	Artists    string // joined by ", "; a show's name for an episode, a book's for a chapter
	Album      string
	ImageURL   string // empty where there is none
	URL        string // where to open it; empty for a local file
	PreviewURL string // empty for apps made since November 2024
	// DurationMS is the length in milliseconds; 0 if the provider did not say.
	DurationMS int64
	ISRC       string
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
}

// TableName is the table of tracks.
func (Track) TableName() string { return "tracks" }

// localPrefix begins the URI of every local file.
const localPrefix = "spotify:local:"

// IsLocal reports whether the URI is that of a file of the listener's own.
func IsLocal(uri string) bool { return strings.HasPrefix(uri, localPrefix) }

// LocalURI returns the URI of a local file that Spotify names by uri. It adds
// the prefix of local files where it is missing.
func LocalURI(uri string) string {
	if uri == "" || IsLocal(uri) {
		return uri
	}
	return localPrefix + uri
}

// Duration is the length of the track; 0 if unknown.
func (t Track) Duration() time.Duration { return time.Duration(t.DurationMS) * time.Millisecond }
