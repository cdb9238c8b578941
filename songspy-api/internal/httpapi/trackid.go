package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
