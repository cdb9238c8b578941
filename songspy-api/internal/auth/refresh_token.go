package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// successors derives from a refresh token the one that replaces it (its
// successor), so that the server need not store it.
type successors struct{ keys [][]byte } // one for each JWT key; that of the signing key is first

func newSuccessors(keys []Key) (successors, error) {
	var s successors
	for _, k := range keys {
		derived, err := hkdf.Key(sha256.New, k.Seed, nil, "songspy refresh token successor", sha256.Size)
		if err != nil {
			return successors{}, fmt.Errorf("auth: derive the key of refresh tokens: %w", err)
		}
		s.keys = append(s.keys, derived)
	}
	return s, nil
}

// next returns the successor that a refresh issues now: it is derived with the
// signing key.
func (s successors) next(token songspy.Secret) songspy.Secret { return deriveToken(s.keys[0], token) }

// all returns the successors that an earlier refresh may have issued: one for
// each JWT key, because the signing key may have changed since.
func (s successors) all(token songspy.Secret) []songspy.Secret {
	tokens := make([]songspy.Secret, len(s.keys))
	for i, key := range s.keys {
		tokens[i] = deriveToken(key, token)
	}
	return tokens
}

func deriveToken(key []byte, token songspy.Secret) songspy.Secret {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token.Reveal()))
	return songspy.Secret(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}
