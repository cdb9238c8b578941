package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-api/internal/board"
	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) ListCurrentPlaying(_ context.Context, r ListCurrentPlayingRequestObject) (ListCurrentPlayingResponseObject, error) {
	page, err := s.opts.Board.Current()
	if err != nil {
		return nil, err
	}
	answer := currentPlaying{asCachedAnswer(contentTypeJSON, noCache, page, r.Params.IfNoneMatch)}
	answer.head, answer.body = boardBody(page, s.opts.Now())
	return answer, nil
}

// currentPlaying is the answer that shows the board. The head of the cachedAnswer holds the
// field serverTime, which differs in each answer; its body is shared by all answers.
type currentPlaying struct{ cachedAnswer }

// VisitListCurrentPlayingResponse implements the generated interface.
func (a currentPlaying) VisitListCurrentPlayingResponse(w http.ResponseWriter) error {
	return a.write(w)
}

// etagMatches reports whether an If-None-Match contains the ETag. Weak and strong ETags compare
// equal here (RFC 9110, 13.1.2). An ETag to which a proxy that compresses has appended the
// encoding, as in "abc-gzip", matches too.
func etagMatches(ifNoneMatch, etag string) bool {
	switch ifNoneMatch {
	case "":
		return false
	case etag:
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

// boardBody returns the two parts of the body. It inserts serverTime as the first field of the
// JSON object in answer. serverTime is in the first part because net/http sends a short first
// part together with the header; a short last part would need one more packet.
func boardBody(answer *board.Answer, answeredAt time.Time) (head, body []byte) {
	head = make([]byte, 0, 64)
	head = append(head, `{"serverTime":`...)
	head = answeredAt.UTC().AppendFormat(head, `"`+timeLayout+`"`)
	return append(head, ','), answer.Body[1:]
}

// TrackIDs makes the ids that tracks have in answers: one id for each pair of a user and a
// track. The id of the database is not used, for two reasons: two users who listen to one track
// would have the same id, but frontends use the id as the key of a list item; and it would
// reveal how many tracks are stored.
type TrackIDs struct{ key []byte }

// NewTrackIDs returns TrackIDs with a key. Replicas with the same key make the same ids.
func NewTrackIDs(key []byte) TrackIDs { return TrackIDs{key} }

// Of returns the id for the user and the track: a positive integer below 2^53, which
// JavaScript can represent exactly.
func (t TrackIDs) Of(user songspy.UserID, track songspy.PublicID) int64 {
	const unsafeBits = 64 - 53
	var both [16]byte
	binary.BigEndian.PutUint64(both[:8], uint64(user))
	binary.BigEndian.PutUint64(both[8:], uint64(track))
	mac := hmac.New(sha256.New, t.key)
	mac.Write(both[:])
	return max(1, int64(binary.BigEndian.Uint64(mac.Sum(nil))>>unsafeBits))
}
