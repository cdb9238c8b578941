package faults

import (
	"fmt"
	"net/http"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// Kind is a kind of fault. It determines how the simulator responds.
type Kind string

// The kinds of faults. After "Body:" come the values that Fault.Body may have.
const (
	// RateLimited answers 429, with a Retry-After header if the fault has one. Body:
	// "plain" (default, "Too many requests"), "json" ("API rate limit exceeded"),
	// "quota" (reason QUOTA_EXCEEDED), "html" or "empty".
	RateLimited Kind = "rate-limited"
	// QuotaExceeded answers 429 with the body that Spotify has sent since July
	// 2026 when the quota of calls is exceeded.
	QuotaExceeded Kind = "quota-exceeded"
	// ServerError answers Status (default 503) without JSON. Body: "upstream"
	// (default, an error of the envoy proxy), "html" or "empty".
	ServerError Kind = "server-error"
	// Slow makes the service answer correctly, but only after Delay (default 30 s).
	Slow Kind = "slow"
	// Cut breaks the connection in the middle of the body of a successful
	// response.
	Cut Kind = "cut"
	// Hangup breaks the connection before a response.
	Hangup Kind = "hangup"
	// LostResponse executes the request, so that codes and one-time tokens are used
	// up. Then it breaks the connection instead of responding.
	LostResponse Kind = "lost"
	// Garbage answers Status (default 200) with HTML that is labelled as JSON.
	Garbage Kind = "garbage"
	// NoContent answers an empty 204, even while the player plays.
	NoContent Kind = "no-content"
	// InvalidGrant answers 400 with the token endpoint's error invalid_grant, although
	// the token is valid. Body: "revoked" (default), "expired", "invalid", or any other
	// text, which becomes the error_description.
	InvalidGrant Kind = "invalid-grant"
	// InvalidClient answers 400 with the error "Invalid client", as the token endpoint
	// answers a wrong secret.
	InvalidClient Kind = "invalid-client"
	// Unauthorized answers 401. Body: "expired" (default, "The access token
	// expired") or "invalid" ("Invalid access token").
	Unauthorized Kind = "unauthorized"
	// NotRegistered answers the 403 for people who are not registered with the app.
	// Body: "plain" (default) or "json" for the usual sentence, or "dashboard" (JSON)
	// or "approved" (plain text) for other sentences that have been observed.
	NotRegistered Kind = "not-registered"
	// Forbidden answers a 403 with a text that Songspy does not know. Body: "json"
	// (default, the form of Spotify's errors), "plain" (a sentence) or "html" (a page of
	// a proxy).
	Forbidden Kind = "forbidden"
	// PremiumRequired answers the 403 for an app whose owner has no Premium.
	// Body: "plain" (default) or "json".
	PremiumRequired Kind = "premium-required"
	// InsufficientScope answers 403 "Insufficient client scope".
	InsufficientScope Kind = "insufficient-scope"
	// NotFound answers 404 with the JSON body of Spotify's errors. Body: "" ("Not found.") or
	// "idle" ("non existing id", which has been observed for idle players).
	NotFound Kind = "not-found"
	// Raw answers Status (default 200) with Body unchanged, as plain text.
	Raw Kind = "raw"
)

// Everyone, as the Person of a Fault, makes the fault affect all requests, including those
// that concern no particular person.
const Everyone = requestlog.NoPerson

// QuotaExceededBody is the body that Spotify has sent with 429 since July 2026 if the quota
// of calls is exceeded.
const QuotaExceededBody = `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`

// Fault is one simulated error. Most fields may be left at zero. But note that Person 0 is
// the person with the number 0. To affect all people, set Person to Everyone, which is -1.
type Fault struct {
	Endpoint string // "token", "me", "currently-playing", "recently-played", "tokeninfo", "userinfo", "google-token", …
	Person   int    // the number of a person, or Everyone
	Kind     Kind

	Share       float64 // share of the requests that fail, chosen pseudo-randomly; 0 means all of them
	PeopleShare float64 // share of the people whose requests fail, always the same people; 0 means all of them
	Times       int     // the maximum number of requests that the fault affects; 0 means no limit

	RetryAfter     *int          // seconds, sent as Retry-After with every kind of answer; no header if it is nil
	RetryAfterText string        // a literal Retry-After, such as an HTTP date; used instead of RetryAfter
	Status         int           // the status of ServerError, Garbage and Raw; 0 means the default of the kind
	Delay          time.Duration // the delay of Slow; 0 means the default
	Body           string        // which of the kind's bodies is sent; see the kinds
}

// Validate returns an error that names what is wrong, or nil if the fault is valid.
func (f Fault) Validate() error {
	if _, ok := requestlog.EndpointByName(f.Endpoint); !ok {
		return fmt.Errorf("fault: endpoint %q is unknown: use token, me, currently-playing, recently-played, tokeninfo, userinfo, authorize, google-authorize or google-token", f.Endpoint)
	}
	switch {
	case f.Share < 0 || f.Share > 1 || f.PeopleShare < 0 || f.PeopleShare > 1:
		return fmt.Errorf("fault: Share and PeopleShare must be between 0 and 1")
	case f.Person < Everyone:
		return fmt.Errorf("fault: person %d does not exist: use %d for everyone", f.Person, Everyone)
	case f.Times < 0:
		return fmt.Errorf("fault: Times must not be negative")
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("fault: status %d is invalid: use 200 to 599", f.Status)
	}
	_, _, err := f.response()
	return err
}

// body is the body of a response, with its Content-Type.
type body struct {
	contentType string
	text        string
}

const (
	plain = "text/plain"
	json  = "application/json; charset=utf-8"
	html  = "text/html; charset=utf-8"

	// NotRegisteredText and PremiumRequiredText are Spotify's own texts.
	NotRegisteredText   = "Check settings on developer.spotify.com/dashboard, the user may not be registered."
	PremiumRequiredText = "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."

	// IdleText is the text of a 404 that Spotify has sent for idle players.
	IdleText = "non existing id"

	upstreamText = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
	htmlText     = "<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>%d %s</h1></body></html>\n"
)

// APIError returns the JSON body of an error of Spotify's Web API.
func APIError(status int, message string) string {
	return fmt.Sprintf(`{"error":{"status":%d,"message":%q}}`, status, message)
}

// response returns the status and the body that the fault sends instead of the correct
// response. For the kinds that send none, such as Hangup, the status is 0. It returns an
// error if the kind is unknown or has no such body.
func (f Fault) response() (int, body, error) {
	forms := map[string]body{"": {}, "empty": {}}
	status := f.Status
	or := func(fallback int) int {
		if status == 0 {
			return fallback
		}
		return status
	}
	switch f.Kind {
	case RateLimited, QuotaExceeded:
		status = http.StatusTooManyRequests
		forms["plain"] = body{plain, "Too many requests"}
		forms["json"] = body{json, APIError(status, "API rate limit exceeded")}
		forms["quota"] = body{json, QuotaExceededBody}
		forms["html"] = htmlBody(status)
		forms[""] = forms["plain"]
		if f.Kind == QuotaExceeded {
			forms[""] = forms["quota"]
		}
	case ServerError:
		status = or(http.StatusServiceUnavailable)
		forms["upstream"] = body{plain, upstreamText}
		forms["html"] = htmlBody(status)
		forms[""] = forms["upstream"]
	case Garbage:
		status = or(http.StatusOK)
		forms[""] = body{json, htmlBody(status).text}
	case NoContent:
		status = http.StatusNoContent
	case InvalidGrant:
		status = http.StatusBadRequest
		forms["revoked"] = oauthError("invalid_grant", "Refresh token revoked")
		forms["expired"] = oauthError("invalid_grant", "Refresh token expired")
		forms["invalid"] = oauthError("invalid_grant", "Invalid refresh token")
		forms[f.Body] = orBody(forms[f.Body], oauthError("invalid_grant", f.Body))
		forms[""] = forms["revoked"]
	case InvalidClient:
		status, forms[""] = http.StatusBadRequest, oauthError("invalid_client", "Invalid client")
	case Unauthorized:
		status = http.StatusUnauthorized
		forms["expired"] = body{json, APIError(status, "The access token expired")}
		forms["invalid"] = body{json, APIError(status, "Invalid access token")}
		forms[""] = forms["expired"]
	case NotRegistered, PremiumRequired:
		status = http.StatusForbidden
		text := NotRegisteredText
		if f.Kind == PremiumRequired {
			text = PremiumRequiredText
		}
		forms["plain"] = body{plain, text}
		forms["json"] = body{json, APIError(status, text)}
		forms[""] = forms["plain"]
		if f.Kind == NotRegistered {
			forms["dashboard"] = body{json, APIError(status, "User not registered in the Developer Dashboard")}
			forms["approved"] = body{plain, "User not approved for app"}
		}
	case Forbidden:
		status = http.StatusForbidden
		forms["json"] = body{json, APIError(status, "The request is not allowed.")}
		forms["plain"] = body{plain, "This account may not use the application."}
		forms["html"] = htmlBody(status)
		forms[""] = forms["json"]
	case InsufficientScope:
		status = http.StatusForbidden
		forms[""] = body{json, APIError(status, "Insufficient client scope")}
	case NotFound:
		status = http.StatusNotFound
		forms[""] = body{json, APIError(status, "Not found.")}
		forms["idle"] = body{json, APIError(status, IdleText)}
	case Raw:
		status = or(http.StatusOK)
		forms[f.Body] = body{plain, f.Body}
	case Slow, Cut, Hangup, LostResponse:
		return 0, body{}, nil
	default:
		return 0, body{}, fmt.Errorf("fault: kind %q is unknown", f.Kind)
	}
	b, ok := forms[f.Body]
	if !ok {
		return 0, body{}, fmt.Errorf("fault: kind %q has no body form %q", f.Kind, f.Body)
	}
	return status, b, nil
}

func orBody(a, b body) body {
	if a.text == "" {
		return b
	}
	return a
}

func oauthError(code, description string) body {
	return body{json, fmt.Sprintf(`{"error":%q,"error_description":%q}`, code, description)}
}

func htmlBody(status int) body {
	return body{html, fmt.Sprintf(htmlText, status, status, http.StatusText(status))}
}
