package sim

import "net/http"

// guide is the text that the simulator serves at the path /, for a person who opens its
// address in a browser.
const guide = `This is a simulated Spotify and Google. The people here do not exist.

  /spotify/accounts/authorize    Spotify's consent page (client_id, redirect_uri, response_type=code)
  /spotify/accounts/api/token    Spotify's token endpoint
  /spotify/api/v1/me, …          Spotify's Web API
  /google/…                      Google's consent page, tokens, tokeninfo, userinfo, OpenID discovery
  /admin/population              the people, as a whole
  /admin/people/0                one person
  /admin/truth?person=0          what a person really played
  /admin/stats                   the calls so far
  /admin/faults                  simulated faults

songspy-sim/README.md shows each with examples.
`

func serveGuide(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(guide))
}
