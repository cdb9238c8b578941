package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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
	// frameTimeout is the shortest time that a write waits for a client that does not read,
	// before the stream is closed. The longest time is twice that.
	frameTimeout = 10 * time.Second
)

var (
	contentTypeStream = []string{"text/event-stream"}
	unbuffered        = []string{"no"}
	// streamCacheControl forbids caches to store a stream, and proxies to compress it.
	streamCacheControl = []string{"private, no-store, no-transform"}
	// identity is the Transfer-Encoding with which net/http writes no chunks. The body then ends
	// when the connection is closed, so serveStream can write it to the connection directly.
	identity = []string{"identity"}
)

// streamPath is the route of streams.
const streamPath = "/v1/songspy/listening/stream"

// openedKey is the key of a **board.Stream in the context of a request to streamPath. Through
// this pointer, StreamListening hands the stream that it has opened to serveStream.
type openedKey struct{}

// serveStream lets the engine open a stream. When the engine has returned, serveStream takes
// over the connection and starts goroutines that write the stream. So an open stream holds
// little memory: no stack of the engine and no buffers of net/http.
func serveStream(engine http.Handler, w http.ResponseWriter, r *http.Request, isHead bool) {
	var opened *board.Stream
	engine.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), openedKey{}, &opened)))
	switch {
	case opened == nil:
		return
	case isHead:
		opened.Close()
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack() // this sends the header
	if err != nil {
		opened.Close() // cannot happen: the service speaks only HTTP/1.1, whose connections can be hijacked
		return
	}
	continueStream(conn, opened)
}

// continueStream writes the stream to the connection until one of them ends, and closes both.
// It returns at once, so that net/http frees the memory of the request.
func continueStream(conn net.Conn, stream *board.Stream) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		untilClosed(conn)
	}()
	go func() {
		defer stream.Close() // deferred first, so that it runs last: once all streams are closed, the service may exit
		defer func() { _ = conn.Close() }()
		if err := writeStream(ctx, conn, stream); errors.Is(err, os.ErrDeadlineExceeded) {
			stream.Drop()
		}
	}()
}

// untilClosed returns when the connection is closed. It discards what the client sends. It reads
// byte by byte, because io.Copy would hold a buffer for each open stream.
func untilClosed(conn net.Conn) {
	var p [1]byte
	for {
		if _, err := conn.Read(p[:]); err != nil {
			return
		}
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
	opened, _ := ctx.Value(openedKey{}).(**board.Stream) // serveStream has stored the pointer, and writes the stream
	*opened = stream
	return streamAnswer{}, nil
}

// streamAnswer writes the status and the header of a stream. serveStream writes the body.
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
func writeStream(ctx context.Context, conn net.Conn, stream *board.Stream) error {
	var deadline time.Time
	send := func(frames net.Buffers) error {
		for {
			if now := time.Now(); deadline.Sub(now) < frameTimeout {
				deadline = now.Add(2 * frameTimeout) // set rarely, because setting it costs more than writing a short frame
				if err := conn.SetWriteDeadline(deadline); err != nil {
					return err
				}
			}
			// If the deadline has passed but the client has read a part of the frames, it gets a
			// new deadline for the rest.
			if n, err := frames.WriteTo(conn); n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
	}
	retry := shortestRetry + rand.N(longestRetry-shortestRetry+1)
	if err := send(net.Buffers{fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds())}); err != nil {
		return err
	}
	for {
		frames, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		if len(frames) == 0 {
			frames = [][]byte{comment}
		}
		if err := send(frames); err != nil {
			return err
		}
	}
}

// comment is a comment line of server-sent events, and no event. It is sent if there are no
// frames for a while, so that proxies do not close the connection as idle and the client sees
// that it works.
var comment = []byte(":\n\n")
