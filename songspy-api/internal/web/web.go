// Package web holds the bundled page, which shows the live board in a browser. The page
// is three files without a framework. It reads the public API and shows its answers as
// text only.
package web

import (
	"embed"
	"fmt"
	"net/url"
	"strings"
)

//go:embed page
var files embed.FS

// File is one file of the page.
type File struct {
	Path, ContentType string
	Body              []byte
}

// Files returns the files with their paths.
func Files() ([]File, error) {
	all := []File{
		{Path: "/", ContentType: "text/html; charset=utf-8"},
		{Path: "/board.css", ContentType: "text/css; charset=utf-8"},
		{Path: "/board.js", ContentType: "text/javascript; charset=utf-8"},
	}
	for i := range all {
		name := strings.TrimPrefix(all[i].Path, "/")
		if name == "" {
			name = "index.html"
		}
		body, err := files.ReadFile("page/" + name)
		if err != nil {
			return nil, fmt.Errorf("read the bundled page: %w", err)
		}
		all[i].Body = body
	}
	return all, nil
}

// ContentSecurityPolicy returns the page's Content-Security-Policy. It allows the page's
// own scripts, styles and API, and images from any https address. pictures are further
// URLs whose origins may serve images, such as that of a simulated Spotify.
func ContentSecurityPolicy(pictures ...string) string {
	var images strings.Builder
	images.WriteString("img-src https: data:")
	for _, p := range pictures {
		if u, err := url.Parse(p); err == nil && u.Host != "" {
			images.WriteString(" " + u.Scheme + "://" + u.Host)
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " + images.String() +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
