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

// cachedAnswer is an answer with an ETag. If the If-None-Match of the request has that ETag, the
// client has the answer already and gets a 304 without a body.
type cachedAnswer struct {
	contentType, cacheControl []string
	head, body                []byte   // head is sent before body; it is nil in answers that may be compressed
	encoding                  []string // the Content-Encoding of body; nil if body is not compressed
	etag                      string
	notModified               bool // the client has this answer already
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

// compress compresses the body, and appends "-gzip" to the ETag, because another body needs
// another ETag. If a client sends the ETag with that suffix later, etagMatches accepts it as the
// ETag of the answer.
func (a *cachedAnswer) compress() {
	if !a.notModified {
		a.body, a.encoding = compressed(a.body), encodingGzip
	}
	a.etag = strings.TrimSuffix(a.etag, `"`) + `-gzip"`
}

// write writes the answer: a 304 without a body if notModified is true, else a 200.
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

// compressors holds gzip writers for reuse, because each allocates tables of several hundred KB.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // only an unknown level is an error
	return z
}}

// compressed returns the body compressed with gzip. It uses the fastest level, because it runs
// for each request.
func compressed(body []byte) []byte {
	var out bytes.Buffer
	z, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&out)
	_, _ = z.Write(body) // a write to a bytes.Buffer never fails
	_ = z.Close()
	return out.Bytes()
}
