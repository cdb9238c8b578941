package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

const (
	// shortestRetry and longestRetry limit how long a client waits before it reconnects.
	// The time is random, so that clients do not reconnect together.
	shortestRetry, longestRetry = time.Second, 15 * time.Second
	// frameTimeout is how long a client may take to receive what is written at once.
	frameTimeout = 10 * time.Second
)

var (
	contentTypeStream = []string{"text/event-stream"}
	unbuffered        = []string{"no"}
	// streamCacheControl forbids proxies to store a stream and to compress it.
	streamCacheControl = []string{"private, no-store, no-transform"}
	// identity makes the body end with the connection. Without chunks a frame is one
	// write to the socket instead of three.
	identity = []string{"identity"}
)

// streamPath is the route of streams.
const streamPath = "/v1/songspy/listening/stream"

// openedKey is the key of a **board.Stream in the context of a request to streamPath.
type openedKey struct{}

// serveStream lets the engine open a stream, and writes the stream when the engine has
// returned. An open stream then holds little memory: not what the engine needs for a
// request, above all its stack.
func serveStream(engine http.Handler, w http.ResponseWriter, r *http.Request, isHead bool) {
	var opened *board.Stream
	engine.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), openedKey{}, &opened)))
	if opened == nil {
		return
	}
	defer opened.Close()
	if isHead {
		return
	}
	if err := writeStream(r.Context(), w, opened); errors.Is(err, os.ErrDeadlineExceeded) {
		opened.Drop()
	}
}

func (s *server) StreamListening(ctx context.Context, r StreamListeningRequestObject) (StreamListeningResponseObject, error) {
	caller := callerFrom(ctx)
	names := []string{"window"}
	setIfSent(&names, r.Params.Topics)
	topics := make([]board.Topic, len(names))
	for i, name := range names {
		t, ok := board.ParseTopic(name)
		switch {
		case !ok:
			return nil, newFieldError("topics", problemUnknownValue)
		case t.Name == board.OwnerTopic && r.Params.Token == nil:
			return nil, newFieldError("token", problemMissing)
		case t.Kind == board.TopicFollowing && caller == (auth.Caller{}):
			return nil, &songspy.Error{Code: songspy.CodeUnauthorized}
		}
		topics[i] = t
	}
	stream, err := s.opts.People.OpenStream(ctx, people.StreamOptions{
		Self: caller.Self(), Link: deref(r.Params.Link), Token: songspy.Secret(deref(r.Params.Token)), Topics: topics, Address: addressFrom(ctx),
		SessionEnd: func(ctx context.Context) (time.Time, error) { return s.opts.Auth.SessionEnd(ctx, caller) },
	})
	if err != nil {
		return nil, err
	}
	opened, _ := ctx.Value(openedKey{}).(**board.Stream) // serveStream has set it, and writes the stream
	*opened = stream
	return streamAnswer{}, nil
}

// streamAnswer begins the answer; serveStream continues it.
type streamAnswer struct{}

// VisitStreamListeningResponse implements the generated interface.
func (streamAnswer) VisitStreamListeningResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Content-Type"] = contentTypeStream
	h["Cache-Control"] = streamCacheControl
	h["X-Accel-Buffering"] = unbuffered
	h["Transfer-Encoding"] = identity
	w.WriteHeader(http.StatusOK)
	return nil
}

// writeStream writes a stream until it ends or the client has gone.
func writeStream(ctx context.Context, w http.ResponseWriter, stream *board.Stream) error {
	out := http.NewResponseController(w)
	// The server's time limits are for requests and answers that end.
	if err := out.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	var deadline time.Time
	send := func(frames ...[]byte) error {
		if now := time.Now(); deadline.Sub(now) < frameTimeout {
			deadline = now.Add(2 * frameTimeout) // set rarely: it costs more than a short frame
			if err := out.SetWriteDeadline(deadline); err != nil {
				return err
			}
		}
		for _, f := range frames {
			if _, err := w.Write(f); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	retry := shortestRetry + rand.N(longestRetry-shortestRetry+1)
	if err := send(fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds())); err != nil {
		return err
	}
	for {
		frames, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		if len(frames) == 0 {
			frames = comment
		}
		if err := send(frames...); err != nil {
			return err
		}
	}
}

// comment keeps the connection open and shows the client that it works.
var comment = [][]byte{[]byte(":\n\n")}
