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

// defaultAddr is where the API listens when it is not told.
const defaultAddr = "127.0.0.1:8080"

// settings is all that the API is told by its environment.
type settings struct {
	Service config.Service
	Spotify config.Spotify
	Google  config.Google
	Mail    config.Mail

	// Addr is the public address; AdminAddr that of metrics and profiles.
	Addr      string `env:"SONGSPY_API_ADDR" envDefault:"127.0.0.1:8080"`
	AdminAddr string `env:"SONGSPY_API_ADMIN_ADDR" envDefault:"127.0.0.1:8082"`
	// PublicURL is where browsers reach this instance; it is the JWTs' issuer.
	PublicURL string `env:"SONGSPY_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	// TrustedProxies are addresses and networks whose X-Forwarded-For is believed.
	TrustedProxies config.List `env:"SONGSPY_TRUSTED_PROXIES"`
	// AllowedOrigins are other origins whose pages may read the answers.
	AllowedOrigins config.List `env:"SONGSPY_ALLOWED_ORIGINS"`
	// JWTKeys sign and verify the JWTs; see config.ParseKeys.
	JWTKeys songspy.Secret `env:"SONGSPY_JWT_KEYS"`
	// TokenLife is a JWT's life. It ends with its session at the latest.
	TokenLife time.Duration `env:"SONGSPY_TOKEN_LIFE" envDefault:"24h"`
	// SessionLife is how long a session lives without being refreshed, within SessionMaxLife.
	SessionLife time.Duration `env:"SONGSPY_SESSION_LIFE" envDefault:"720h"`
	// SessionMaxLife is how long a session lives however often it is refreshed.
	SessionMaxLife time.Duration `env:"SONGSPY_SESSION_MAX_LIFE" envDefault:"4320h"`
	// WritesPerMinute and LinkingsPerMinute bound what one user changes; 0: no bound.
	WritesPerMinute   int `env:"SONGSPY_WRITES_PER_MINUTE" envDefault:"120"`
	LinkingsPerMinute int `env:"SONGSPY_LINKINGS_PER_MINUTE" envDefault:"20"`
	// SignInsPerMinute bounds sign-ins, refreshes and linkings of one address; 0: no bound.
	SignInsPerMinute int `env:"SONGSPY_SIGN_INS_PER_MINUTE" envDefault:"60"`
	// DefaultAudience is who sees a newcomer's songs.
	DefaultAudience string `env:"SONGSPY_DEFAULT_AUDIENCE" envDefault:"everyone"`
	// SignUp is who may sign up: one of identity's policies.
	SignUp string `env:"SONGSPY_SIGN_UP" envDefault:"open"`
	// Allowlist is whose address may, under the policy allowlist; see identity.ParseAllowlist.
	Allowlist songspy.Secret `env:"SONGSPY_ALLOWLIST"`
}

// Validate lists every fault of the settings that are the API's own.
func (s settings) Validate() error {
	faults := []error{
		checkAddr("SONGSPY_API_ADDR", s.Addr),
		checkAddr("SONGSPY_API_ADMIN_ADDR", s.AdminAddr),
		checkOrigin("SONGSPY_PUBLIC_URL", s.PublicURL),
		config.AtLeast("SONGSPY_TOKEN_LIFE", s.TokenLife, time.Minute),
		config.AtLeast("SONGSPY_SESSION_LIFE", s.SessionLife, time.Minute),
		config.AtLeast("SONGSPY_SESSION_MAX_LIFE", s.SessionMaxLife, time.Minute),
		config.AtLeast("SONGSPY_SIGN_INS_PER_MINUTE", s.SignInsPerMinute, 0),
		config.AtLeast("SONGSPY_WRITES_PER_MINUTE", s.WritesPerMinute, 0),
		config.AtLeast("SONGSPY_LINKINGS_PER_MINUTE", s.LinkingsPerMinute, 0),
		s.Service.CheckKeys("SONGSPY_JWT_KEYS", s.JWTKeys),
		s.Service.CheckNotSealKey("SONGSPY_JWT_KEYS", s.JWTKeys),
		s.requireHTTPS(),
		config.OneOf("SONGSPY_DEFAULT_AUDIENCE", s.DefaultAudience,
			string(songspy.AudienceEveryone), string(songspy.AudienceFollowers), string(songspy.AudienceLink), string(songspy.AudienceNobody)),
	}
	_, err := s.signUpOptions()
	faults = append(faults, err)
	if s.Spotify.RedirectURL == "" && !s.Service.IsDevelopment() {
		faults = append(faults, errors.New("SONGSPY_SPOTIFY_REDIRECT_URL: is required in production; without the address registered with Spotify nobody can link"))
	}
	for _, proxy := range s.TrustedProxies {
		faults = append(faults, checkProxy(proxy))
	}
	for _, origin := range s.AllowedOrigins {
		faults = append(faults, checkOrigin("SONGSPY_ALLOWED_ORIGINS", origin))
	}
	return errors.Join(faults...)
}

// signUp is who may sign up. A list that nothing looks at is a fault: whoever
// wrote it believes that it keeps others out.
func (s settings) signUpOptions() (auth.SignUp, error) {
	rule := auth.SignUp{Policy: auth.Policy(s.SignUp)}
	if err := config.OneOf("SONGSPY_SIGN_UP", s.SignUp,
		string(auth.PolicyOpen), string(auth.PolicyInvite), string(auth.PolicyAllowlist)); err != nil {
		return rule, err
	}
	if rule.Policy != auth.PolicyAllowlist {
		if s.Allowlist != "" {
			return rule, fmt.Errorf("SONGSPY_ALLOWLIST: is given while SONGSPY_SIGN_UP is %s; set that to allowlist, or take the list away", s.SignUp)
		}
		return rule, nil
	}
	list, err := auth.ParseAllowlist(s.Allowlist)
	if err != nil {
		return rule, fmt.Errorf("SONGSPY_ALLOWLIST: %w; SONGSPY_SIGN_UP=allowlist needs addresses and @domains, one a line or between commas", err)
	}
	rule.Allowlist = list
	return rule, nil
}

func checkAddr(name, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%s: is %q; it must be host:port, such as %s", name, addr, defaultAddr)
	}
	return nil
}

// checkOrigin accepts scheme, host and port as browsers write them, and nothing
// else: that is all that they compare, and * would let every page in.
func checkOrigin(name, origin string) error {
	u, err := url.Parse(origin)
	usual := map[string]string{"https": "443", "http": "80"}
	if err == nil && u.Host != "" && usual[u.Scheme] != "" && usual[u.Scheme] != u.Port() && u.Scheme+"://"+strings.ToLower(u.Host) == origin {
		return nil
	}
	return fmt.Errorf("%s: is %q; it must be an origin such as https://songs.example.org, in lower case and without a path or the usual port", name, origin)
}

// checkEncrypted refuses a public address in production at which tokens would
// travel in the clear.
func (s settings) requireHTTPS() error {
	u, err := url.Parse(s.PublicURL)
	if err != nil || s.Service.IsDevelopment() || u.Scheme != "http" || net.ParseIP(u.Hostname()).IsLoopback() || u.Hostname() == "localhost" {
		return nil
	}
	return fmt.Errorf("SONGSPY_PUBLIC_URL: is %q; in production it must be https, or http at a loopback address: tokens would travel in the clear", s.PublicURL)
}

// warnings are what is wrong with the settings without making them unusable.
func (s settings) warnings() []string {
	var warnings []string
	for _, proxy := range s.TrustedProxies {
		if network, err := netip.ParsePrefix(proxy); err == nil && network.Bits() == 0 {
			warnings = append(warnings, fmt.Sprintf("SONGSPY_TRUSTED_PROXIES: %s trusts every address: anybody can choose the address that they are counted by; name your proxy's network", proxy))
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

// withKeys fills in the keys that a development makes for itself.
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
