// Package pictures fetches users' pictures from Google and returns only their pixels. Browsers
// get neither the address nor the file of Google: the address identifies the Google account, and
// the metadata of the file may say where and when the picture was taken.
package pictures

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	_ "image/png" // a format that Google serves
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/songspy/songspy/songspy-api/internal/remoteimage"
)

const (
	// lifetime is how long a picture is kept. It may be long, because an address always has the
	// same picture: if a user chooses another picture, Google gives it another address.
	lifetime = 24 * time.Hour
	// retryAfter is how long a failure is remembered. After that, the picture is fetched again.
	retryAfter = time.Minute
	// fetchTimeout limits one fetch.
	fetchTimeout = 3 * time.Second
	// bytesMax is the largest size of the file of a picture in bytes. sideMax is the largest
	// width and height in pixels. Google's pictures are 96 x 96 pixels.
	bytesMax, sideMax = 1 << 20, 1024
	// cacheEntries is the largest number of pictures in the cache. They need about 40 MB.
	cacheEntries = 4096
	quality      = 85
)

// Fetcher fetches pictures and keeps them in memory. It is safe for concurrent use.
type Fetcher struct {
	source  *remoteimage.Source
	now     func() time.Time
	cache   *lru.Cache[string, entry]
	fetches singleflight.Group
}

// entry is a fetched picture, or a failure to fetch it. The field until is when it expires.
type entry struct {
	jpeg  []byte // nil after a failure
	until time.Time
}

// New returns a Fetcher. The transport via makes the calls; if it is nil, they go to the
// network. The arguments simulated and reachedAt are two origins of the simulated Google: the
// one in the addresses of pictures, and the one from which this process fetches them. Both are
// empty if Google is real.
func New(via http.RoundTripper, simulated, reachedAt string, now func() time.Time) *Fetcher {
	f := &Fetcher{now: now, source: remoteimage.New(remoteimage.Options{
		Hosts: []string{".googleusercontent.com"}, Accept: "image/jpeg, image/png", Timeout: fetchTimeout, BytesMax: bytesMax,
		Via: via, Simulated: simulated, ReachedAt: reachedAt,
	})}
	f.cache, _ = lru.New[string, entry](cacheEntries) // lru.New fails only if the size is not positive
	return f
}

// JPEG returns the picture at an address of Google, or nil if it cannot be fetched. Simultaneous
// calls for the same picture share one fetch. The fetch goes on even if ctx, the context of the
// call that began it, ends.
func (f *Fetcher) JPEG(ctx context.Context, address string) []byte {
	if e, ok := f.cache.Get(address); ok && f.now().Before(e.until) {
		return e.jpeg
	}
	u := f.source.Allowed(address)
	if u == nil {
		return nil
	}
	fetched, _, _ := f.fetches.Do(address, func() (any, error) {
		file, _ := f.source.Fetch(context.WithoutCancel(ctx), u)
		e := entry{jpeg: pixelsOnly(file), until: f.now().Add(retryAfter)}
		if e.jpeg != nil {
			e.until = f.now().Add(lifetime)
		}
		f.cache.Add(address, e)
		return e.jpeg, nil
	})
	picture, _ := fetched.([]byte)
	return picture
}

// pixelsOnly decodes an image and encodes its pixels again as a JPEG, without the metadata. It
// returns nil if the file is not an image, or if the image is wider or higher than sideMax.
func pixelsOnly(file []byte) []byte {
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || size.Width > sideMax || size.Height > sideMax {
		return nil
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: quality}); err != nil {
		return nil
	}
	return out.Bytes()
}
