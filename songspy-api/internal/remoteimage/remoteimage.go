// Package remoteimage fetches images from the image hosts of a provider (Spotify or Google), and
// from no other host. So an address that is stored with a track or a user cannot make this
// process call another host (SSRF).
package remoteimage

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options configures a Source.
type Options struct {
	// Hosts are the provider's image hosts. An entry that begins with a dot stands for all
	// subdomains: .scdn.co allows i.scdn.co, but not scdn.co.
	Hosts []string
	// Accept is the header Accept of each request.
	Accept string
	// Timeout limits one fetch. BytesMax is the largest size of an image, in bytes.
	Timeout  time.Duration
	BytesMax int64
	// Via makes the calls. If it is nil, they go to the network.
	Via http.RoundTripper
	// Simulated is a URL at which browsers reach the simulated provider, and ReachedAt is
	// a URL at which this process reaches it. Both are empty if the provider is real.
	Simulated, ReachedAt string
}

// Source fetches images. It is safe for concurrent use.
type Source struct {
	opts                 Options
	client               *http.Client
	simulated, reachedAt *url.URL // nil if the provider is real
}

// New returns a Source. The Source follows no redirect, because a redirect could lead to another
// host.
func New(o Options) *Source {
	if transport, ok := http.DefaultTransport.(*http.Transport); o.Via == nil && ok {
		o.Via = transport.Clone()
	}
	s := &Source{opts: o, client: &http.Client{
		Transport: o.Via, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if u, err := url.Parse(o.Simulated); err == nil && u.Host != "" {
		s.simulated = u
		if s.reachedAt, err = url.Parse(o.ReachedAt); err != nil || s.reachedAt.Host == "" {
			s.reachedAt = u
		}
	}
	return s
}

// Allowed returns the URL to fetch for an address, or nil if the address must not be fetched. An
// address at an image host must have the scheme https: the certificate then proves that the call
// has reached that host. An address of the simulated provider is translated into one that this
// process reaches.
func (s *Source) Allowed(address string) *url.URL {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.User != nil || u.Host == "":
	case s.simulated != nil && u.Scheme == s.simulated.Scheme && u.Host == s.simulated.Host:
		u.Scheme, u.Host = s.reachedAt.Scheme, s.reachedAt.Host
		return u
	case u.Scheme == "https" && slices.ContainsFunc(s.opts.Hosts, func(host string) bool {
		return u.Host == host || strings.HasPrefix(host, ".") && strings.HasSuffix(u.Host, host)
	}):
		return u
	}
	return nil
}

// IsSimulated reports whether an allowed URL is that of the simulated provider.
func (s *Source) IsSimulated(u *url.URL) bool {
	return s.reachedAt != nil && u.Host == s.reachedAt.Host
}

// SimulatedOrigin returns the origin of the simulated provider as browsers know it; empty
// if the provider is real.
func (s *Source) SimulatedOrigin() string {
	if s.simulated == nil {
		return ""
	}
	return (&url.URL{Scheme: s.simulated.Scheme, Host: s.simulated.Host}).String()
}

// Fetch returns the file at an allowed URL, and the Content-Type that the host sent. The file
// is nil if it cannot be fetched or is too large.
func (s *Source) Fetch(ctx context.Context, u *url.URL) (file []byte, contentType string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, ""
	}
	req.Header.Set("Accept", s.opts.Accept)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, ""
	}
	defer resp.Body.Close()
	file, err = io.ReadAll(io.LimitReader(resp.Body, s.opts.BytesMax+1))
	if err != nil || resp.StatusCode != http.StatusOK || int64(len(file)) > s.opts.BytesMax {
		return nil, ""
	}
	return file, resp.Header.Get("Content-Type")
}
