package songspy

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
)

// PublicID identifies a user or a track outside the service. It is random, so
// that it shows neither how many users or tracks there are nor in which order they
// were created. It is at least 1 and below PublicIDEnd. Internal ids (UserID,
// TrackID) are never sent to anyone.
type PublicID int64

// PublicIDEnd is the first number that is too large for a public id: numbers
// below it are exact in JavaScript.
const PublicIDEnd PublicID = 1 << 53

// NewPublicID returns a random public id. It may return an id that is already
// in use, though this is very rare: the store then tries another one.
func NewPublicID() PublicID {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if id := PublicID(binary.BigEndian.Uint64(b[:])) & (PublicIDEnd - 1); id.IsValid() {
			return id
		}
	}
}

// IsValid reports whether the id lies in the range of public ids.
func (id PublicID) IsValid() bool { return 0 < id && id < PublicIDEnd }

// Handles (public ids as text) are written in Crockford's base 32, which has no i, l,
// o and u. All have the same length.
const (
	handleDigits = "0123456789abcdefghjkmnpqrstvwxyz"
	handleLength = 11 // digits of 5 bits each, enough for the 53 bits of a public id
)

// Handle returns the text of the public id in addresses: 11 digits and
// lowercase letters.
func Handle(id PublicID) string {
	var b [handleLength]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = handleDigits[id&31]
		id >>= 5
	}
	return string(b[:])
}

// ParseHandle returns the public id of a handle. ok is false for any text that
// Handle does not return, so that each id has one handle only.
func ParseHandle(handle string) (id PublicID, ok bool) {
	if len(handle) != handleLength {
		return 0, false
	}
	for i := range len(handle) {
		digit := strings.IndexByte(handleDigits, handle[i])
		if digit < 0 {
			return 0, false
		}
		id = id<<5 | PublicID(digit)
	}
	return id, id.IsValid()
}
