package spotify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/spotify"
)

// echo returns a handler that sends back all secrets that a request may hold, in one text.
// The function how gets this text and returns the handler that answers with it.
func echo(how func(sent string) http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, appSecret, _ := r.BasicAuth()
		sent := strings.Join([]string{
			access.Reveal(), refresh.Reveal(), code.Reveal(), verifier.Reveal(), appSecret, r.Header.Get("Authorization"), r.URL.String(),
		}, " ")
		how(sent)(w, r)
	}
}

func TestErrors_HoldNoSecret(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"echo as a token error": echo(func(s string) http.HandlerFunc {
			return says(400, `{"error":"invalid_grant","error_description":"`+s+`"}`)
		}),
		"echo as an unknown error": echo(func(s string) http.HandlerFunc { return says(400, `{"error":"`+s+`"}`) }),
		"echo as text":             echo(func(s string) http.HandlerFunc { return says(500, s) }),
		"echo as success":          echo(func(s string) http.HandlerFunc { return says(200, s) }),
		"echo as a wrong type":     echo(func(s string) http.HandlerFunc { return says(200, `{"expires_in":"`+s+`","id":["`+s+`"]}`) }),
		"echo as a redirect":       echo(func(s string) http.HandlerFunc { return says(302, s, "Location", "/?"+strings.ReplaceAll(s, " ", "&")) }),
		"echo instead of HTTP":     echo(func(s string) http.HandlerFunc { return rawResponse(s + "\r\n\r\n") }),
		"echo as a status":         echo(func(s string) http.HandlerFunc { return rawResponse("HTTP/1.1 " + s + "\r\n\r\n") }),
		"echo as a header":         echo(func(s string) http.HandlerFunc { return rawResponse("HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n") }),
		"echo as a chunk": echo(func(s string) http.HandlerFunc {
			return rawResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + s + "\r\n")
		}),
		"echo as Retry-After": echo(func(s string) http.HandlerFunc { return says(429, s, "Retry-After", s) }),
		"slow":                stall,
		"unknown app":         says(400, `{"error":"invalid_client"}`),
	}
	for name, c := range refusals {
		answers[name] = c.answer
	}
	calls := map[string]func(*spotify.Client) error{"poll": poll, "account": identify, "renewal": renew, "exchange": exchange}

	for answerName, answer := range answers {
		t.Run(answerName, func(t *testing.T) {
			p := newFakeSpotify(t, answer)
			for name, call := range calls {
				var log bytes.Buffer
				err := call(p.client(t, func(c *spotify.Config) {
					c.Timeout = 200 * time.Millisecond
					c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				}))
				if err == nil && answerName != "echo as a wrong type" {
					t.Errorf("the %s did not fail", name)
				}
				holdsNoSecret(t, name, err, log.String())
			}
		})
	}
	t.Run("no server", func(t *testing.T) {
		p := newFakeSpotify(t, stall)
		gone := func(c *spotify.Config) { c.AccountsURL, c.APIURL = "http://127.0.0.1:1", "http://127.0.0.1:1" }
		for name, call := range calls {
			err := call(p.client(t, gone))
			if err == nil {
				t.Errorf("the %s did not fail", name)
			}
			holdsNoSecret(t, name, err, "")
		}
	})
	t.Run("a token that is not a valid header", func(t *testing.T) {
		c := newFakeSpotify(t, stall).client(t)
		_, err := c.CurrentlyPlaying(t.Context(), access+"\n")
		if err == nil {
			t.Error("the poll did not fail")
		}
		holdsNoSecret(t, "poll", err, "")
	})
}

func holdsNoSecret(t *testing.T, call string, err error, log string) {
	t.Helper()
	if err == nil {
		return
	}
	asJSON, _ := json.Marshal(err)
	for e := err; e != nil; {
		shown := fmt.Sprintf("%v %+v %#v %s %s", e, e, e, asJSON, log)
		for _, s := range []string{
			access.Reveal(), refresh.Reveal(), code.Reveal(), verifier.Reveal(), secret.Reveal(), "Basic ", "Bearer ", "additional_types", "://",
		} {
			if strings.Contains(shown, s) {
				t.Errorf("the error of the %s contains %q: %s", call, s, shown)
			}
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return
		}
		e = u.Unwrap()
	}
}
