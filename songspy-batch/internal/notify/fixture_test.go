package notify

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// fixture holds a real database, and records the messages that replicas of the job send over fake
// channels. It must be created in a synctest bubble, so that waiting for minutes takes no real
// time.
type fixture struct {
	t      *testing.T
	dbPath string
	db     *store.Store
	mu     sync.Mutex
	sent   []Message // over all channels, in order
	// sendError is called with each message, and returns the error of Send. If it is nil, the
	// message counts as sent and is recorded.
	sendError func(Message) error
	breakers  map[string]breaker.Breakers
	outages   map[string]bool
	log       bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	h := &fixture{t: t, dbPath: storetest.Migrated(t, storetest.SQLite).Path(), sendError: func(Message) error { return nil }}
	h.db = h.openStore()
	return h
}

func (h *fixture) openStore() *store.Store {
	h.t.Helper()
	db, err := store.Open(h.t.Context(), store.Options{URL: "sqlite:" + h.dbPath, SealKeys: []store.SealKey{{ID: "test", Key: bytes.Repeat([]byte("k"), 32)}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = db.Close() })
	return db
}

// Send implements Sender.
func (h *fixture) Send(_ context.Context, m Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.sendError(m); err != nil {
		return err
	}
	h.sent = append(h.sent, m)
	return nil
}

// newJob returns the notification job of a new replica, with its own database connection. The job
// sends over the given channels, and the fixture records what it sends.
func (h *fixture) newJob(channels ...songspy.NotificationChannel) *Job {
	h.t.Helper()
	senders := map[songspy.NotificationChannel]Sender{}
	for _, c := range channels {
		senders[c] = h
	}
	db := h.openStore()
	return New(Options{
		Outbox: db, Queue: db, Links: db, Seats: db, Senders: senders, OperatorAddress: "operator@example.org", RelinkURL: "https://songs.example.org/",
		Breakers: func() map[string]breaker.Breakers { return h.breakers },
		Outages:  func() map[string]bool { return h.outages },
		Now:      time.Now, Logger: slog.New(slog.NewTextHandler(&h.log, nil)), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
}

// runMinutes runs all jobs once a minute, for n minutes.
func (h *fixture) runMinutes(n int, jobs ...*Job) {
	h.t.Helper()
	for range n {
		for _, j := range jobs {
			if err := j.Run(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		}
		<-time.After(Interval)
	}
}

// addUser signs up a user with an e-mail address, and links the user to Spotify. The parameter
// consented is how long ago the user consented.
func (h *fixture) addUser(consented time.Duration) songspy.UserID {
	h.t.Helper()
	ctx, name := h.t.Context(), fmt.Sprint(time.Now().UnixNano(), len(h.sent))
	u, _, err := h.db.SignIn(ctx, songspy.GoogleProfile{Subject: name}, songspy.AudienceEveryone)
	if err == nil {
		err = h.db.SaveAddress(ctx, u.ID, songspy.Secret(fmt.Sprintf("user%d@example.org", u.ID)))
	}
	if err == nil {
		_, err = h.db.SaveLink(ctx, songspy.NewLink{
			UserID: u.ID, App: "app", Account: songspy.SpotifyAccount{AccountID: name}, ConsentedAt: time.Now().Add(-consented),
			Grant: songspy.Grant{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	<-time.After(time.Nanosecond) // the next user's name, which contains the time, must differ
	return u.ID
}

func (h *fixture) setLinkState(id songspy.UserID, s songspy.LinkState) {
	h.t.Helper()
	_, err := h.db.UpdateLink(h.t.Context(), id, func(l *songspy.Link) error {
		l.State = s
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// expectSent fails the test unless exactly these messages have been sent since the
// last call of expectSent, in any order. A message is written as its channel, its kind
// and its user ids, such as "mail relink 7".
func (h *fixture) expectSent(want ...string) {
	h.t.Helper()
	var got []string
	for _, m := range h.sent {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", m.Channel, m.Kind, listUsers(m.UserIDs()))))
	}
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Errorf("sent %q, want %q", got, want)
	}
	h.sent = nil
}

// countByOutcome returns the job's counter of notifications, summed by outcome.
func countByOutcome(t *testing.T, j *Job) map[string]float64 {
	t.Helper()
	all := make(chan prometheus.Metric, 100)
	j.Metrics.notifications.Collect(all)
	close(all)
	outcomes := map[string]float64{}
	for m := range all {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		for _, l := range d.GetLabel() {
			if l.GetName() == "outcome" {
				outcomes[l.GetValue()] += d.GetCounter().GetValue()
			}
		}
	}
	return outcomes
}

// relink links the user of the link to the same Spotify account again.
func (h *fixture) relink(l songspy.Link) {
	h.t.Helper()
	_, err := h.db.SaveLink(h.t.Context(), songspy.NewLink{
		UserID: l.UserID, App: l.App, Account: songspy.SpotifyAccount{AccountID: *l.AccountID},
		Grant: songspy.Grant{AccessToken: "b", RefreshToken: "s", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
