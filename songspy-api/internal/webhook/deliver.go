package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

const (
	// postTimeout limits the whole call that sends one message. dialTimeout limits the lookup of
	// the host with the TCP connect, and separately the TLS handshake.
	postTimeout, dialTimeout = 8 * time.Second, 4 * time.Second
	// answerBytesMax limits how much is read of an answer's body, and the size of its header.
	answerBytesMax = 64 << 10
)

// The types of messages.
const (
	typePlaying = "listening.playing"
	typeStopped = "listening.stopped"
	typeTest    = "listening.test"
)

// public accepts IP addresses on the public internet only. It also rejects 168.63.129.16,
// which looks public: on a machine of Azure, that address serves secrets of the machine.
var public = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")))

// newTransport returns a transport that checks the IP address of each connection after the
// host name was resolved, so that the name cannot resolve to another address between check
// and call. It uses no proxy: a proxy would connect without the check. If anyAddress is
// true, it checks nothing.
func newTransport(anyAddress bool) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if !anyAddress {
		dialer.Control = public.Safe
	}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: answerBytesMax,
	}
}

// newClient returns a client that follows no redirect.
func newClient(via http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: via, Timeout: postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// body returns the JSON of a message of the type kind. seen is what the user plays, or nil if
// nothing plays. Programs of users read the message: new fields may be added, but existing ones
// must not change.
func (s *Service) body(kind string, seen *visibility.Seen[songspy.BoardEntry], at time.Time) ([]byte, error) {
	data, err := s.Render(seen)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp string          `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{kind, at.UTC().Format("2006-01-02T15:04:05.000Z"), data})
}

// post sends a message. It returns the HTTP status of the answer (0 if there was no answer),
// and the reason why the message was not delivered (empty if it was delivered).
func (s *Service) post(ctx context.Context, w songspy.Webhook, id string, body []byte, at time.Time) (int, songspy.WebhookFailure) {
	signer, err := standardwebhooks.NewWebhookRaw([]byte(w.Key.Reveal()))
	if err != nil {
		return 0, songspy.WebhookUnreachable
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return 0, songspy.WebhookUnreachable
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return 0, songspy.WebhookUnreachable
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "songspy (+https://github.com/songspy/songspy)")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, failureOf(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, answerBytesMax)) // some receivers fail if their answer is not read
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return resp.StatusCode, ""
	case resp.StatusCode == http.StatusGone:
		return resp.StatusCode, songspy.WebhookGone
	}
	return resp.StatusCode, songspy.WebhookRejected
}

// failureOf returns the reason why a call got no answer. Unlike err, the reason does not
// contain the address of the webhook, which may hold a secret.
func failureOf(err error) songspy.WebhookFailure {
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) {
		return songspy.WebhookForbidden
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return songspy.WebhookTimeout
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return songspy.WebhookUnknownHost
	}
	return songspy.WebhookUnreachable
}
