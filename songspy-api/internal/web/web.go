// Package web is the bundled page: the live board, for whoever opens this
// instance in a browser. It is three files without a framework that show what
// the public API answers, as text only.
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

// Files are the files and where they are served.
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
			return nil, fmt.Errorf("the bundled page: %w", err)
		}
		all[i].Body = body
	}
	return all, nil
}

// Policy is the page's Content-Security-Policy: its own scripts, styles and
// API, and pictures from any https address or the origins given, which are
// those of a simulated provider.
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
