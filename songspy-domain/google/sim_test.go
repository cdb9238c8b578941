package google_test

import (
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/google"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// The simulated Google was written independently of the client and shares no code
// with it. Its transport answers for Google's hosts.

func TestSimulator_ReturnsProfiles(t *testing.T) {
	for name, c := range map[string]struct {
		userinfo, tokeninfo string
		quirks              sim.Quirks
	}{
		"default":                 {},
		"v2 userinfo":             {userinfo: "https://www.googleapis.com/oauth2/v2/userinfo"},
		"OpenID Connect":          {userinfo: "https://openidconnect.googleapis.com/v1/userinfo"},
		"older tokeninfo":         {tokeninfo: "https://www.googleapis.com/oauth2/v1/tokeninfo"},
		"tokeninfo without a sub": {quirks: sim.Quirks{TokeninfoWithoutSubject: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sim.New(sim.Options{Quirks: c.quirks})
			if err != nil {
				t.Fatal(err)
			}
			client := google.New(google.Config{
				UserinfoURL: c.userinfo, TokeninfoURL: c.tokeninfo,
				Audiences: []string{sim.GoogleClientID}, Transport: s.Transport(),
			})
			for number := range s.People() {
				got, err := client.Profile(t.Context(), songspy.Secret(s.GoogleToken(number, sim.GoogleClientID)))
				if err != nil {
					t.Fatal(err)
				}
				p := s.Person(number)
				name := strings.TrimSpace(p.GivenName + " " + p.FamilyName)
				if got.Subject != p.GoogleID || !strings.Contains(got.Name, p.GivenName) || (got.PictureURL != "") != p.HasPicture {
					t.Errorf("person %d is %+v, want %s %q, picture: %v", number, got, p.GoogleID, name, p.HasPicture)
				}
			}
			_, err = client.Profile(t.Context(), songspy.Secret(s.GoogleToken(0, sim.ForeignGoogleClientID)))
			wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenForeign, 0)
			_, err = client.Profile(t.Context(), "ya29.made-up")
			wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenInvalid, 0)
		})
	}
}
