package embeds

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/songspy/songspy/songspy-api/internal/remoteimage"
)

const (
	// artLifetime is how long an image is kept: Spotify allows 24 hours.
	artLifetime = 24 * time.Hour
	// artRetryAfter is how long an image is not fetched again after a failed fetch, counted
	// from the beginning of that fetch.
	artRetryAfter = time.Minute
	// artBytesMax limits the size of one image. Covers of 300 pixels have at most 100 KB.
	artBytesMax = 256 << 10
	// artCacheBytes and artCacheEntries limit the cache.
	artCacheBytes, artCacheEntries = 32 << 20, 4096
	// artFetchTimeout limits one fetch. artWait limits how long an answer waits for it.
	artFetchTimeout, artWait = 5 * time.Second, 2 * time.Second
	// artFetchesMax limits how many fetches run at the same time.
	artFetchesMax = 8
)

// artHosts are the hosts of Spotify's images.
var artHosts = []string{"scdn.co", ".scdn.co", "spotifycdn.com", ".spotifycdn.com"}

// artTypes are the types of images that may be put into an embed as data URIs, as
// http.DetectContentType names them.
var artTypes = map[string]bool{"image/jpeg": true, "image/png": true, "image/webp": true}

// Art fetches album art from Spotify's image hosts and keeps it for a day.
type Art struct {
	source  *remoteimage.Source
	now     func() time.Time
	fetches chan struct{}

	mu    sync.Mutex
	cache *simplelru.LRU[string, *artEntry]
	bytes int
}

// artEntry is an image, or a failure, or a fetch under way. Its field uri may be read once
// done is closed. The lock of Art guards its field until.
type artEntry struct {
	done  chan struct{}
	uri   string // empty after a failure
	until time.Time
}

// NewArt returns an Art. The argument via makes the calls; if it is nil, they go to the network.
// If Spotify is simulated, its images are at the origin of the URL simulated, as browsers reach
// it, and at the origin of the URL reachedAt, as this process reaches it. Both are empty if
// Spotify is real.
func NewArt(via http.RoundTripper, simulated, reachedAt string, now func() time.Time) *Art {
	a := &Art{now: now, fetches: make(chan struct{}, artFetchesMax), source: remoteimage.New(remoteimage.Options{
		Hosts: artHosts, Accept: "image/*", Timeout: artFetchTimeout, BytesMax: artBytesMax, Via: via, Simulated: simulated, ReachedAt: reachedAt,
	})}
	a.cache, _ = simplelru.NewLRU(artCacheEntries, func(_ string, e *artEntry) { a.bytes -= len(e.uri) }) // only a size of 0 is an error
	return a
}

// DataURI returns the image as a data URI. It returns an empty string if the address is not at
// an image host, or if the image cannot be fetched within artWait. Callers that want the same
// image share one fetch.
func (a *Art) DataURI(ctx context.Context, address string) string {
	u := a.source.Allowed(address)
	if u == nil {
		return ""
	}
	e := a.entry(u)
	if e == nil {
		return ""
	}
	wait := time.NewTimer(artWait)
	defer wait.Stop()
	select {
	case <-e.done:
		return e.uri
	case <-wait.C:
	case <-ctx.Done():
	}
	return ""
}

// entry returns the entry of the image. If there is none, or if it has expired, entry begins to
// fetch the image and returns a new one. It returns nil if that would be more than
// artFetchesMax fetches.
func (a *Art) entry(u *url.URL) *artEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.cache.Get(u.String()); ok && a.now().Before(e.until) {
		return e
	}
	select {
	case a.fetches <- struct{}{}:
	default:
		return nil
	}
	e := &artEntry{done: make(chan struct{}), until: a.now().Add(artRetryAfter)}
	a.cache.Remove(u.String())
	a.cache.Add(u.String(), e)
	go func() {
		defer func() { <-a.fetches }()
		a.keep(u, e, a.fetch(u))
	}()
	return e
}

// keep stores the result of a fetch. An empty uri means a failure: then the image is not
// fetched again before artRetryAfter has passed.
func (a *Art) keep(u *url.URL, fetched *artEntry, uri string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(fetched.done)
	fetched.uri = uri
	if e, ok := a.cache.Peek(u.String()); !ok || e != fetched || uri == "" {
		return
	}
	fetched.until = a.now().Add(artLifetime)
	for a.bytes += len(uri); a.bytes > artCacheBytes; {
		a.cache.RemoveOldest()
	}
}

// fetch returns the image as a data URI, or an empty string if it cannot be fetched or is not
// of an accepted type. It does not stop when the request that began it ends, because other
// requests may wait for the image too.
func (a *Art) fetch(u *url.URL) string {
	body, named := a.source.Fetch(context.Background(), u)
	if body == nil {
		return ""
	}
	kind := http.DetectContentType(body)
	// The simulator's covers are SVG. That is safe, because an image inside an image runs no
	// script and loads nothing.
	if a.source.IsSimulated(u) && strings.HasPrefix(named, "image/svg+xml") {
		kind = "image/svg+xml"
	}
	if kind != "image/svg+xml" && !artTypes[kind] {
		return ""
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(body)
}
