package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
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

// TrackIDs gives the track ids of the contract: one for each user and track.
// The catalogue's own id stays inside: two users would share it, and frontends
// key lists by this id; it also tells how many tracks came before.
type TrackIDs struct{ key []byte }

// NewTrackIDs makes TrackIDs. The same key gives the same ids, in every replica.
func NewTrackIDs(key []byte) TrackIDs { return TrackIDs{key} }

// Of returns a positive integer that JavaScript can hold: below 2^53.
func (t TrackIDs) Of(user songspy.UserID, track songspy.TrackID) int64 {
	const unsafeBits = 64 - 53
	var both [16]byte
	binary.BigEndian.PutUint64(both[:8], uint64(user))
	binary.BigEndian.PutUint64(both[8:], uint64(track))
	mac := hmac.New(sha256.New, t.key)
	mac.Write(both[:])
	return max(1, int64(binary.BigEndian.Uint64(mac.Sum(nil))>>unsafeBits))
}
