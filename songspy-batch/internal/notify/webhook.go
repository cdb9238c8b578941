package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// hookWithin bounds one POST.
	webhookTimeout = 8 * time.Second
	// usersMost is how many people's ids one POST lists.
	maxUserIDs = 1000
)

// Webhook posts letters to a URL, as Standard Webhooks has it.
type Webhook struct {
	url    string
	signer *standardwebhooks.Webhook // nil: nothing is signed
	client *http.Client
}

// NewWebhook makes a webhook; key may be nil. Calls go by the given transport;
// nil means the network.
func NewWebhook(url songspy.Secret, key []byte, via http.RoundTripper) (*Webhook, error) {
	w := &Webhook{url: url.Reveal()}
	if key != nil {
		var err error
		if w.signer, err = standardwebhooks.NewWebhookRaw(key); err != nil {
			return nil, err
		}
	}
	if via == nil {
		via = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConns:        1, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true, // a DialContext of one's own turns it off otherwise
		}
	}
	w.client = &http.Client{
		Transport: via, Timeout: webhookTimeout,
		// A redirect would carry the message elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w, nil
}

// hookBody is what is posted. Its names are a promise to whoever reads it:
// fields may be added, none changes.
type webhookBody struct {
	Kind    songspy.NotificationKind `json:"kind"`
	At      string                   `json:"at"`    // when it is sent
	Since   string                   `json:"since"` // when it was first seen
	App     string                   `json:"app"`   // empty: those that people brought
	Circuit string                   `json:"door,omitempty"`
	// Count is of the people whom it is about, UserIDs the first thousand of them.
	Count   int              `json:"count"`
	UserIDs []songspy.UserID `json:"userIds"`
	// Text is for people to read, as chats show it.
	Text string `json:"text"`
}

// Send implements Sender.
func (w *Webhook) Send(ctx context.Context, l Message) error {
	users := l.UserIDs()
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	b := webhookBody{
		Kind: l.Kind, At: stamp(l.At), Since: stamp(l.Since), App: l.App,
		Count: len(users), UserIDs: users[:min(len(users), maxUserIDs)], Text: l.Text,
	}
	if l.Kind == songspy.NotificationAppBlocked {
		b.Circuit = l.Notifications[0].Occurrence
	}
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return unavailable("the webhook's address is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "songspy (+https://github.com/songspy/songspy)")
	req.Header.Set(standardwebhooks.HeaderWebhookID, l.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(l.At.Unix(), 10))
	if w.signer != nil {
		signature, err := w.signer.Sign(l.ID, l.At, body)
		if err != nil {
			return err
		}
		req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return unavailable("the webhook " + connectErrorText(err))
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return unavailable(fmt.Sprintf("the webhook answered %d", resp.StatusCode))
	}
	return nil
}

func unavailable(what string) error {
	return &songspy.Error{Code: songspy.CodeUnavailable, Err: errors.New(what)}
}

// unreached says why nothing came of a call. The error itself is not passed on:
// it shows the URL.
func connectErrorText(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "did not answer in time"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "has a name that is not found"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "cannot be reached: " + errno.Error()
	}
	return "cannot be reached"
}
