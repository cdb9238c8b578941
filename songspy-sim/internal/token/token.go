// Package token makes and reads the simulator's tokens and codes.
//
// A token contains its claims and an HMAC of them. The HMAC's key is computed from the
// seed of the simulation. So the simulator need not store tokens, and every process with
// the same seed accepts them. A load test can make a million tokens in advance.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is the purpose of a token or code: its provider and its role. Each token begins with
// the characters of its Kind.
type Kind string

// The kinds of tokens and codes.
const (
	SpotifyAccess  Kind = "BQ"
	SpotifyRefresh Kind = "AQ"
	SpotifyCode    Kind = "AC"
	GoogleAccess   Kind = "ya29.sim-"
	GoogleRefresh  Kind = "1//sim-"
	GoogleCode     Kind = "4/sim-"
)

// Claims is the content of a token.
type Claims struct {
	Person     int
	Generation uint16    // the number of the person's consent at Spotify; revoking the consent increases it
	Client     uint8     // index of the app in the provider's list of apps
	Scopes     uint8     // a set of the provider's scopes, one bit each
	Public     bool      // only in Spotify's refresh tokens: the app obtained the token without its secret
	At         time.Time // the expiry, or for a refresh token the time of the consent; in whole milliseconds
	Redirect   string    // only in codes: the redirect URI that the exchange must name
	Challenge  string    // only in codes: the PKCE challenge; empty if the code was requested without one
	Nonce      string    // only in Google's codes: the nonce for the ID token
	Serial     uint64    // differs between any two tokens of one Codec, so that equal claims give different tokens
}

const (
	fixedSize = 8 + 4 + 2 + 1 + 1 + 1 + 8
	macSize   = 16
)

// Codec makes and reads tokens. All methods are safe for concurrent use.
type Codec struct {
	macPool sync.Pool
	serial  atomic.Uint64
}

// NewCodec returns a codec whose key is computed from the seed.
func NewCodec(seed uint64) *Codec {
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("songspy-sim tokens "), seed))
	m := &Codec{}
	m.macPool.New = func() any { return hmac.New(sha256.New, key[:]) }
	return m
}

// Issue returns a new token with the claims, except that it chooses Serial itself.
// Challenge and Nonce are included only if Redirect is not empty, as in codes.
func (m *Codec) Issue(kind Kind, c Claims) string {
	body := make([]byte, 0, fixedSize+macSize+len(c.Redirect)+len(c.Challenge)+len(c.Nonce)+6)
	body = binary.BigEndian.AppendUint64(body, uint64(c.At.UnixMilli()))
	body = binary.BigEndian.AppendUint32(body, uint32(c.Person))
	body = binary.BigEndian.AppendUint16(body, c.Generation)
	public := byte(0)
	if c.Public {
		public = 1
	}
	body = append(body, c.Client, c.Scopes, public)
	body = binary.BigEndian.AppendUint64(body, m.serial.Add(1))
	if c.Redirect != "" {
		for _, s := range []string{c.Redirect, c.Challenge, c.Nonce} {
			body = binary.BigEndian.AppendUint16(body, uint16(len(s)))
			body = append(body, s...)
		}
	}
	body = m.sum(kind, body, body)
	return string(kind) + base64.RawURLEncoding.EncodeToString(body)
}

// Read returns the claims of a token, and whether the token is authentic and of
// the given kind. It does not check whether the token has expired.
func (m *Codec) Read(kind Kind, token string) (Claims, bool) {
	text, ok := strings.CutPrefix(token, string(kind))
	if !ok || len(text) > 4096 {
		return Claims{}, false
	}
	var small [64]byte // large enough for every token except codes
	buffer := small[:]
	if n := base64.RawURLEncoding.DecodedLen(len(text)); n > len(buffer) {
		buffer = make([]byte, n)
	}
	n, err := base64.RawURLEncoding.Decode(buffer, []byte(text))
	if err != nil || n < fixedSize+macSize {
		return Claims{}, false
	}
	body, mac := buffer[:n-macSize], buffer[n-macSize:n]
	var want [sha256.Size]byte
	if subtle.ConstantTimeCompare(m.sum(kind, want[:0], body), mac) != 1 {
		return Claims{}, false
	}
	c := Claims{
		At:         time.UnixMilli(int64(binary.BigEndian.Uint64(body))),
		Person:     int(binary.BigEndian.Uint32(body[8:])),
		Generation: binary.BigEndian.Uint16(body[12:]),
		Client:     body[14], Scopes: body[15], Public: body[16] == 1,
		Serial: binary.BigEndian.Uint64(body[17:]),
	}
	rest := body[fixedSize:]
	for _, field := range []*string{&c.Redirect, &c.Challenge, &c.Nonce} {
		if len(rest) < 2 {
			break
		}
		size := int(binary.BigEndian.Uint16(rest)) // within bounds: the HMAC is valid, so Issue has written it
		*field, rest = string(rest[2:2+size]), rest[2+size:]
	}
	return c, true
}

// sum appends the HMAC of kind and body, truncated to macSize bytes, to out.
func (m *Codec) sum(kind Kind, out, body []byte) []byte {
	mac := m.macPool.Get().(hash.Hash)
	defer m.macPool.Put(mac)
	mac.Reset()
	mac.Write([]byte(kind))
	mac.Write(body)
	var full [sha256.Size]byte
	return append(out, mac.Sum(full[:0])[:macSize]...)
}

// Challenge returns the PKCE S256 challenge of a verifier (RFC 7636, section
// 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// UsedTokens stores which of the tokens that can be used only once have been used. To limit
// its size, it deletes expired tokens from time to time. The zero value is ready for use.
type UsedTokens struct {
	mu          sync.Mutex
	expiresAt   map[string]time.Time // by token
	cleanupSize int                  // the size of expiresAt at which MarkUsed deletes the expired tokens, if it is above 1024
}

// MarkUsed marks a token that expires at the given time as used. It returns false if the
// token was used before.
func (s *UsedTokens) MarkUsed(token string, now, expires time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.expiresAt[token]; used {
		return false
	}
	if s.expiresAt == nil {
		s.expiresAt = map[string]time.Time{}
	}
	if len(s.expiresAt) >= max(s.cleanupSize, 1024) {
		for t, end := range s.expiresAt {
			if end.Before(now) {
				delete(s.expiresAt, t)
			}
		}
		s.cleanupSize = 2 * len(s.expiresAt)
	}
	s.expiresAt[token] = expires
	return true
}
