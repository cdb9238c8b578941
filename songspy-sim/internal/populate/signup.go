package populate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/google"
	"github.com/songspy/songspy/songspy-sim/internal/spotify"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// account is Songspy's response to a sign-in.
type account struct {
	ID         int64   `json:"id"`
	NickName   *string `json:"nickName"`
	HasSpotify bool    `json:"hasSpotify"`
	Token      string  `json:"token"`
}

// signUpPerson signs one person up, links them, and sets the nickname if they
// want one.
func (p *Populator) signUpPerson(ctx context.Context, n int, result *Result) error {
	parameters, err := p.consent(ctx, "/google/o/oauth2/v2/auth", n, p.opts.GoogleRedirect, url.Values{
		"client_id": {google.ClientID}, "response_type": {"token"}, "scope": {"openid email profile"},
	})
	if err != nil {
		return fmt.Errorf("page of google: %w", err)
	}
	var me account
	body := map[string]string{"accessToken": parameters.Get("access_token")}
	if p.opts.Invite != "" {
		body["invite"] = p.opts.Invite
	}
	if err := p.call(ctx, "/google-auth", "", body, &me); err != nil {
		return err
	}
	atomic.AddInt64(&result.SignedIn, 1)
	if !me.HasSpotify {
		if err := p.link(ctx, n, me.Token); err != nil {
			return err
		}
		atomic.AddInt64(&result.Linked, 1)
	}
	if me.NickName != nil {
		return nil
	}
	nickname, err := p.nickname(ctx, n)
	if err != nil || nickname == "" {
		return err
	}
	edit := "/users/" + strconv.FormatInt(me.ID, 10) + "/edit"
	if err := p.call(ctx, edit, me.Token, map[string]string{"nickName": nickname}, nil); err != nil {
		return err
	}
	atomic.AddInt64(&result.Named, 1)
	return nil
}

// link links the person's Spotify account with a code. Half of the people
// (every second number) use PKCE.
func (p *Populator) link(ctx context.Context, n int, bearer string) error {
	query := url.Values{
		"client_id": {spotify.ClientID}, "response_type": {"code"}, "scope": {spotify.ListeningScopes.String()},
	}
	body := map[string]string{"redirectUri": p.opts.SpotifyRedirect}
	if n%2 == 1 {
		verifier := rand.Text() + rand.Text()
		query.Set("code_challenge", token.Challenge(verifier))
		query.Set("code_challenge_method", "S256")
		body["codeVerifier"] = verifier
	}
	parameters, err := p.consent(ctx, "/spotify/accounts/authorize", n, p.opts.SpotifyRedirect, query)
	if err != nil {
		return fmt.Errorf("page of spotify: %w", err)
	}
	body["code"] = parameters.Get("code")
	return p.call(ctx, "/spotify-auth", bearer, body, nil)
}

// consent opens the consent page of Spotify or Google as a simulated person who
// allows the app, and returns the parameters of the redirect to the frontend.
func (p *Populator) consent(ctx context.Context, path string, n int, redirect string, query url.Values) (url.Values, error) {
	state := rand.Text()
	query.Set("redirect_uri", redirect)
	query.Set("state", state)
	query.Set("person", strconv.Itoa(n))
	query.Set("allow", "1")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.opts.Simulator+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer drain(resp)
	if resp.StatusCode != http.StatusFound {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, fmt.Errorf("it answers %s: %s", resp.Status, text)
	}
	location, err := resp.Location()
	if err != nil {
		return nil, errors.New("it redirects without a location")
	}
	parameters := location.Query()
	if location.Fragment != "" {
		if parameters, err = url.ParseQuery(location.EscapedFragment()); err != nil {
			return nil, errors.New("the redirect's fragment cannot be read")
		}
	}
	switch {
	case parameters.Get("state") != state:
		return nil, errors.New("it returned a different state")
	case parameters.Get("error") != "":
		return nil, fmt.Errorf("it refused: %s", parameters.Get("error"))
	}
	return parameters, nil
}

// nickname returns the nickname that a person would enter, or "" for none.
func (p *Populator) nickname(ctx context.Context, n int) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.opts.Simulator+"/admin/people/"+strconv.Itoa(n), nil)
	if err != nil {
		return "", err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return "", withoutURL(err)
	}
	defer drain(resp)
	var person struct {
		Nickname string `json:"nickname"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&person); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the simulator answers %s to the request for the person", resp.Status)
	}
	return person.Nickname, nil
}

// attemptsMax is how often a call is made in all if the API answers with
// Retry-After each time.
const attemptsMax = 5

// call posts to Songspy's API and decodes the data of its envelope into data,
// unless that is nil. It waits and tries again if the API asks for it.
func (p *Populator) call(ctx context.Context, path, bearer string, body any, data any) error {
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		retryAfter, err := p.post(ctx, path, bearer, payload, data)
		if err == nil || retryAfter == 0 || attempt == attemptsMax {
			return err
		}
		timer := time.NewTimer(retryAfter)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		}
	}
}

// post makes one call. retryAfter is 0 if trying again is useless.
func (p *Populator) post(ctx context.Context, path, bearer string, payload []byte, data any) (retryAfter time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.opts.API+"/v1/songspy"+path, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("POST %s: %w", path, withoutURL(err))
	}
	defer drain(resp)
	var envelope struct {
		Result string          `json:"result"`
		Data   json.RawMessage `json:"data"`
		Error  *struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil {
		return 0, fmt.Errorf("POST %s answers %s without an envelope", path, resp.Status)
	}
	if resp.StatusCode != http.StatusOK || envelope.Result != "SUCCESS" {
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			retryAfter = time.Duration(max(seconds, 1)) * time.Second
		}
		if envelope.Error == nil {
			return retryAfter, fmt.Errorf("POST %s answers %s", path, resp.Status)
		}
		return retryAfter, fmt.Errorf("POST %s answers %s: %s, %s", path, resp.Status, envelope.Error.Code, envelope.Error.Message)
	}
	if data == nil {
		return 0, nil
	}
	if err := json.Unmarshal(envelope.Data, data); err != nil {
		return 0, fmt.Errorf("POST %s answers data that cannot be decoded: %w", path, err)
	}
	return 0, nil
}

// drain reads a body to its end, so that the connection can be reused.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}
