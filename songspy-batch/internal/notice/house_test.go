package notice

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
	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/store"
)

// house is a real database and what replicas of the job tell by channels that
// are made up. It is to be made within a synctest bubble.
type house struct {
	t    *testing.T
	path string
	db   *store.Store
	mu   sync.Mutex
	told []Letter // by all channels, in order
	// fault is what a channel says to a letter.
	fault   func(Letter) error
	doors   map[string]gate.State
	outages map[string]bool
	log     bytes.Buffer
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "songspy.db"), fault: func(Letter) error { return nil }}
	h.db = h.open()
	if err := h.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) open() *store.Store {
	h.t.Helper()
	db, err := store.Open(h.t.Context(), store.Options{URL: "sqlite:" + h.path, SealKeys: []store.SealKey{{ID: "test", Key: bytes.Repeat([]byte("k"), 32)}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = db.Close() })
	return db
}

// Send implements Sender.
func (h *house) Send(_ context.Context, l Letter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fault(l); err != nil {
		return err
	}
	h.told = append(h.told, l)
	return nil
}

// job is one more replica, which tells by these channels.
func (h *house) job(channels ...songspy.NoticeChannel) *Job {
	h.t.Helper()
	senders := map[songspy.NoticeChannel]Sender{}
	for _, c := range channels {
		senders[c] = h
	}
	db := h.open()
	return New(Options{
		Book: db, Claims: db, Links: db, Seats: db, Senders: senders, Operator: "operator@example.org", RelinkURL: "https://songs.example.org/",
		Doors:   func() map[string]gate.State { return h.doors },
		Outages: func() map[string]bool { return h.outages },
		Now:     time.Now, Logger: slog.New(slog.NewTextHandler(&h.log, nil)), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
}

// minutes runs the jobs for so long, one after another in each minute.
func (h *house) minutes(n int, jobs ...*Job) {
	h.t.Helper()
	for range n {
		for _, j := range jobs {
			if err := j.Run(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		}
		<-time.After(Every)
	}
}

// listener signs somebody up who consented so long ago, and can be told by mail.
func (h *house) listener(consented time.Duration) songspy.UserID {
	h.t.Helper()
	ctx, name := h.t.Context(), fmt.Sprint(time.Now().UnixNano(), len(h.told))
	u, _, err := h.db.SignIn(ctx, songspy.GoogleProfile{Subject: name}, songspy.AudienceEveryone)
	if err == nil {
		err = h.db.KeepAddress(ctx, u.ID, songspy.Secret(fmt.Sprintf("user%d@example.org", u.ID)))
	}
	if err == nil {
		_, err = h.db.SaveLink(ctx, store.NewLink{
			UserID: u.ID, App: "app", Account: songspy.Account{AccountID: name}, At: time.Now().Add(-consented),
			Grant: songspy.Grant{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	<-time.After(time.Nanosecond) // another name for the next one
	return u.ID
}

func (h *house) state(id songspy.UserID, s songspy.LinkState) {
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
func (h *house) wants(want ...string) {
	h.t.Helper()
	var got []string
	for _, l := range h.told {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", l.Channel, l.Kind, list(l.Users()))))
	}
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Errorf("told %q, want %q", got, want)
	}
	h.told = nil
}

// counted is the metric of the job, by outcome.
func counted(t *testing.T, j *Job) map[string]float64 {
	t.Helper()
	all := make(chan prometheus.Metric, 100)
	j.Metrics.notices.Collect(all)
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
func (h *house) relink(l songspy.Link) {
	h.t.Helper()
	_, err := h.db.SaveLink(h.t.Context(), store.NewLink{
		UserID: l.UserID, App: l.App, Account: songspy.Account{AccountID: *l.AccountID},
		Grant: songspy.Grant{AccessToken: "b", RefreshToken: "s", ExpiresAt: time.Now(), Scope: "s", Auth: songspy.AuthPKCE},
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
