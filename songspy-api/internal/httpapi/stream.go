package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

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

// withoutTimeout calls work, which may take as long as one request, and lets the context
// of the request live on. It is for requests whose answer has no end.
func (s *server) withoutTimeout(c *gin.Context, work func() error) error {
	ctx, cancel := context.WithCancel(withClient(c))
	timer := time.AfterFunc(s.opts.RequestTimeout, cancel)
	defer timer.Stop()
	c.Request = c.Request.WithContext(ctx)
	return work()
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
	client := clientFrom(ctx)
	opening, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	stream, err := s.opts.People.OpenStream(opening, people.StreamOptions{
		Self: caller.Self(), Link: deref(r.Params.Link), Token: songspy.Secret(deref(r.Params.Token)), Topics: topics, Address: client.address,
		SessionEnd: func(ctx context.Context) (time.Time, error) { return s.opts.Auth.SessionEnd(ctx, caller) },
	})
	if err != nil {
		return nil, err
	}
	return streamAnswer{ctx, stream, client.isHead}, nil
}

// streamAnswer writes a stream until it ends.
type streamAnswer struct {
	ctx    context.Context
	stream *board.Stream
	isHead bool
}

// VisitStreamListeningResponse implements the generated interface. A client that has
// gone, or does not read, is no error of the request.
func (a streamAnswer) VisitStreamListeningResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Content-Type"] = contentTypeStream
	h["Cache-Control"] = streamCacheControl
	h["X-Accel-Buffering"] = unbuffered
	h["Transfer-Encoding"] = identity
	w.WriteHeader(http.StatusOK)
	if a.isHead {
		a.stream.Close()
		return nil
	}
	if err := a.write(w); errors.Is(err, os.ErrDeadlineExceeded) {
		a.stream.Drop()
	}
	a.stream.Close()
	return nil
}

func (a streamAnswer) write(w http.ResponseWriter) error {
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
		frames, err := a.stream.Next(a.ctx)
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
