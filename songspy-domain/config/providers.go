package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// The modes of the providers Spotify and Google: whether Songspy calls them or the
// simulator.
const (
	Real      = "real"      // every configured URL is the provider's own
	Simulated = "simulated" // no configured URL is the provider's own
	mixedMode = "mixed"     // only some URLs are the provider's own; Load rejects these settings
)

// Spotify holds the credentials of the operator's Spotify apps, and the addresses of Spotify.
type Spotify struct {
	ClientID string `env:"SONGSPY_SPOTIFY_CLIENT_ID"`
	// ClientSecret is empty for an app that authenticates by PKCE alone.
	ClientSecret songspy.Secret `env:"SONGSPY_SPOTIFY_CLIENT_SECRET"`
	// Seats is how many users the app of ClientID admits; 0 means no limit. MoreApps
	// lists further apps as id:secret:seats:account; Apps parses it.
	Seats    int            `env:"SONGSPY_SPOTIFY_SEATS" envDefault:"0"`
	MoreApps songspy.Secret `env:"SONGSPY_SPOTIFY_APPS"`
	// UserApps lets users link through Spotify apps of their own, whose client IDs
	// they enter.
	UserApps bool `env:"SONGSPY_SPOTIFY_USER_APPS" envDefault:"true"`
	// RedirectURL is where Spotify redirects the browser after the user's
	// consent. It must be registered with Spotify in exactly this form.
	RedirectURL string `env:"SONGSPY_SPOTIFY_REDIRECT_URL"`
	// AuthorizeURL is the page on which users consent; browsers open it.
	AuthorizeURL string `env:"SONGSPY_SPOTIFY_AUTHORIZE_URL" envDefault:"https://accounts.spotify.com/authorize"`
	// AccountsURL and APIURL are the base URLs of Spotify's two hosts that the
	// services call: for tokens, and for the Web API.
	AccountsURL string `env:"SONGSPY_SPOTIFY_ACCOUNTS_URL" envDefault:"https://accounts.spotify.com"`
	APIURL      string `env:"SONGSPY_SPOTIFY_API_URL" envDefault:"https://api.spotify.com"`
	// DailyCalls limits the calls of each developer account to the Web API in
	// any 24 hours. Renewals of tokens do not count. 0 means no limit except
	// Spotify's.
	DailyCalls int64 `env:"SONGSPY_SPOTIFY_DAILY_CALLS" envDefault:"0"`
}

// Google holds the client IDs that the operator has registered with Google, the secret of
// the first one, and the addresses of Google.
type Google struct {
	// ClientIDs are the client IDs whose tokens are accepted: a token is rejected unless
	// Google issued it to one of them. Sign-in by redirect uses the first client ID
	// together with ClientSecret. If ClientSecret is empty, users cannot sign in by
	// redirect.
	ClientIDs    List           `env:"SONGSPY_GOOGLE_CLIENT_ID"`
	ClientSecret songspy.Secret `env:"SONGSPY_GOOGLE_CLIENT_SECRET"`
	UserinfoURL  string         `env:"SONGSPY_GOOGLE_USERINFO_URL" envDefault:"https://www.googleapis.com/oauth2/v1/userinfo"`
	TokeninfoURL string         `env:"SONGSPY_GOOGLE_TOKENINFO_URL" envDefault:"https://oauth2.googleapis.com/tokeninfo"`
	IssuerURL    string         `env:"SONGSPY_GOOGLE_ISSUER_URL" envDefault:"https://accounts.google.com"`
}

// Mode returns Real or Simulated. It returns mixedMode only for settings that Load rejects.
func (s Spotify) Mode() string { return modeOf(s.endpoints()) }

// Mode returns Real or Simulated. It returns mixedMode only for settings that Load rejects.
func (g Google) Mode() string { return modeOf(g.endpoints()) }

// Validate returns every fault of the settings.
func (s Spotify) Validate() error {
	_, apps := s.Apps()
	return errors.Join(
		apps,
		AtLeast("SONGSPY_SPOTIFY_SEATS", s.Seats, 0),
		checkEndpoints(s.endpoints()),
		checkSpotifyRedirect("SONGSPY_SPOTIFY_REDIRECT_URL", s.RedirectURL),
		AtLeast("SONGSPY_SPOTIFY_DAILY_CALLS", s.DailyCalls, 0),
	)
}

