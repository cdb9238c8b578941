package notify

import (
	"bytes"
	"context"
	"crypto/tls"
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
	// webhookTimeout limits one POST.
	webhookTimeout = 8 * time.Second
	// maxUserIDs is how many user IDs one call of the webhook lists at most.
	maxUserIDs = 1000
)

// Webhook posts messages to a URL, as the Standard Webhooks specification says.
type Webhook struct {
	url    string
	signer *standardwebhooks.Webhook // nil if messages are not signed
	client *http.Client
}

// NewWebhook returns a webhook for the URL. Messages are signed with key unless key is
// nil. The transport via makes the HTTP calls. If it is nil, NewWebhook creates one.
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
			ForceAttemptHTTP2: true, // otherwise the custom DialContext would disable HTTP/2
		}
	}
	w.client = &http.Client{
		Transport: via, Timeout: webhookTimeout,
		// Redirects are not followed, because they could send the message to
		// another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w, nil
}

// webhookBody is the JSON body of a call of the webhook. Operators' programs
// read it, so fields may be added, but existing ones must not change.
type webhookBody struct {
	Kind    songspy.NotificationKind `json:"kind"`
	At      string                   `json:"at"`    // when the message is sent
	Since   string                   `json:"since"` // when the cause of the message was first seen
	App     string                   `json:"app"`   // empty if the message is about all user-supplied apps
	Circuit string                   `json:"circuit,omitempty"`
	// Count is the number of users that the message is about. UserIDs lists the
	// first thousand of them.
	Count   int              `json:"count"`
	UserIDs []songspy.UserID `json:"userIds"`
	// Text is the whole message as text. Chat programs show this field.
	Text string `json:"text"`
}

// Send implements Sender.
func (w *Webhook) Send(ctx context.Context, m Message) error {
	users := m.UserIDs()
	format := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	b := webhookBody{
		Kind: m.Kind, At: format(m.At), Since: format(m.Since), App: m.App,
		Count: len(users), UserIDs: users[:min(len(users), maxUserIDs)], Text: m.Text,
	}
	if m.Kind == songspy.NotificationAppBlocked {
		b.Circuit = m.Notifications[0].Occurrence
	}
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return unavailable("the webhook's address is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "songspy (+https://github.com/songspy/songspy)")
	req.Header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(m.At.Unix(), 10))
	if w.signer != nil {
		signature, err := w.signer.Sign(m.ID, m.At, body)
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
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // lets the connection be reused
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return unavailable(fmt.Sprintf("the webhook answered %d", resp.StatusCode))
	}
	return nil
}

func unavailable(text string) error {
	return &songspy.Error{Code: songspy.CodeUnavailable, Err: errors.New(text)}
}

// connectErrorText describes why the server of a webhook or of mail did not respond.
// It does not use the error's own text, which may contain the webhook's URL.
func connectErrorText(err error) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "did not respond in time"
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "has a host name that does not exist"
		}
		return "has a host name that could not be looked up"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "has a certificate that this machine does not trust"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "cannot be reached: " + errno.Error()
	}
	return "cannot be reached"
}
