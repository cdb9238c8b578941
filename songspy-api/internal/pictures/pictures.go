// Package pictures fetches users' pictures from Google and makes them anonymous: Google's
// address identifies the account, and a file may say where and when it was taken.
package pictures

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	_ "image/png" // a format that Google serves
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// lifetime is how long a picture is kept. Google's address of another picture is
	// another one.
	lifetime = 24 * time.Hour
	// retryAfter is how long a failure is remembered.
	retryAfter = time.Minute
	// fetchTimeout limits one fetch.
	fetchTimeout = 3 * time.Second
	// bytesMax and sideMax limit what is fetched. Google's pictures have 96 pixels.
	bytesMax, sideMax = 1 << 20, 1024
	// cacheEntries limits the cache, to about 40 MB.
	cacheEntries = 4096
	quality      = 85
)

// Fetcher fetches pictures and keeps them in memory. It is safe for concurrent use.
type Fetcher struct {
	client *http.Client
	now    func() time.Time
	// simulated is the origin of a simulated Google as browsers know it, and reachedAt
	// the one at which this process reaches it; nil if Google is real.
	simulated, reachedAt *url.URL
	cache                *lru.Cache[string, entry]
	fetches              singleflight.Group
}

// entry is a picture, or a failure.
type entry struct {
	jpeg  []byte // nil after a failure
	until time.Time
}

// New returns a Fetcher. via makes the calls; nil: the network. A simulated Google has its
// pictures at the origin simulated, which this process reaches at reachedAt; both are
// empty if Google is real.
func New(via http.RoundTripper, simulated, reachedAt string, now func() time.Time) *Fetcher {
	if transport, ok := http.DefaultTransport.(*http.Transport); via == nil && ok {
		via = transport.Clone()
	}
	f := &Fetcher{now: now, client: &http.Client{
		Transport: via, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if u, err := url.Parse(simulated); err == nil && u.Host != "" {
		f.simulated = u
		if f.reachedAt, err = url.Parse(reachedAt); err != nil {
			f.reachedAt = u
		}
	}
	f.cache, _ = lru.New[string, entry](cacheEntries) // only a size of 0 is an error
	return f
}

// JPEG returns the picture at Google's address; nil if it cannot be had. Callers that want
// the same picture share one fetch, which does not end with the request that began it.
func (f *Fetcher) JPEG(ctx context.Context, address string) []byte {
	if e, ok := f.cache.Get(address); ok && f.now().Before(e.until) {
		return e.jpeg
	}
	u := f.allowed(address)
	if u == nil {
		return nil
	}
	fetched, _, _ := f.fetches.Do(address, func() (any, error) {
		e := entry{jpeg: f.fetch(context.WithoutCancel(ctx), u), until: f.now().Add(retryAfter)}
		if e.jpeg != nil {
			e.until = f.now().Add(lifetime)
		}
		f.cache.Add(address, e)
		return e.jpeg, nil
	})
	picture, _ := fetched.([]byte)
	return picture
}

// allowed returns the URL to fetch for an address: one of Google's image hosts by https,
// which no other host has the certificate of, or the simulated Google. Else it returns nil.
func (f *Fetcher) allowed(address string) *url.URL {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.User != nil:
	case f.simulated != nil && u.Scheme == f.simulated.Scheme && u.Host == f.simulated.Host:
		u.Scheme, u.Host = f.reachedAt.Scheme, f.reachedAt.Host
		return u
	case u.Scheme == "https" && strings.HasSuffix(u.Host, ".googleusercontent.com"):
		return u
	}
	return nil
}

// fetch returns the picture as a JPEG that holds its pixels alone; nil if it cannot be had.
func (f *Fetcher) fetch(ctx context.Context, u *url.URL) []byte {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil
	}
	req.Header.Set("Accept", "image/jpeg, image/png")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bytesMax+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(body) > bytesMax {
		return nil
	}
	return anonymous(body)
}

// anonymous decodes an image and encodes its pixels again; nil if it is none, or too large.
func anonymous(file []byte) []byte {
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
