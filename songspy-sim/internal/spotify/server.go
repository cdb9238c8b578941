package spotify

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/consents"
	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// Server imitates Spotify's accounts service and Web API over HTTP. All fields
// except RedirectURIs must be set.
type Server struct {
	World      *population.World
	TokenCodec *token.Codec
	Consents   *consents.Store
	RequestLog *requestlog.Log
	Faults     *faults.Registry
	Quirks     *quirks.Switch
	Now        func() time.Time

	AccessLife   time.Duration
	PublicURL    string   // the simulator's address for browsers, without a slash at the end
	RedirectURIs []string // the registered redirect URIs; if empty, those on loopback addresses are accepted

	usedTokens token.UsedTokens
	windows    [maxApps]faults.Window                           // by app
	quotas     [maxApps]faults.Quota                            // by developer account
	itemCache  [population.CatalogueSize]atomic.Pointer[[]byte] // JSON, by the track's number in the catalogue
}

// Routes adds Spotify's routes to a mux.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.Handle("GET /spotify/accounts/authorize", s.RequestLog.Wrap(requestlog.Authorize, s.authorize))
	mux.Handle("POST /spotify/accounts/api/token", s.RequestLog.Wrap(requestlog.Token, s.token))
	mux.Handle("GET /spotify/api/v1/me", s.RequestLog.Wrap(requestlog.Me, s.me))
	mux.Handle("GET /spotify/api/v1/me/player/currently-playing", s.RequestLog.Wrap(requestlog.CurrentlyPlaying, s.currentlyPlaying))
	mux.Handle("GET /spotify/api/v1/me/player/recently-played", s.RequestLog.Wrap(requestlog.RecentlyPlayed, s.recentlyPlayed))
	mux.Handle("/spotify/api/v1/", s.RequestLog.Wrap(requestlog.Other, func(w *requestlog.Writer, _ *http.Request) {
		writeError(w, http.StatusNotFound, "Service not found")
	}))
}

// Code returns an authorization code for the app with the given index, as if the person had
// allowed the app on the consent page. The PKCE challenge is empty without PKCE.
func (s *Server) Code(person, app int, redirectURI, challenge string, scopes Scopes) string {
	return s.TokenCodec.Issue(token.SpotifyCode, token.Claims{
		Person: person, Client: uint8(app), Generation: s.Consents.Generation(person), Scopes: uint8(scopes),
		At: s.Now().Add(codeLife), Redirect: redirectURI, Challenge: challenge,
	})
}

// Tokens returns an access token and a refresh token of a person, as if the first app had
// just exchanged an authorization code with its client secret.
func (s *Server) Tokens(person int) (access, refresh string) {
	c := token.Claims{Person: person, Generation: s.Consents.Generation(person), Scopes: uint8(ListeningScopes)}
	return s.newAccessToken(c), s.newRefreshToken(c, s.Now())
}

func (s *Server) newAccessToken(c token.Claims) string {
	c.At, c.Redirect, c.Challenge = s.Now().Add(s.AccessLife), "", ""
	return s.TokenCodec.Issue(token.SpotifyAccess, c)
}

func (s *Server) newRefreshToken(c token.Claims, consent time.Time) string {
	c.At, c.Redirect, c.Challenge = consent, "", ""
	return s.TokenCodec.Issue(token.SpotifyRefresh, c)
}
