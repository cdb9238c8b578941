package sim

import "net/http"

// guide is what the front door says to whoever opens it in a browser.
const guide = `This is a simulated Spotify and Google. The people here do not exist.

  /spotify/accounts/authorize    Spotify's page of consent (client_id, redirect_uri, response_type=code)
  /spotify/accounts/api/token    Spotify's token endpoint
  /spotify/api/v1/me, …          Spotify's Web API
  /google/…                      Google's page of consent, tokens, tokeninfo, userinfo, OpenID discovery
  /admin/population              who is there
  /admin/people/0                one of them
  /admin/truth?person=0          what a person really heard
  /admin/stats                   what was asked so far
  /admin/faults                  misbehaviour on command

songspy-sim/README.md shows each with examples.
`

func serveGuide(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(guide))
}
