// Package apidocs holds the page /docs, which shows openapi.yaml with Swagger UI. All
// files are part of the program, so the page makes no request to another site.
package apidocs

import (
	"embed"
	"fmt"

	"github.com/swaggest/swgui/v5/static"
)

//go:embed page
var page embed.FS

// ContentSecurityPolicy is the page's Content-Security-Policy. Swagger UI has its icons
// in data: URLs, and sends the requests that a reader tries out to this origin.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:" +
	"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is one file of the page.
type File struct {
	Path, ContentType string
	Body              []byte
	// Gzipped reports whether Body is compressed.
	Gzipped bool
}

// Files returns the files with their paths.
func Files() ([]File, error) {
	const html, script, style = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
	var files []File
	for _, f := range []struct {
		path, contentType, name string
		from                    embed.FS
		gzipped                 bool
	}{
		{"/docs", html, "page/index.html", page, false},
		{"/docs/docs.js", script, "page/docs.js", page, false},
		{"/docs/swagger-ui.js", script, "swagger-ui-bundle.js.gz", static.FS, true},
		{"/docs/swagger-ui.css", style, "swagger-ui.css.gz", static.FS, true},
	} {
		body, err := f.from.ReadFile(f.name)
		if err != nil {
			return nil, fmt.Errorf("read the page of the contract: %w", err)
		}
		files = append(files, File{f.path, f.contentType, body, f.gzipped})
	}
	return files, nil
}
