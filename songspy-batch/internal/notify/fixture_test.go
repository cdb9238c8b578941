package notify

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
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
)

// house is a real database and what replicas of the job tell by channels that
// are made up. It is to be made within a synctest bubble.
type fixture struct {
	t      *testing.T
	dbPath string
	db     *store.Store
	mu     sync.Mutex
	sent   []Message // by all channels, in order
	// fault is what a channel says to a letter.
	sendError func(Message) error
	breakers  map[string]breaker.Breakers
	outages   map[string]bool
	log       bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	h := &fixture{t: t, dbPath: filepath.Join(t.TempDir(), "songspy.db"), sendError: func(Message) error { return nil }}
	h.db = h.openStore()
	if err := h.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
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
func (h *fixture) Send(_ context.Context, l Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.sendError(l); err != nil {
		return err
	}
	h.sent = append(h.sent, l)
	return nil
}

// job is one more replica, which tells by these channels.
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

// minutes runs the jobs for so long, one after another in each minute.
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

// listener signs somebody up who consented so long ago, and can be told by mail.
func (h *fixture) addUser(consented time.Duration) songspy.UserID {
	h.t.Helper()
	ctx, name := h.t.Context(), fmt.Sprint(time.Now().UnixNano(), len(h.sent))
	u, _, err := h.db.SignIn(ctx, songspy.GoogleProfile{Subject: name}, songspy.AudienceEveryone)
	if err == nil {
		err = h.db.SaveAddress(ctx, u.ID, songspy.Secret(fmt.Sprintf("user%d@example.org", u.ID)))
	}
	if err == nil {
		_, err = h.db.SaveLink(ctx, store.NewLink{
			UserID: u.ID, App: "app", Account: songspy.SpotifyAccount{AccountID: name}, ConsentedAt: time.Now().Add(-consented),
			Grant: songspy.Grant{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	<-time.After(time.Nanosecond) // another name for the next one
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

// wants fails the test unless exactly that has been told since the last call, in any order.
func (h *fixture) expectSent(want ...string) {
	h.t.Helper()
	var got []string
	for _, l := range h.sent {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", l.Channel, l.Kind, listUsers(l.UserIDs()))))
	}
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Errorf("told %q, want %q", got, want)
	}
	h.sent = nil
}

// counted is the metric of the job, by outcome.
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

// relink links somebody anew.
func (h *fixture) relink(l songspy.Link) {
	h.t.Helper()
	_, err := h.db.SaveLink(h.t.Context(), store.NewLink{
		UserID: l.UserID, App: l.App, Account: songspy.SpotifyAccount{AccountID: *l.AccountID},
		Grant: songspy.Grant{AccessToken: "b", RefreshToken: "s", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
