package google

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// signer holds a key that signs ID tokens. It generates the key when the key is first used,
// because that takes time and most runs of the simulator never use it.
type signer struct {
	once sync.Once
	key  *rsa.PrivateKey
}

const keyID = "songspy-sim-1"

func (s *signer) privateKey() *rsa.PrivateKey {
	s.once.Do(func() {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil { // cannot happen: the system's random source never fails
			panic(err)
		}
		s.key = key
	})
	return s.key
}

// issuer returns the issuer of ID tokens: the address under which the caller reaches the
// simulated Google. OpenID Connect's discovery document must name exactly the address
// that the caller used. Between containers that is not the address that browsers use.
func issuer(r *http.Request) string {
	if strings.HasSuffix(r.Host, ".google.com") || strings.HasSuffix(r.Host, ".googleapis.com") { // a request within the process, see sim.Transport
		return "https://accounts.google.com"
	}
	return "http://" + r.Host + "/google"
}

func (s *Server) discovery(w *requestlog.Writer, r *http.Request) {
	base := "http://" + r.Host + "/google"
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                issuer(r),
		"authorization_endpoint":                s.PublicURL + "/google/o/oauth2/v2/auth",
		"token_endpoint":                        base + "/token",
		"userinfo_endpoint":                     base + "/v1/userinfo",
		"jwks_uri":                              base + "/oauth2/v3/certs",
		"response_types_supported":              []string{"code", "token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"code_challenge_methods_supported":      []string{"S256"},
	})
}

func (s *Server) certs(w *requestlog.Writer, _ *http.Request) {
	public := s.signer.privateKey().PublicKey
	writeJSON(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": keyID,
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

// idToken returns a signed ID token for the person and the app in c. If the quirk
// IDTokenFlaw is set, the token has that flaw and is invalid.
func (s *Server) idToken(r *http.Request, c token.Claims) string {
	now := s.Now()
	claims := map[string]any{
		"iss": issuer(r), "aud": clients[c.Client], "azp": clients[c.Client], "sub": s.World.Person(c.Person).GoogleID,
		"iat": now.Unix(), "exp": now.Add(accessLife).Unix(),
	}
	if c.Nonce != "" {
		claims["nonce"] = c.Nonce
	}
	if c.Scopes&email != 0 {
		claims["email"], claims["email_verified"] = s.World.Person(c.Person).Email, true
	}
	s.addProfile(claims, c)
	algorithm, signer := "RS256", &s.signer
	switch s.Quirks.Get().IDTokenFlaw {
	case "expired":
		claims["exp"] = now.Add(-time.Minute).Unix()
	case "audience":
		claims["aud"] = ForeignClientID
	case "issuer":
		claims["iss"] = "https://issuer.example"
	case "nonce":
		claims["nonce"] = "of-another-attempt"
	case "key":
		signer = &otherSigner
	case "none":
		algorithm = "none"
	case "HS256":
		algorithm = "HS256"
	}
	payload, err := json.Marshal(claims)
	if err != nil { // cannot happen: strings, numbers and booleans
		panic(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+algorithm+`","typ":"JWT","kid":"`+keyID+`"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signer.sign(algorithm, signed))
}

// otherSigner signs with a key that the simulator does not publish, so
// verifiers must reject its signatures.
var otherSigner signer

// sign returns the signature of a text by the algorithm "RS256", "HS256" or "none". For
// HS256 it uses the public key as the secret. That deceives verifiers that trust the
// algorithm in the token.
func (s *signer) sign(algorithm, text string) []byte {
	switch algorithm {
	case "none":
		return nil
	case "HS256":
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&s.privateKey().PublicKey))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.privateKey(), crypto.SHA256, sum[:])
	if err != nil { // cannot happen: the key is long enough for the hash
		panic(err)
	}
	return signature
}
