package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

const (
	// defaultListeningSize is how many listeners are on a page without a limit.
	defaultListeningSize = 48
	// trackListenersMax is how many listeners a track's page has at most.
	trackListenersMax = 100
)

func (s *server) ListListening(ctx context.Context, r ListListeningRequestObject) (ListListeningResponseObject, error) {
	caller, audience, limit := callerFrom(ctx), board.Everyone, defaultListeningSize
	if deref(r.Params.Audience) == ListListeningParamsAudienceFollowing {
		audience = board.Following
		if caller == (auth.Caller{}) {
			return nil, &songspy.Error{Code: songspy.CodeUnauthorized}
		}
	}
	setIfSent(&limit, r.Params.Limit)
	after, err := parsePosition(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	listening, next, err := s.opts.People.Listening(ctx, caller.Self(), audience, boardPosition(after), limit)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(newListeningAnswer(listening, next))
	if err != nil {
		return nil, err
	}
	answer := listeningAnswer{body: body, etag: board.ETag(body), cacheControl: noCache}
	if caller != (auth.Caller{}) {
		answer.cacheControl = privateNoStore
	}
	answer.notModified = etagMatches(deref(r.Params.IfNoneMatch), answer.etag) // with and without compression
	if acceptsGzip(deref(r.Params.AcceptEncoding)) {
		answer.compress()
	}
	return answer, nil
}

func newListeningAnswer(entries []visibility.Seen[songspy.BoardEntry], next *board.Position) ListeningAnswer {
	return ListeningAnswer{Result: SUCCESS, Data: listeningPage(entries, next)}
}

func listeningPage(entries []visibility.Seen[songspy.BoardEntry], next *board.Position) ListeningPage {
	page := ListeningPage{Items: each(entries, listeningEntry)}
	if next != nil {
		page.NextCursor = positionCursor(&people.Position{At: next.StartedAt, User: next.User})
	}
	return page
}

// listeningAnswer is an answer with an ETag. It does not repeat its request, so that
// the size of the compressed answer reveals no content to a site that makes others send
// requests.
type listeningAnswer struct {
	body         []byte
	encoding     []string // of the body; nil if it is not compressed
	etag         string
	cacheControl []string
	notModified  bool // the viewer has this answer already
}

// compress compresses the body, which has another ETag then.
func (a *listeningAnswer) compress() {
	var out bytes.Buffer
	z, _ := compressors.Get().(*gzip.Writer)
	defer compressors.Put(z)
	z.Reset(&out)
	_, _ = z.Write(a.body) // a buffer accepts every write
	_ = z.Close()
	a.body, a.encoding = out.Bytes(), encodingGzip
	a.etag = strings.TrimSuffix(a.etag, `"`) + `-gzip"`
}

var encodingGzip = []string{"gzip"}

// compressors are reused: each has tables of several hundred KB.
var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // only an unknown level is an error
	return z
}}

// VisitListListeningResponse implements the generated interface.
func (a listeningAnswer) VisitListListeningResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Cache-Control"] = a.cacheControl
	h["Etag"] = []string{a.etag}
	h.Add("Vary", "Accept-Encoding")
	if a.notModified {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if a.encoding != nil {
		h["Content-Encoding"] = a.encoding
	}
	return writeJSON(w, a.body)
}

// writeJSON answers 200 with the body.
func writeJSON(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return err
}

func (s *server) GetTrack(ctx context.Context, r GetTrackRequestObject) (GetTrackResponseObject, error) {
	listeners, err := s.opts.People.Listeners(ctx, callerFrom(ctx).Self(), r.Handle, trackListenersMax)
	if err != nil {
		return nil, err
	}
	return GetTrack200JSONResponse{Result: SUCCESS, Data: trackPage(listeners)}, nil
}
