package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

// RenderBoard makes the answer of current-playing, without serverTime; it is
// what the board keeps ready for everyone.
func (t TrackIDs) RenderBoard(entries []songspy.BoardEntry) ([]byte, error) {
	answer := struct {
		Data   []BoardEntry `json:"data"`
		Error  *Fault       `json:"error"`
		Result Result       `json:"result"`
	}{Result: SUCCESS, Data: make([]BoardEntry, len(entries))}
	for i, p := range entries {
		answer.Data[i] = BoardEntry{
			Track: BoardTrack{
				Id: t.Of(p.User.ID, p.Track.ID), CreatedAt: Time(p.Playing.StartedAt),
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
	page, err := s.opts.Board.Current()
	if err != nil {
		return nil, err
	}
	return boardAnswer{page, etagMatches(deref(r.Params.IfNoneMatch), page.ETag), s.opts.Now()}, nil
}

// holds reports whether an If-None-Match names the ETag. Weak or strong makes no
// difference here (RFC 9110, 13.1.2). Proxies that compress add the encoding to
// the name, within the quotation marks.
func etagMatches(ifNoneMatch, etag string) bool {
	if ifNoneMatch == etag {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == etag || one == "*" {
			return true
		}
		for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
			if name, ok := strings.CutSuffix(one, coding+`"`); ok && strings.TrimRight(name, "-;")+`"` == etag && !strings.HasSuffix(name, `"`) {
				return true
			}
		}
	}
	return false
}

// boardAnswer writes what the board keeps ready.
type boardAnswer struct {
	page        *board.Page
	notModified bool // by the viewer already
	answeredAt  time.Time
}

// VisitListCurrentPlayingResponse implements the generated interface.
func (a boardAnswer) VisitListCurrentPlayingResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Cache-Control"] = noCache
	h["Etag"] = []string{a.page.ETag}
	if a.notModified {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = contentTypeJSON
	// The body is an object: serverTime takes the place of its last brace.
	kept := a.page.Body[:len(a.page.Body)-1]
	tail := make([]byte, 0, 64)
	tail = append(tail, `,"serverTime":`...)
	tail = a.answeredAt.UTC().AppendFormat(tail, `"`+timeLayout+`"`)
	tail = append(tail, '}')
	h["Content-Length"] = []string{strconv.Itoa(len(kept) + len(tail))}
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(kept); err != nil {
		return err
	}
	_, err := w.Write(tail)
	return err
}
