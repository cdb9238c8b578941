// Package apidocs holds the page /docs, which shows openapi.yaml with Swagger UI. All
// files are part of the program, so the page makes no request to another site.
package apidocs

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"strings"
	"sync"

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
	Gzip              []byte // the body, compressed with gzip; nil if the program holds only the uncompressed body
}

// Files returns the files of the page with their paths.
var Files = sync.OnceValues(func() ([]File, error) {
	const html, script, style = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
	var files []File
	for _, f := range []struct {
		path, contentType, name string
		from                    embed.FS
	}{
		{"/docs", html, "page/index.html", page},
		{"/docs/docs.js", script, "page/docs.js", page},
		{"/docs/swagger-ui.js", script, "swagger-ui-bundle.js.gz", static.FS},
		{"/docs/swagger-ui.css", style, "swagger-ui.css.gz", static.FS},
	} {
		file := File{Path: f.path, ContentType: f.contentType}
		var err error
		if file.Body, err = f.from.ReadFile(f.name); err == nil && strings.HasSuffix(f.name, ".gz") {
			file.Gzip = file.Body
			file.Body, err = decompressed(file.Gzip)
		}
		if err != nil {
			return nil, fmt.Errorf("read the page of the contract: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
})

func decompressed(body []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
