package spotify

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// okTransport answers every call with 200 and this body.
type okTransport string

func (s okTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s))), ContentLength: -1}, nil
}

// FuzzRefresh_NeverLosesARotatedRefreshToken gives Refresh answers with a new access token, a
// new refresh token, and arbitrary values in the other fields. Refresh must return both tokens.
func FuzzRefresh_NeverLosesARotatedRefreshToken(f *testing.F) {
	for _, life := range []string{`3600`, `3600.0`, `"3600"`, `"3600.5"`, `null`, `-1`, `1e400`, `"NaN"`, `[]`, `{}`, `true`, `""`, `0`} {
		f.Add(life, `"Bearer"`, `"a b"`)
		f.Add(`3600`, life, life)
	}
	f.Fuzz(func(t *testing.T, life, kind, scope string) {
		body := `{"access_token":"A2","expires_in":` + life + `,"token_type":` + kind + `,"scope":` + scope + `,"refresh_token":"R2"}`
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &fields) != nil || string(fields["access_token"]) != `"A2"` || string(fields["refresh_token"]) != `"R2"` {
			t.Skip("not JSON, or it overwrites the tokens")
		}
		for name := range fields {
			if strings.HasPrefix(strings.ToLower(name), "error") {
				t.Skip("an error")
			}
		}
		now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
		c := New(Config{ClientID: "id", Transport: okTransport(body), Now: func() time.Time { return now }})
		g, err := c.Refresh(t.Context(), songspy.Link{AuthMethod: songspy.AuthPKCE, RefreshToken: "R1"})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if g.AccessToken != "A2" || g.RefreshToken != "R2" {
			t.Fatalf("%s: the grant is %+v", body, g)
		}
		if life := g.ExpiresAt.Sub(now); life <= 0 || life > 24*time.Hour {
			t.Fatalf("%s: the lifetime is %s", body, life)
		}
	})
}
