package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

const (
	// defaultListeningSize is how many listeners a page has if the request sets no limit.
	defaultListeningSize = board.ListSize
	// trackListenersMax is the largest number of listeners in the answer for a track.
	trackListenersMax = 100
)

func (s *server) ListListening(ctx context.Context, r ListListeningRequestObject) (ListListeningResponseObject, error) {
	caller, filter, limit, name := callerFrom(ctx), board.AllVisible, defaultListeningSize, "listening"
	if deref(r.Params.Audience) == ListListeningParamsAudienceFollowing {
		filter, name = board.OnlyFollowed, "following"
		if caller == (auth.Caller{}) {
			return nil, &songspy.Error{Code: songspy.CodeUnauthorized}
		}
	}
	setIfSent(&limit, r.Params.Limit)
	after, err := parsePosition(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, listening, err := s.renderedListening(ctx, caller, filter, boardPosition(after), limit)
	if err != nil {
		return nil, err
	}
	var followed []songspy.UserID
	if filter == board.OnlyFollowed {
		if followed, err = s.opts.People.Follows(ctx, caller.Self()); err != nil {
			return nil, err
		}
	}
	s.reads(ctx, name, followed, listening...)
	answer := cachedListening{asCachedAnswer(contentTypeJSON, cacheControlFor(caller), page, r.Params.IfNoneMatch)}
	if acceptsGzip(deref(r.Params.AcceptEncoding)) {
		answer.compress()
	}
	return answer, nil
}

func (s *server) renderedListening(
	ctx context.Context, caller auth.Caller, f board.Filter, after *board.Position, limit int,
) (*board.Answer, []visibility.Seen[songspy.BoardEntry], error) {
	if f == board.AllVisible && after == nil && limit == defaultListeningSize {
		return s.opts.People.ListeningAnswer(ctx, caller.Self())
	}
	listening, next, err := s.opts.People.Listening(ctx, caller.Self(), f, after, limit)
	if err != nil {
		return nil, nil, err
	}
	body, err := RenderList(listening, next)
	return &board.Answer{Body: body, ETag: board.ETag(body)}, listening, err
}

// RenderList returns the body of the answer for a list of listeners. The argument next is the
// position of the last listener if more follow, else nil.
func RenderList(listening []visibility.Seen[songspy.BoardEntry], next *board.Position) ([]byte, error) {
	page := ListeningPage{Items: each(listening, listeningEntry)}
	if next != nil {
		page.NextCursor = positionCursor(&people.Position{At: next.StartedAt, User: next.User})
	}
	return json.Marshal(ListeningAnswer{Result: SUCCESS, Data: page})
}

// cachedListening is the answer of ListListening. It has an ETag, and may be compressed. It must
// not contain text from its request. Otherwise another site could make browsers send requests
// with guesses, and find out from the sizes of the compressed answers which guess is in the
// answer (BREACH).
type cachedListening struct{ cachedAnswer }

// VisitListListeningResponse implements the generated interface.
func (a cachedListening) VisitListListeningResponse(w http.ResponseWriter) error {
	w.Header().Add("Vary", "Accept-Encoding")
	return a.write(w)
}

func (s *server) GetTrack(ctx context.Context, r GetTrackRequestObject) (GetTrackResponseObject, error) {
	listeners, err := s.opts.People.Listeners(ctx, callerFrom(ctx).Self(), r.Handle, trackListenersMax)
	if err != nil {
		return nil, err
	}
	s.reads(ctx, "track", nil, listeners...)
	return GetTrack200JSONResponse{Result: SUCCESS, Data: trackPage(listeners)}, nil
}
