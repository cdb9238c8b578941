package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"

	"github.com/songspy/songspy/songspy-api/internal/auth"
)

// defaultAddr is the default of SONGSPY_API_ADDR.
const defaultAddr = "127.0.0.1:8080"

// defaultAdminAddr is the default of SONGSPY_API_ADMIN_ADDR.
const defaultAdminAddr = "127.0.0.1:8082"

// settings is the configuration of the API, read from the environment.
type settings struct {
	Service config.Service
	Spotify config.Spotify
	Google  config.Google
	Mail    config.Mail

	// Addr is the address at which the API listens for clients. AdminAddr is the address at
	// which it serves metrics, profiles and readiness to the operator.
	Addr      string `env:"SONGSPY_API_ADDR" envDefault:"127.0.0.1:8080"`
	AdminAddr string `env:"SONGSPY_API_ADMIN_ADDR" envDefault:"127.0.0.1:8082"`
	// PublicURL is the address at which browsers reach this instance. It is also the
	// issuer of the JWTs.
	PublicURL string `env:"SONGSPY_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	// TrustedProxies are the addresses and networks of proxies. The API
	// believes the X-Forwarded-For header only in requests from them.
	TrustedProxies config.List `env:"SONGSPY_TRUSTED_PROXIES"`
	// AllowedOrigins are other origins whose pages may read the API's answers (CORS).
	AllowedOrigins config.List `env:"SONGSPY_ALLOWED_ORIGINS"`
	// JWTKeys sign and verify the JWTs. The text is a list such as "id1:base64,id2:base64",
	// with 32 bytes in base64 for each key. The first key signs, all keys verify.
	JWTKeys songspy.Secret `env:"SONGSPY_JWT_KEYS"`
	// TokenLife is how long a JWT is valid. A JWT never outlives its session.
	TokenLife time.Duration `env:"SONGSPY_TOKEN_LIFE" envDefault:"24h"`
	// SessionLife is how long a bearer session lasts after its last refresh, and a browser
	// session after its last use.
	SessionLife time.Duration `env:"SONGSPY_SESSION_LIFE" envDefault:"720h"`
	// SessionMaxLife is how long a session lasts after its sign-in, with or without
	// refreshes.
	SessionMaxLife time.Duration `env:"SONGSPY_SESSION_MAX_LIFE" envDefault:"4320h"`
	// WritesPerMinute limits the requests of one user that change something, and
	// LinkingsPerMinute those that link Spotify or test the user's webhook. 0 means no limit.
	WritesPerMinute   int `env:"SONGSPY_WRITES_PER_MINUTE" envDefault:"120"`
	LinkingsPerMinute int `env:"SONGSPY_LINKINGS_PER_MINUTE" envDefault:"20"`
	// StreamsPerAccount limits the open streams of a user, and StreamsPerAddress those of all
	// viewers at one address who are not signed in. 0 means no limit.
	StreamsPerAccount int `env:"SONGSPY_STREAMS_PER_ACCOUNT" envDefault:"32"`
	StreamsPerAddress int `env:"SONGSPY_STREAMS_PER_ADDRESS" envDefault:"64"`
	// SignInsPerMinute limits the sum of sign-ins, refreshes and linkings from one client
	// address. 0 means no limit.
	SignInsPerMinute int `env:"SONGSPY_SIGN_INS_PER_MINUTE" envDefault:"60"`
	// DefaultAudience is the audience of new users who sign up with a Google access token; see
	// songspy.Audience. Users who sign up by redirect share with nobody at first.
	DefaultAudience string `env:"SONGSPY_DEFAULT_AUDIENCE" envDefault:"everyone"`
	// SignUp says who may sign up. It is one of the values of auth.Policy.
	SignUp string `env:"SONGSPY_SIGN_UP" envDefault:"open"`
	// Allowlist holds the e-mail addresses and domains of the users who may sign up if
	// SignUp is "allowlist"; see auth.ParseAllowlist.
	Allowlist songspy.Secret `env:"SONGSPY_ALLOWLIST"`
	// Operators holds the verified Google addresses of the users who may use the
	// routes of operators; see auth.ParseOperators.
	Operators songspy.Secret `env:"SONGSPY_OPERATORS"`
}

// Validate returns every error in the settings that belong to the API.
func (s settings) Validate() error {
	problems := []error{
		checkAddr("SONGSPY_API_ADDR", s.Addr, defaultAddr),
		checkAddr("SONGSPY_API_ADMIN_ADDR", s.AdminAddr, defaultAdminAddr),
		checkOrigin("SONGSPY_PUBLIC_URL", s.PublicURL),
		config.AtLeast("SONGSPY_TOKEN_LIFE", s.TokenLife, time.Minute),
		config.AtLeast("SONGSPY_SESSION_LIFE", s.SessionLife, time.Minute),
		config.AtLeast("SONGSPY_SESSION_MAX_LIFE", s.SessionMaxLife, time.Minute),
		config.AtLeast("SONGSPY_SIGN_INS_PER_MINUTE", s.SignInsPerMinute, 0),
		config.AtLeast("SONGSPY_WRITES_PER_MINUTE", s.WritesPerMinute, 0),
		config.AtLeast("SONGSPY_LINKINGS_PER_MINUTE", s.LinkingsPerMinute, 0),
		config.AtLeast("SONGSPY_STREAMS_PER_ACCOUNT", s.StreamsPerAccount, 0),
		config.AtLeast("SONGSPY_STREAMS_PER_ADDRESS", s.StreamsPerAddress, 0),
		s.Service.CheckKeys("SONGSPY_JWT_KEYS", s.JWTKeys),
		s.Service.CheckNotSealKey("SONGSPY_JWT_KEYS", s.JWTKeys),
		s.requireHTTPS(),
		config.OneOf("SONGSPY_DEFAULT_AUDIENCE", s.DefaultAudience,
			string(songspy.AudienceEveryone), string(songspy.AudienceFollowers), string(songspy.AudienceLink), string(songspy.AudienceNobody)),
	}
	_, err := s.signUpOptions()
	problems = append(problems, err)
	_, err = s.operators(nil)
	problems = append(problems, err)
	if s.Spotify.RedirectURL == "" && !s.Service.IsDevelopment() {
		problems = append(problems, errors.New("SONGSPY_SPOTIFY_REDIRECT_URL: is required in production; set it to the redirect address that is registered with Spotify"))
	}
	for _, proxy := range s.TrustedProxies {
		problems = append(problems, checkProxy(proxy))
	}
	for _, origin := range s.AllowedOrigins {
		problems = append(problems, checkOrigin("SONGSPY_ALLOWED_ORIGINS", origin))
	}
	return errors.Join(problems...)
}

// signUpOptions returns the sign-up policy. It returns an error if there is an allowlist but
// the policy is not "allowlist", because the operator probably believes that the list keeps
// others out.
func (s settings) signUpOptions() (auth.SignUp, error) {
	rule := auth.SignUp{Policy: auth.Policy(s.SignUp)}
	if err := config.OneOf("SONGSPY_SIGN_UP", s.SignUp,
		string(auth.PolicyOpen), string(auth.PolicyInvite), string(auth.PolicyAllowlist)); err != nil {
		return rule, err
	}
	if rule.Policy != auth.PolicyAllowlist {
		if s.Allowlist != "" {
			return rule, fmt.Errorf("SONGSPY_ALLOWLIST: is set while SONGSPY_SIGN_UP is %s; set SONGSPY_SIGN_UP to allowlist, or remove the list", s.SignUp)
		}
		return rule, nil
	}
	list, err := auth.ParseAllowlist(s.Allowlist)
	if err != nil {
		return rule, fmt.Errorf("SONGSPY_ALLOWLIST: %w; SONGSPY_SIGN_UP=allowlist needs addresses and @domains, separated by commas or line breaks", err)
	}
	rule.Allowlist = list
	return rule, nil
}

// operators parses the addresses of the operators. The parameter key is the key with which
// these addresses are hashed.
func (s settings) operators(key []byte) (auth.Operators, error) {
	operators, err := auth.ParseOperators(s.Operators, key)
	if err != nil {
		return operators, fmt.Errorf("SONGSPY_OPERATORS: %w; the variable must list e-mail addresses, separated by commas or line breaks", err)
	}
	return operators, nil
}

func checkAddr(name, addr, example string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%s: is %q; it must be host:port, such as %s", name, addr, example)
	}
	return nil
}

// checkOrigin returns an error unless origin consists of scheme, host and port
// as browsers write them, because browsers compare exactly these. It rejects *,
// which would allow every page.
func checkOrigin(name, origin string) error {
	u, err := url.Parse(origin)
	defaultPort := map[string]string{"https": "443", "http": "80"}
	if err == nil && u.Host != "" && defaultPort[u.Scheme] != "" && defaultPort[u.Scheme] != u.Port() && u.Scheme+"://"+strings.ToLower(u.Host) == origin {
		return nil
	}
	return fmt.Errorf("%s: is %q; it must be an origin such as https://songs.example.org, in lower case, without a path and without the default port", name, origin)
}

// requireHTTPS returns an error, in production, if the public URL is http at an address that is
// not a loopback address, because clients would send tokens unencrypted.
func (s settings) requireHTTPS() error {
	u, err := url.Parse(s.PublicURL)
	if err != nil || s.Service.IsDevelopment() || u.Scheme != "http" || net.ParseIP(u.Hostname()).IsLoopback() || u.Hostname() == "localhost" {
		return nil
	}
	return fmt.Errorf("SONGSPY_PUBLIC_URL: is %q; in production it must be https, or http at a loopback address, because clients send tokens to it", s.PublicURL)
}

// warnings returns problems of the settings that do not prevent the start.
func (s settings) warnings() []string {
	var warnings []string
	for _, proxy := range s.TrustedProxies {
		if network, err := netip.ParsePrefix(proxy); err == nil && network.Bits() == 0 {
			warnings = append(warnings, fmt.Sprintf("SONGSPY_TRUSTED_PROXIES: %s trusts every address, so clients can evade the rate limits with a false X-Forwarded-For; set it to the network of your proxy", proxy))
		}
	}
	return warnings
}

func checkProxy(proxy string) error {
	_, asAddr := netip.ParseAddr(proxy)
	_, asNetwork := netip.ParsePrefix(proxy)
	if asAddr != nil && asNetwork != nil {
		return fmt.Errorf("SONGSPY_TRUSTED_PROXIES: is %q; it must be addresses or networks such as 10.0.0.0/8", proxy)
	}
	return nil
}

// withKeys returns the settings with all secret keys. Missing keys, which only
// development allows, are generated and stored in the state directory.
func (s settings) withKeys() (settings, error) {
	if s.JWTKeys != "" && s.Service.SealKeys != "" {
		return s, nil
	}
	keys, err := config.DevelopmentKeys(s.Service.StateDir)
	if err != nil {
		return s, err
	}
	if s.JWTKeys == "" {
		s.JWTKeys = keys.JWT
	}
	if s.Service.SealKeys == "" {
		s.Service.SealKeys = keys.Seal
	}
	return s, nil
}
