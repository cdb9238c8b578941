package tokens

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeLinks keeps links in memory.
type fakeLinks struct {
	mu    sync.Mutex
	links map[songspy.UserID]songspy.Link
	// failUpdates is how many of the next updates fail, as if the database were
	// unavailable.
	failUpdates int
}

func (f *fakeLinks) Link(_ context.Context, id songspy.UserID) (songspy.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.links[id]
	if !ok {
		return l, &songspy.Error{Code: songspy.CodeNotFound}
	}
	return l, nil
}

func (f *fakeLinks) UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error) {
	if err := ctx.Err(); err != nil {
		return songspy.Link{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failUpdates > 0 {
		f.failUpdates--
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeUnavailable}
	}
	l := f.links[id]
	before := l
	if err := fn(&l); err != nil {
		return songspy.Link{}, err
	}
	if l != before {
		l.Version++
	}
	f.links[id] = l
	return l, nil
}

func (f *fakeLinks) LinksToRenew(_ context.Context, before time.Time, after songspy.UserID, limit int) (found []songspy.Link, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(f.links)) {
		l := f.links[id]
		if id > after && len(found) < limit && l.State.IsPolled() && l.AccessExpiresAt.Before(before) {
			found = append(found, l)
		}
	}
	return found, nil
}

// fakeProvider grants tokens for an hour, unless the function refuse returns an error
// for the link.
type fakeProvider struct {
	mu            sync.Mutex
	calls         map[songspy.UserID]int
	lastCallAt    map[songspy.UserID]time.Time
	maxConcurrent int // the most calls at once
	concurrent    int
	latency       time.Duration
	refuse        func(songspy.Link) error
}

func (p *fakeProvider) Refresh(ctx context.Context, l songspy.Link) (songspy.Grant, error) {
	p.mu.Lock()
	p.calls[l.UserID]++
	p.lastCallAt[l.UserID] = time.Now()
	n := p.calls[l.UserID]
	p.concurrent++
	p.maxConcurrent = max(p.maxConcurrent, p.concurrent)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.concurrent--
	}()
	if p.latency > 0 && !delayqueue.Wait(ctx, p.latency) {
		return songspy.Grant{}, ctx.Err()
	}
	if p.refuse != nil {
		if err := p.refuse(l); err != nil {
			return songspy.Grant{}, err
		}
	}
	return songspy.Grant{
		AccessToken:  songspy.Secret(fmt.Sprintf("access-%d-%d", l.UserID, n)),
		RefreshToken: songspy.Secret(fmt.Sprintf("refresh-%d-%d", l.UserID, n)),
		ExpiresAt:    time.Now().Add(time.Hour),
	}, nil
}

// fixture is a renewer and a job that use fakes.
type fixture struct {
	links    *fakeLinks
	provider *fakeProvider
	renewer  *Renewer
	job      *Job
}

// newFixture returns a fixture with the given number of users, whose access tokens
// expire after the given time.
func newFixture(users int, expireAfter time.Duration) *fixture {
	h := &fixture{
		links:    &fakeLinks{links: map[songspy.UserID]songspy.Link{}},
		provider: &fakeProvider{calls: map[songspy.UserID]int{}, lastCallAt: map[songspy.UserID]time.Time{}},
	}
	for i := range users {
		id := songspy.UserID(i + 1)
		h.links.links[id] = songspy.Link{
			UserID: id, State: songspy.LinkActive, Generation: 1, Version: 1,
			AccessToken: "access-old", RefreshToken: "refresh-old",
			AccessExpiresAt: time.Now().Add(expireAfter), AuthorizedAt: time.Now().AddDate(0, -1, 0),
		}
	}
	log := slog.New(slog.DiscardHandler)
	h.renewer = &Renewer{Links: h.links, Provider: h.provider, Now: time.Now, Logger: log, Metrics: NewMetrics(prometheus.NewRegistry())}
	h.job = &Job{
		Renewer: h.renewer, Interval: 30 * time.Minute, Spread: true, Workers: 8,
		Now: time.Now, Logger: log, Queue: delayqueue.New[songspy.UserID](time.Now),
	}
	return h
}

func (h *fixture) link(t *testing.T, id songspy.UserID) songspy.Link {
	t.Helper()
	l, err := h.links.Link(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve runs planned renewals until stop is called.
func (h *fixture) serve(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.job.Serve(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (h *fixture) plan(t *testing.T) {
	t.Helper()
	if err := h.job.Plan(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func needsUserError(reason string) error {
	return &songspy.Error{Code: songspy.CodeUnauthorized, Reason: reason, Disposition: songspy.DispositionNeedsUser}
}
