package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// Store stores webhooks. Webhook and DeleteWebhook return CodeNotFound if the user has none.
type Store interface {
	// SaveWebhook replaces the user's webhook.
	SaveWebhook(ctx context.Context, id songspy.UserID, url, key songspy.Secret) (songspy.Webhook, error)
	Webhook(ctx context.Context, id songspy.UserID) (songspy.Webhook, error)
	DeleteWebhook(ctx context.Context, id songspy.UserID) error
	// WebhookIDs returns the ids of the webhooks that are on, by user.
	WebhookIDs(ctx context.Context) (map[songspy.UserID]songspy.PublicID, error)
	WebhooksByUser(ctx context.Context, ids []songspy.UserID) ([]songspy.Webhook, error)
	// UpdateWebhook stores the results of sending to the webhook w: everything except its
	// address, its key and its creation. The argument read is the sequence that the caller
	// has read before. UpdateWebhook returns CodeConflict if the stored webhook has another
	// sequence or another id, if it is off, or if there is none.
	UpdateWebhook(ctx context.Context, w songspy.Webhook, read int64) error
	// AcquireLease gives the owner the lease for the length, or renews it. It returns false
	// while another owner has the lease.
	AcquireLease(ctx context.Context, name, owner string, length time.Duration) (bool, error)
	ReleaseLease(ctx context.Context, name, owner string) error
}

// Board is the live board.
type Board interface {
	NowPlaying(v visibility.Viewer, user songspy.UserID) (visibility.Seen[songspy.BoardEntry], bool, error)
}

// Options configures a Service.
type Options struct {
	Store Store
	Board Board
	// Render returns the field "data" of a message. A nil argument means that nothing plays.
	Render func(*visibility.Seen[songspy.BoardEntry]) (json.RawMessage, error)
	// AnyAddress allows http and addresses that are not on the public internet, for
	// development.
	AnyAddress bool
	// Transport makes the HTTP calls. If it is nil, the calls go to the network.
	Transport http.RoundTripper
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Service manages webhooks. Run sends their messages.
type Service struct {
	Options
	client   *http.Client
	messages *prometheus.CounterVec
	sending  sync.WaitGroup

	mu    sync.Mutex
	hooks map[songspy.UserID]*hook // the webhooks that are on and that this process knows
}

// New returns a Service.
func New(o Options) *Service {
	s := &Service{Options: o, hooks: map[songspy.UserID]*hook{}, messages: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_webhook_messages_total", Help: "Attempts to send a message to a user's webhook, by outcome: delivered, failed, or switched_off (failed, and the webhook was switched off).",
	}, []string{"outcome"})}
	if o.Transport == nil {
		o.Transport = newTransport(o.AnyAddress)
	}
	s.client = newClient(o.Transport)
	o.Metrics.MustRegister(s.messages)
	for _, outcome := range []string{"delivered", "failed", "switched_off"} {
		s.messages.WithLabelValues(outcome)
	}
	return s
}

// keyBytes is the length of a signing key in bytes. Standard Webhooks asks for 24 to 64.
const keyBytes = 32

// keyPrefix begins the text form of a key, which users see.
const keyPrefix = "whsec_"

// Set sets the caller's webhook, and replaces the previous one if there is one. It returns the
// signing key in its text form, which no other method returns. For an address that cannot be
// used, the error has the reason WEBHOOK_URL_INVALID.
func (s *Service) Set(ctx context.Context, self visibility.Self, address songspy.Secret) (songspy.Webhook, songspy.Secret, error) {
	if err := s.checkAddress(address.Reveal()); err != nil {
		return songspy.Webhook{}, "", err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	w, err := s.Store.SaveWebhook(ctx, self.ID(), address, songspy.Secret(key))
	return w, songspy.Secret(keyPrefix + base64.StdEncoding.EncodeToString(key)), err
}

// checkAddress returns WEBHOOK_URL_INVALID unless the address is an https URL without user
// information and without a fragment. If its host is an IP address, that address must be
// public. If the option AnyAddress is set, http and every host are allowed too.
func (s *Service) checkAddress(address string) error {
	u, err := url.Parse(address)
	ok := err == nil && u.Hostname() != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || s.AnyAddress && u.Scheme == "http")
	if ok && !s.AnyAddress {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			ok = public.SafeAddr(ip) == nil
		}
	}
	if !ok {
		return &songspy.Error{Code: songspy.CodeInvalid, Reason: "WEBHOOK_URL_INVALID"}
	}
	return nil
}

// Get returns the caller's webhook.
func (s *Service) Get(ctx context.Context, self visibility.Self) (songspy.Webhook, error) {
	return s.Store.Webhook(ctx, self.ID())
}

// Delete deletes the caller's webhook, if there is one. Nothing is sent to it from now on.
func (s *Service) Delete(ctx context.Context, self visibility.Self) error {
	if err := s.Store.DeleteWebhook(ctx, self.ID()); songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	return nil
}

// Test sends a message of the type listening.test with the present state to the caller's
// webhook. It returns the HTTP status of the answer (0 if there was no answer), and the reason
// why the message was not delivered (empty if it was delivered). A failed test does not count
// as a failure of the webhook.
func (s *Service) Test(ctx context.Context, self visibility.Self) (status int, failure songspy.WebhookFailure, err error) {
	w, err := s.Store.Webhook(ctx, self.ID())
	if err != nil {
		return 0, "", err
	}
	seen, err := s.visible(w.UserID)
	if err != nil {
		return 0, "", err
	}
	now := s.Now()
	body, err := s.body(typeTest, seen, now)
	if err != nil {
		return 0, "", err
	}
	status, failure = s.post(ctx, w, "test_"+rand.Text(), body, now)
	return status, failure, nil
}

// visible returns what the holder of the user's share link sees, or nil if that is nothing.
func (s *Service) visible(user songspy.UserID) (*visibility.Seen[songspy.BoardEntry], error) {
	seen, ok, err := s.Board.NowPlaying(visibility.LinkHolder(visibility.Anonymous(), user), user)
	if !ok || err != nil {
		return nil, err
	}
	return &seen, nil
}