// Validate returns every fault of the settings.
func (g Google) Validate() error {
	return checkEndpoints(g.endpoints())
}

func (s Spotify) endpoints() []endpoint {
	domains := []string{"spotify.com"}
	return []endpoint{
		{"SONGSPY_SPOTIFY_AUTHORIZE_URL", s.AuthorizeURL, domains},
		{"SONGSPY_SPOTIFY_ACCOUNTS_URL", s.AccountsURL, domains},
		{"SONGSPY_SPOTIFY_API_URL", s.APIURL, domains},
	}
}

func (g Google) endpoints() []endpoint {
	domains := []string{"google.com", "googleapis.com"}
	return []endpoint{
		{"SONGSPY_GOOGLE_USERINFO_URL", g.UserinfoURL, domains},
		{"SONGSPY_GOOGLE_TOKENINFO_URL", g.TokeninfoURL, domains},
		{"SONGSPY_GOOGLE_ISSUER_URL", g.IssuerURL, domains},
	}
}

// endpoint is a configured URL of a provider, with the name of the environment
// variable that sets it and the domains that belong to the provider.
type endpoint struct {
	name, url string
	domains   []string
}

// isReal reports whether the endpoint is an https URL without credentials whose host is
// one of the provider's domains or a subdomain of one.
func (e endpoint) isReal() bool {
	u, err := url.Parse(e.url)
	return err == nil && u.Scheme == "https" && u.User == nil && slices.ContainsFunc(e.domains, func(domain string) bool {
		return u.Hostname() == domain || strings.HasSuffix(u.Hostname(), "."+domain)
	})
}

func modeOf(endpoints []endpoint) string {
	reals := 0
	for _, e := range endpoints {
		if e.isReal() {
			reals++
		}
	}
	switch reals {
	case 0:
		return Simulated
	case len(endpoints):
		return Real
	default:
		return mixedMode
	}
}

func checkEndpoints(endpoints []endpoint) error {
	var errs []error
	for _, e := range endpoints {
		u, err := url.Parse(e.url)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
			errs = append(errs, fmt.Errorf("%s: must be an http or https URL without a query", e.name))
		}
	}
	return errors.Join(errs...)
}

// checkSpotifyRedirect enforces Spotify's rule for redirect URLs: https, or http on a
// literal loopback address. An empty URL passes.
func checkSpotifyRedirect(name, raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%s: must be a complete URL, exactly as registered with the provider", name)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback():
		return nil
	default:
		return fmt.Errorf("%s: must be https, or http on 127.0.0.1 or [::1]; Spotify rejects the name localhost", name)
	}
}

// providerFaults checks the rules that concern several of the settings structs: the
// client IDs are set, production uses the providers' own URLs, and either all providers
// are simulated or none.
func providerFaults(structs []any) Faults {
	var (
		production, spotify, google bool
		endpoints                   []endpoint
		faults                      Faults
		ids                         = map[string]bool{}
	)
	for _, v := range structs {
		switch v := v.(type) {
		case *Service:
			production = !v.IsDevelopment()
		case *Spotify:
			spotify, endpoints = true, append(endpoints, v.endpoints()...)
			ids["spotify"] = v.ClientID != ""
		case *Google:
			google, endpoints = true, append(endpoints, v.endpoints()...)
			ids["google"] = len(v.ClientIDs) > 0
		}
	}
	if spotify && !ids["spotify"] {
		faults = append(faults, "SONGSPY_SPOTIFY_CLIENT_ID: is required; it is the client ID of your app at https://developer.spotify.com/dashboard")
	}
	if google && !ids["google"] {
		faults = append(faults, "SONGSPY_GOOGLE_CLIENT_ID: is required; without it a token issued to any other application would be accepted")
	}
	for _, e := range endpoints {
		if production && !e.isReal() {
			faults = append(faults, fmt.Sprintf("%s: in production it must be https at %s; leave it out, or set SONGSPY_ENV=development to simulate",
				e.name, strings.Join(e.domains, " or ")))
		}
	}
	if !production && len(endpoints) > 0 && modeOf(endpoints) == mixedMode {
		faults = append(faults, "the providers' URLs: some are simulated and some are real; set all of SONGSPY_SPOTIFY_…_URL and SONGSPY_GOOGLE_…_URL, or none")
	}
	return faults
}
