package sanitize

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
)

func TestWebURL_AcceptsOnlyURLsThatPagesMayShow(t *testing.T) {
	for s, want := range map[string]bool{
		"https://i.scdn.co/image/1":             true,
		"http://127.0.0.1:8090/covers/1.svg":    true,
		"http://[::1]:8090/covers/1.svg":        true,
		"http://i.scdn.co/image/1":              false,
		"javascript:alert(1)":                   false,
		"data:text/html,x":                      false,
		"https://user:word@i.scdn.co/":          false,
		"//i.scdn.co/":                          false,
		"https://":                              false,
		"":                                      false,
		"https://" + strings.Repeat("a", 2048):  false,
		"https://i.scdn.co/\x7f":                false,
		"http://127.0.0.1.example.com/covers/1": false,
	} {
		if got := WebURL(s); (got == s && s != "") != want || got != "" && got != s {
			t.Errorf("WebURL(%.60q) = %.60q, want it to pass: %t", s, got, want)
		}
	}
}

func TestSafeError_HoldsNoSecret(t *testing.T) {
	const secret = "a-token-that-must-not-show"
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for name, err := range map[string]error{
		"URL of a call":     &url.Error{Op: "Get", URL: "https://x/?access_token=" + secret, Err: refused},
		"malformed answer":  &url.Error{Op: "Get", URL: "https://x/", Err: fmt.Errorf("malformed HTTP response %q", secret)},
		"unknown error":     errors.New(secret),
		"timeout of a call": fmt.Errorf("%s: %w", secret, context.DeadlineExceeded),
	} {
		if got := SafeError(err).Error(); strings.Contains(got, secret) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := SafeError(&url.Error{Op: "Get", URL: "https://x/", Err: refused}); !errors.Is(got, refused) {
		t.Errorf("a harmless error is lost: %v", got)
	}
}
