package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

// RenderBoard makes the answer of current-playing; it is what the board keeps
// ready for everyone.
func RenderBoard(people []songspy.OnBoard) ([]byte, error) {
	answer := BoardAnswer{Result: SUCCESS, Data: make([]BoardEntry, len(people))}
	for i, p := range people {
		answer.Data[i] = BoardEntry{
			Track: BoardTrack{
				Id: int64(p.Track.ID), CreatedAt: Time(p.Playing.StartedAt),
				Title: p.Track.Title, ArtistName: p.Track.Artists, Kind: BoardTrackKind(p.Track.Kind),
				OriginalUrl: p.Track.URL, PreviewUrl: p.Track.PreviewURL, AlbumImageUrl: p.Track.ImageURL,
				DurationMs: p.Track.DurationMS,
			},
			User:   BoardUser{Id: int64(p.User.ID), NickName: p.User.PublicName(), ProfileImageUrl: p.User.PublicPicture()},
			State:  Playing,
			EndsAt: timeOrNull(p.Playing.EndsAt),
		}
	}
	return json.Marshal(answer)
}

func (s *server) ListCurrentPlaying(_ context.Context, r ListCurrentPlayingRequestObject) (ListCurrentPlayingResponseObject, error) {
	page, err := s.o.Board.Current()
	if err != nil {
		return nil, err
	}
	return boardAnswer{page, holds(valueOf(r.Params.IfNoneMatch), page.ETag)}, nil
}

// holds reports whether an If-None-Match names the ETag. A proxy that compresses
// weakens it; that makes no difference here (RFC 9110, 13.1.2).
func holds(ifNoneMatch, etag string) bool {
	if ifNoneMatch == etag {
		return true
	}
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

// boardAnswer writes what the board keeps ready.
type boardAnswer struct {
	page *board.Page
	held bool // by the viewer already
}

// VisitListCurrentPlayingResponse implements the generated interface.
func (a boardAnswer) VisitListCurrentPlayingResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Cache-Control"] = noCache
	h["Etag"] = []string{a.page.ETag}
	if a.held {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = jsonContent
	h["Content-Length"] = []string{strconv.Itoa(len(a.page.Body))}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(a.page.Body)
	return err
}
