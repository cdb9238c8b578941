package journey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// frontend makes the requests that songspy-fe, the original frontend, makes for one person of the
// simulator.
type frontend struct {
	*testSystem
	person int
	id     int64
	token  string
}

// response is an answer of the API: the status, the header and the decoded envelope.
type response struct {
	status int
	header http.Header
	Result string
	Data   json.RawMessage
	Error  *struct{ Code, Message string }
}

// into decodes the data of the answer into v.
func (a response) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.Data, v); err != nil {
		t.Fatalf("decoding the data %s: %v", a.Data, err)
	}
}

func (a response) code() string {
	if a.Error == nil {
		return ""
	}
	return a.Error.Code
}

func (f *frontend) call(method, path string, body any) response {
	f.t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			f.t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.api+"/v1/songspy"+path, reader)
	if err != nil {
		f.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := response{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		f.t.Fatalf("%s %s: status %d, and the body is not an envelope: %v", method, path, resp.StatusCode, err)
	}
	return a
}

// mustCall sends a request, and fails the test unless the answer is 200.
func (f *frontend) mustCall(method, path string, body any) response {
	f.t.Helper()
	a := f.call(method, path, body)
	if a.status != http.StatusOK || a.Result != "SUCCESS" || a.Error != nil {
		f.t.Fatalf("%s %s: status %d, %s %s", method, path, a.status, a.Result, a.code())
	}
	return a
}

// signedIn is the answer to a sign-in: the fields that the original frontend reads, and newer
// fields.
type signedIn struct {
	ID              int64   `json:"id"`
	NickName        *string `json:"nickName"`
	HasSpotify      bool    `json:"hasSpotify"`
	ProfileImageURL *string `json:"profileImageUrl"`
	Token           string  `json:"token"`
	RefreshToken    string  `json:"refreshToken"`
	ExpiresIn       int     `json:"expiresIn"`
}

// signUp signs a person up with a Google access token.
func (w *testSystem) signUp(person int) (*frontend, signedIn) {
	w.t.Helper()
	f := &frontend{testSystem: w, person: person}
	access := w.sim.GoogleToken(person, sim.GoogleClientID)
	w.addSecrets(access, w.sim.Person(person).Email)
	var in signedIn
	f.mustCall(http.MethodPost, "/google-auth", map[string]string{"accessToken": access}).into(w.t, &in)
	w.addSecrets(in.Token, in.RefreshToken)
	f.id, f.token = in.ID, in.Token
	return f, in
}

// link authorizes at Spotify, and links as the original frontend does: the code is in the
// query.
func (f *frontend) link() {
	f.t.Helper()
	code := f.sim.SpotifyCode(f.person, sim.CodeOptions{ClientID: sim.SpotifyClientID, RedirectURI: redirect})
	f.addSecrets(code)
	if a := f.mustCall(http.MethodPost, "/spotify-auth?code="+url.QueryEscape(code), nil); string(a.Data) != "true" {
		f.t.Fatalf("linking answered %s, want true", a.Data)
	}
}

// linkWithPKCE links as the contract recommends: with a PKCE challenge, and the code in the
// body.
func (f *frontend) linkWithPKCE() {
	f.t.Helper()
	const verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
	sum := sha256.Sum256([]byte(verifier))
	code := f.sim.SpotifyCode(f.person, sim.CodeOptions{
		ClientID: sim.SpotifyClientID, RedirectURI: redirect, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	f.addSecrets(code, verifier)
	f.mustCall(http.MethodPost, "/spotify-auth", map[string]string{"code": code, "redirectUri": redirect, "codeVerifier": verifier})
}

// boardEntry is an entry of the board, with the fields of the original service.
type boardEntry struct {
	Track struct {
		ID            int64  `json:"id"`
		CreatedAt     string `json:"createdAt"`
		Title         string `json:"title"`
		ArtistName    string `json:"artistName"`
		OriginalURL   string `json:"originalUrl"`
		PreviewURL    string `json:"previewUrl"`
		AlbumImageURL string `json:"albumImageUrl"`
	} `json:"track"`
	User struct {
		ID              int64  `json:"id"`
		NickName        string `json:"nickName"`
		ProfileImageURL string `json:"profileImageUrl"`
	} `json:"user"`
}

// board returns the entries of the board.
func (w *testSystem) board() []boardEntry {
	w.t.Helper()
	var entries []boardEntry
	(&frontend{testSystem: w}).mustCall(http.MethodGet, "/tracks/current-playing", nil).into(w.t, &entries)
	return entries
}

// boardEntry returns the person's entry of the board, or false if there is none.
func (f *frontend) boardEntry() (boardEntry, bool) {
	f.t.Helper()
	for _, e := range f.board() {
		if e.User.ID == f.id {
			return e, true
		}
	}
	return boardEntry{}, false
}
