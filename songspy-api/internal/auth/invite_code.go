package auth

import (
	"crypto/rand"
	"strings"
	"unicode"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

const (
	// inviteAlphabet has 32 characters, so each carries five bits. It lacks 0, O, 1
	// and I, which are easily confused.
	inviteAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	// inviteLength gives a code of 80 bits. That is too many to find a code by trying codes,
	// either in requests or against a stolen hash.
	inviteLength      = 16
	inviteGroupLength = 4
)

// NewInviteCode returns a random code in groups of four characters, such as
// ABCD-EFGH-JKLM-NPQR, and its hash.
func NewInviteCode() (code songspy.Secret, hash []byte) {
	var random [inviteLength]byte
	rand.Read(random[:]) // never fails
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%inviteGroupLength == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(inviteAlphabet[int(r)%len(inviteAlphabet)])
	}
	code = songspy.Secret(b.String())
	hash, _ = HashInviteCode(code)
	return code, hash
}

// HashInviteCode returns the hash of a code as users type it: case, spaces and
// dashes do not matter. It returns false if the text cannot be a code.
func HashInviteCode(typed songspy.Secret) (hash []byte, ok bool) {
	code := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r):
			return -1
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed.Reveal())
	if len(code) != inviteLength || strings.Trim(code, inviteAlphabet) != "" {
		return nil, false
	}
	return attempt.Hash(songspy.Secret(code)), true
}
