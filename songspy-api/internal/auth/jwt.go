package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// audience is the audience (aud) of the JWTs.
	audience = "songspy-api"
	// tokenType is the explicit type (typ) of the JWTs, as in RFC 9068. A JWT that
	// the same key signed for another purpose is rejected by its type.
	tokenType = "at+jwt"
)

// Key is an Ed25519 key. Tokens name it by its ID (kid).
type Key struct {
	ID   string
	Seed []byte // ed25519.SeedSize bytes
}

type claims struct {
	jwt.RegisteredClaims
	SessionID int64 `json:"sid"`
	// UserID repeats the subject as a number. The original frontend (docs/frontends.md) reads
	// it; the API does not.
	UserID songspy.PublicID `json:"userId"`
}

// signer signs and verifies JWTs. The first key signs, all keys verify.
type signer struct {
	keyID      string
	privateKey ed25519.PrivateKey
	publicKeys map[string]ed25519.PublicKey
	issuer     string
	parser     *jwt.Parser
}

func newSigner(keys []Key, issuer string, now func() time.Time) (*signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("auth: there is no JWT key; at least one is needed")
	}
	s := &signer{
		publicKeys: make(map[string]ed25519.PublicKey, len(keys)),
		issuer:     issuer,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithAudience(audience),
			jwt.WithExpirationRequired(),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(now),
		),
	}
	for i, k := range keys {
		if len(k.Seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("auth: JWT key %q has %d bytes; an Ed25519 seed has %d", k.ID, len(k.Seed), ed25519.SeedSize)
		}
		private := ed25519.NewKeyFromSeed(k.Seed)
		if i == 0 {
			s.keyID, s.privateKey = k.ID, private
		}
		s.publicKeys[k.ID] = ed25519.PublicKey(private[ed25519.SeedSize:])
	}
	return s, nil
}

// sign returns the JWT of a user's session.
func (s *signer) sign(session int64, user songspy.PublicID, now time.Time, life time.Duration) (songspy.Secret, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.issuer,
			Audience:  jwt.ClaimStrings{audience},
			Subject:   strconv.FormatInt(int64(user), 10),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(life)),
		},
		SessionID: session, UserID: user,
	})
	token.Header["typ"] = tokenType
	token.Header["kid"] = s.keyID
	signed, err := token.SignedString(s.privateKey)
	if err != nil {
		return "", fmt.Errorf("sign the JWT: %w", err)
	}
	return songspy.Secret(signed), nil
}

// verify returns the session that a JWT names. The session's row in the database says which
// user it belongs to; the subject of the JWT is only for clients. The reason of the error is
// TOKEN_EXPIRED for an expired token, and UNAUTHORIZED for any other invalid token.
func (s *signer) verify(token songspy.Secret) (session int64, err error) {
	var c claims
	_, err = s.parser.ParseWithClaims(token.Reveal(), &c, s.publicKey)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return 0, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "TOKEN_EXPIRED", Message: "The token has expired; get a new one with the refresh token."}
	case err != nil:
		// The parser's error is not returned, because it may quote the token.
		return 0, errUnauthorized
	}
	if user, err := strconv.ParseInt(c.Subject, 10, 64); err != nil || user <= 0 || c.SessionID <= 0 {
		return 0, errUnauthorized
	}
	return c.SessionID, nil
}

// publicKey returns the key that the token names in kid. It returns errUnauthorized if there
// is no such key, or if the typ of the token is not tokenType.
func (s *signer) publicKey(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	key, known := s.publicKeys[kid]
	if !known || t.Header["typ"] != tokenType {
		return nil, errUnauthorized
	}
	return key, nil
}
