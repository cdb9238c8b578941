// Package frontend does for simulated people what a frontend of Songspy does: it opens the
// consent pages of Spotify and Google, and calls Songspy's public API.
package frontend

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
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/google"
)

// Prefix is the prefix of the paths of Songspy's API routes.
const Prefix = "/v1/songspy"

// Client calls the API and the simulator as a frontend does.
type Client struct {
	API, Simulator string // the addresses of Songspy's API and of the simulator
	// HTTP does not follow redirects, because Consent reads the parameters of the redirect
	// to the frontend.
	HTTP           *http.Client
	googleRedirect string
}

// Account is Songspy's response to a sign-in.
type Account struct {
	ID         int64   `json:"id"`
	NickName   *string `json:"nickName"`
	HasSpotify bool    `json:"hasSpotify"`
	Token      string  `json:"token"`
}

// Error is an error of Songspy's API.
type Error struct {
	Status     int
	RetryAfter time.Duration // how long to wait before calling again; 0 if the answer does not say
	message    string
}

func (e *Error) Error() string { return e.message }

// New returns a client. It returns an error unless the arguments api and simulator are
// addresses such as http://127.0.0.1:8080. The client sends its requests by a copy of the
// HTTP client base. If base is nil, it sends them without a proxy, with a timeout of 30 s,
// and keeps at most as many idle connections to each host as the argument connections says.
func New(api, simulator, googleRedirect string, connections int, base *http.Client) (*Client, error) {
	for name, address := range map[string]string{"the API": api, "the simulator": simulator} {
		if u, err := url.Parse(address); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("the address of %s is %q: use one like http://127.0.0.1:8080", name, address)
		}
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	if base != nil {
		client = *base
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{strings.TrimRight(api, "/"), strings.TrimRight(simulator, "/"), &client, googleRedirect}, nil
}

// WaitReady waits until the simulator and the API are ready. It returns an error if one of
// them is not ready within the timeout.
func (c *Client) WaitReady(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for _, address := range []string{c.Simulator + "/healthz", c.API + "/readyz"} {
		var problem error
		for {
			now := c.checkReady(ctx, address)
			if now == nil {
				break
			}
			if problem == nil || ctx.Err() == nil {
				problem = now // when the timeout ends a check, keep the problem of the previous check
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s was not ready within %v: %w", address, timeout, problem)
			case <-ticker.C:
			}
		}
	}
	return nil
}

func (c *Client) checkReady(ctx context.Context, address string) error {
	resp, err := c.get(ctx, address)
	if err != nil {
		return err
	}
	defer drain(resp)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

func (c *Client) get(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.Do(r)
	return resp, withoutURL(err)
}

// SignIn signs a person in with a Google access token. It sends the invite (a code for
// signing up), unless that is empty. Songspy signs up a person who is new.
func (c *Client) SignIn(ctx context.Context, person int, invite string) (me Account, err error) {
	parameters, err := c.Consent(ctx, "/google/o/oauth2/v2/auth", person, c.googleRedirect, url.Values{
		"client_id": {google.ClientID}, "response_type": {"token"}, "scope": {"openid email profile"},
	})
	if err != nil {
		return me, fmt.Errorf("page of google: %w", err)
	}
	body := map[string]string{"accessToken": parameters.Get("access_token")}
	if invite != "" {
		body["invite"] = invite
	}
	return me, c.Call(ctx, http.MethodPost, "/google-auth", "", body, &me)
}

// Consent opens the consent page of Spotify or Google, at the given path of the simulator,
// as a simulated person who allows the app. It returns the parameters of the redirect to
// the frontend, from its query or its fragment.
func (c *Client) Consent(ctx context.Context, path string, person int, redirect string, query url.Values) (url.Values, error) {
	state := rand.Text()
	query.Set("redirect_uri", redirect)
	query.Set("state", state)
	query.Set("person", strconv.Itoa(person))
	query.Set("allow", "1")
	resp, err := c.get(ctx, c.Simulator+path+"?"+query.Encode())
	if err != nil {
		return nil, err
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

// Nickname returns the nickname that a person would choose, or "" if the person chooses
// none. It gets the nickname from the simulator's admin API.
func (c *Client) Nickname(ctx context.Context, person int) (string, error) {
	resp, err := c.get(ctx, c.Simulator+"/admin/people/"+strconv.Itoa(person))
	if err != nil {
		return "", err
	}
	defer drain(resp)
	var answer struct {
		Nickname string `json:"nickname"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the simulator answers %s to the request for the person", resp.Status)
	}
	return answer.Nickname, nil
}

// attemptsMax is how often Call makes a call, including the first time, if the API always
// answers with Retry-After.
const attemptsMax = 5

// Call calls Songspy's API and decodes the data of the answer's envelope into data, unless
// data is nil. It sends no body if body is nil. If the API answers with Retry-After, Call
// waits and calls again, up to attemptsMax calls. It returns an *Error for an error of the API.
func (c *Client) Call(ctx context.Context, method, path, bearer string, body, data any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		err := c.callOnce(ctx, method, path, bearer, payload, data)
		refusal, _ := errors.AsType[*Error](err)
		if refusal == nil || refusal.RetryAfter == 0 || attempt == attemptsMax {
			return err
		}
		if !Wait(ctx, refusal.RetryAfter) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Wait waits for the duration d and returns true. If ctx ends before that, it returns false
// at once.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) callOnce(ctx context.Context, method, path, bearer string, payload []byte, data any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.API+Prefix+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	if payload != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, withoutURL(err))
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
		return fmt.Errorf("%s %s answers %s without an envelope", method, path, resp.Status)
	}
	if resp.StatusCode != http.StatusOK || envelope.Result != "SUCCESS" {
		refusal := &Error{Status: resp.StatusCode, RetryAfter: RetryAfter(resp), message: fmt.Sprintf("%s %s answers %s", method, path, resp.Status)}
		if envelope.Error != nil {
			refusal.message += ": " + envelope.Error.Code + ", " + envelope.Error.Message
		}
		return refusal
	}
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(envelope.Data, data); err != nil {
		return fmt.Errorf("%s %s answers data that cannot be decoded: %w", method, path, err)
	}
	return nil
}

// RetryAfter returns how long the Retry-After header of an answer asks to wait, but at least
// one second. It returns 0 if the header is missing or is not a number of seconds.
func RetryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil {
		return 0
	}
	return time.Duration(max(seconds, 1)) * time.Second
}

// drain reads the rest of a body, at most 64 KiB, and closes the body. If it has read the
// body to its end, the connection can be reused.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}

// withoutURL removes the URL from an error of http.Client, because the URL may contain a
// token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
