package httpapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
)

// cachedAnswer is an answer with an ETag. Clients that have it already get a 304.
type cachedAnswer struct {
	contentType, cacheControl []string
	head, body                []byte   // head is sent first; only an answer that is never compressed has one
	encoding                  []string // of the body; nil if it is not compressed
	etag                      string
	notModified               bool // the viewer has this answer already
}

func newCachedAnswer(contentType, cacheControl []string, body []byte, ifNoneMatch *string) cachedAnswer {
	return asCachedAnswer(contentType, cacheControl, &board.Answer{Body: body, ETag: board.ETag(body)}, ifNoneMatch)
}

func asCachedAnswer(contentType, cacheControl []string, answer *board.Answer, ifNoneMatch *string) cachedAnswer {
	return cachedAnswer{
		contentType: contentType, cacheControl: cacheControl, body: answer.Body, etag: answer.ETag, notModified: etagMatches(deref(ifNoneMatch), answer.ETag),
	}
}

// cacheControlFor returns the Cache-Control of an answer that depends on the caller.
func cacheControlFor(caller auth.Caller) []string {
	if caller != (auth.Caller{}) {
		return privateNoStore
	}
	return noCache
}

// compress compresses the body, and gives the answer the ETag of the compressed body. If a
// client sends that ETag later, etagMatches finds that it matches the ETag without compression.
func (a *cachedAnswer) compress() {
	a.body, a.encoding = compressed(a.body), encodingGzip
	a.etag = strings.TrimSuffix(a.etag, `"`) + `-gzip"`
}

// write writes the answer.
func (a *cachedAnswer) write(w http.ResponseWriter) error {
	h := w.Header()
	h["Cache-Control"] = a.cacheControl
	h["Etag"] = []string{a.etag}
	if a.notModified {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if a.encoding != nil {
		h["Content-Encoding"] = a.encoding
	}
	h["Content-Type"] = a.contentType
	h["Content-Length"] = []string{strconv.Itoa(len(a.head) + len(a.body))}
	w.WriteHeader(http.StatusOK)
	if a.head != nil {
		if _, err := w.Write(a.head); err != nil {
			return err
		}
	}
	_, err := w.Write(a.body)
	return err
}

var encodingGzip = []string{"gzip"}

// compressors are reused: each has tables of several hundred KB.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // only an unknown level is an error
	return z
}}

// compressed returns the body, compressed fast: it is done for each request.
func compressed(body []byte) []byte {
	var out bytes.Buffer
	z, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&out)
	_, _ = z.Write(body) // a buffer accepts every write
	_ = z.Close()
	return out.Bytes()
}
