package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"unicode"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// inviteLetters are those that nobody takes for another, read or heard: 0, O, 1
	// and I are missing. There are 32, so that each carries five bits.
	inviteAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	// inviteLength makes a code of 80 bits: neither guessed at the door, however
	// wide it is, nor found from its hash.
	inviteLength      = 16
	inviteGroupLength = 4
)

// FreshInvite makes the code of an invite, in groups of letters, and its hash.
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

// InviteHash is what is stored of a code, in whatever case and with whatever
// spaces and dashes it was typed; false for what cannot be one. The code is
// random, so a plain hash cannot be searched.
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
	sum := sha256.Sum256([]byte(code))
	return sum[:], true
}
