package population

import (
	"fmt"
	"net/url"
	"sync/atomic"
	"time"
)

// Kind is the kind of an item that a player plays.
type Kind string

// The kinds of items that a player plays. The Web API describes the first four kinds of
// items. For advertisements and unknown items, it sends the item null.
const (
	KindTrack   Kind = "track"
	KindEpisode Kind = "episode"
	KindLocal   Kind = "local"
	KindChapter Kind = "chapter" // a chapter of an audiobook; only scripts play it
	KindAd      Kind = "ad"
	KindUnknown Kind = "unknown"
)

// Track is a song, an episode, a chapter or a local file, as the Web API
// describes it. An advertisement's Track has only its Kind and Duration.
type Track struct {
	Kind     Kind
	URI      string
	ID       string // empty for local files
	Title    string
	Artists  []string // for an episode, the name of its show; for a chapter, the authors
	Album    string   // for an episode, the name of its show; for a chapter, that of its audiobook
	AlbumID  string   // empty for local files
	HasCover bool
	Duration time.Duration
	ISRC     string // empty unless Kind is KindTrack

	// HistoryURI is the URI under which history lists the track. For a few
	// tracks it differs from URI, although the ISRC is the same, because
	// Spotify lists some recordings under several URIs.
	HistoryURI string

	ordinal int32 // the number in the catalogue plus one; zero for a track that a script has defined
}

// Number returns the track's number in the catalogue, or -1 for a track that a
// script has defined.
func (t *Track) Number() int { return int(t.ordinal) - 1 }

// The numbers of tracks in the catalogue, by kind. The songs have the lowest numbers, then
// come the episodes, and then the local files.
const (
	songCount    = 12000
	episodeCount = 300
	localCount   = 300

	// CatalogueSize is the number of all tracks in the catalogue of every world.
	CatalogueSize = songCount + episodeCount + localCount
)

// catalogue generates the simulated tracks when they are first used, and keeps
// them in memory.
type catalogue struct {
	seed   uint64
	tracks [CatalogueSize]atomic.Pointer[Track]
}

func (c *catalogue) track(n int32) *Track {
	if t := c.tracks[n].Load(); t != nil {
		return t
	}
	t := c.newTrack(n)
	c.tracks[n].Store(t) // no lock is needed: a concurrent call stores an equal track
	return t
}

func (c *catalogue) duration(n int32) int64 {
	h := hash(c.seed, saltDuration, uint64(n))
	r := random{h}
	switch {
	case n >= songCount && n < songCount+episodeCount:
		return r.between(12*60_000, 55*60_000)
	case r.chance(0.03):
		return r.between(15_000, 60_000) // interludes; history never lists plays of less than 30 s
	case r.chance(0.02):
		return r.between(480_000, 1_260_000) // longer than two of Songspy's poll intervals of three minutes
	default:
		return 110_000 + int64((r.fraction()+r.fraction())*125_000)
	}
}

func (c *catalogue) newTrack(n int32) *Track {
	r := random{hash(c.seed, saltTrack, uint64(n))}
	t := &Track{ordinal: n + 1, Kind: KindTrack, Duration: time.Duration(c.duration(n)) * time.Millisecond}
	switch {
	case n >= songCount+episodeCount:
		t.Kind = KindLocal
		t.Title, t.Artists, t.Album = newTitle(&r), []string{newArtist(&r)}, newTitle(&r)
		t.URI = fmt.Sprintf("spotify:local:%s:%s:%s:%d", url.QueryEscape(t.Artists[0]), url.QueryEscape(t.Album),
			url.QueryEscape(t.Title), t.Duration/time.Second)
	case n >= songCount:
		t.Kind = KindEpisode
		show := uint64(n-songCount) % uint64(len(shows))
		t.ID = base62(r.next(), r.next())
		t.URI = "spotify:episode:" + t.ID
		t.Title = fmt.Sprintf("#%d %s", n-songCount+1, newTitle(&r))
		t.Album, t.Artists = shows[show], []string{shows[show]}
		t.AlbumID, t.HasCover = base62(hash(c.seed, saltAlbum, show), show), true
	default:
		c.fillSong(t, &r)
	}
	if t.HistoryURI == "" {
		t.HistoryURI = t.URI
	}
	return t
}

func (c *catalogue) fillSong(t *Track, r *random) {
	album := uint64(t.Number()) / 10
	ofAlbum := random{hash(c.seed, saltAlbum, album, saltTrack)}
	ofArtist := random{hash(c.seed, saltArtist, album/3)}
	t.ID = base62(r.next(), r.next())
	t.URI = "spotify:track:" + t.ID
	t.Title = newTitle(r)
	t.Artists = []string{newArtist(&ofArtist)}
	for r.chance(0.15) && len(t.Artists) < 5 {
		t.Artists = append(t.Artists, newArtist(r))
	}
	t.AlbumID = base62(ofAlbum.next(), ofAlbum.next())
	t.Album = newTitle(&ofAlbum)
	t.HasCover = !ofAlbum.chance(0.02)
	t.ISRC = fmt.Sprintf("KRSPY26%05d", t.Number())
	if r.chance(0.02) {
		t.HistoryURI = "spotify:track:" + base62(r.next(), r.next())
	}
}
