package poller

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

	songspy "github.com/songspy/songspy/songspy-domain"
)

// theatre is a sweep over fakes.
type harness struct {
	*Poller
	store  *fakeStore
	player *fakePlayer
}

func newHarness(t *testing.T, users int, changes ...func(*Options)) *harness {
	th := &harness{store: newFakeStore(users), player: &fakePlayer{polls: map[string][]time.Time{}, historyFetches: map[string][]time.Time{}}}
	th.Poller = th.restart(t, changes...)
	return th
}

// again gives another sweep over the same store, as a new process would.
func (th *harness) restart(t *testing.T, changes ...func(*Options)) *Poller {
	o := Options{
		Store: th.store, Feed: th.store, Player: th.player, Renewer: noRenewals{t},
		Interval: 3 * time.Minute, Spread: true, Workers: 16,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	for _, change := range changes {
		change(&o)
	}
	return New(o)
}

// play runs the sweep, with a plan at once and every interval, until stop.
func runPoller(t *testing.T, s *Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Serve(ctx) })
	all.Go(func() {
		tick := time.NewTicker(s.Interval)
		defer tick.Stop()
		for {
			if err := s.Plan(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		all.Wait()
	}
}

// song is a look that finds a song so far into its three minutes and a half.
func song(name string, began time.Time) (songspy.Observation, error) {
	return songspy.Observation{
		Kind:     songspy.ObservedPlaying,
		Track:    songspy.Track{URI: "spotify:track:" + name, Kind: songspy.KindTrack, Title: name, DurationMS: 210_000},
		Progress: time.Since(began),
		At:       time.Now(),
	}, nil
}

// fakeStore keeps listeners and a change feed in memory, as the store does on disk.
type fakeStore struct {
	mu          sync.Mutex
	users       map[songspy.UserID]songspy.PolledUser
	changes     []songspy.Change
	last        int64
	batchSizes  []int                    // sizes of the batches written
	updates     []songspy.PlaybackUpdate // what was written, in order
	pageReads   int                      // of pages of everyone
	tokenReads  int                      // links whose tokens were read
	writeFault  func() error             // of whole batches
	rejected    map[songspy.UserID]error
	reconciled  [][]songspy.HistoryItem // answers of history, in order
	heartbeatAt time.Time
}

func newFakeStore(users int) *fakeStore {
	f := &fakeStore{users: map[songspy.UserID]songspy.PolledUser{}}
	for i := range users {
		f.link(songspy.UserID(i + 1))
	}
	return f
}

// link links a person, or links them anew, and tells the feed.
func (f *fakeStore) link(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	generation := f.users[id].Link.Generation + 1
	f.users[id] = songspy.PolledUser{Link: songspy.Link{
		UserID: id, State: songspy.LinkActive, Generation: generation, Version: 1,
		AccessToken:     songspy.Secret(fmt.Sprintf("%d/%d", id, generation)),
		AccessExpiresAt: time.Now().AddDate(1, 0, 0),
	}}
	f.announce(id, songspy.ChangeLink)
}

// erase erases a person, and tells the feed.
func (f *fakeStore) erase(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
	f.announce(id, songspy.ChangeUser)
}

func (f *fakeStore) announce(id songspy.UserID, kind songspy.ChangeKind) {
	f.last++
	f.changes = append(f.changes, songspy.Change{Number: f.last, UserID: id, Kind: kind, At: time.Now()})
}

func isPollable(l songspy.Link) bool {
	return l.State == songspy.LinkActive || l.State == songspy.LinkSuspect
}

func (f *fakeStore) LinkVersions(_ context.Context, after songspy.UserID, limit int) (page []songspy.LinkVersion, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pageReads++
	for _, id := range slices.Sorted(maps.Keys(f.users)) {
		if l := f.users[id]; id > after && len(page) < limit && isPollable(l.Link) {
			page = append(page, songspy.LinkVersion{UserID: id, Generation: l.Link.Generation, Version: l.Link.Version})
		}
	}
	return page, nil
}

func (f *fakeStore) PolledUsersByID(_ context.Context, ids []songspy.UserID) (found []songspy.PolledUser, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if l, ok := f.users[id]; ok && isPollable(l.Link) {
			f.tokenReads++
			found = append(found, l)
		}
	}
	return found, nil
}

func (f *fakeStore) UpdateLink(_ context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.users[id]
	if err := fn(&p.Link); err != nil {
		return songspy.Link{}, err
	}
	p.Link.Version++
	f.users[id] = p
	f.announce(id, songspy.ChangeLink)
	return p.Link, nil
}

func (f *fakeStore) WritePlaybackUpdates(_ context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writeFault != nil {
		if err := f.writeFault(); err != nil {
			return nil, err
		}
	}
	f.batchSizes = append(f.batchSizes, len(updates))
	written := make([]songspy.PlaybackUpdateResult, len(updates))
	for i, h := range updates {
		id := h.Playing.UserID
		p, ok := f.users[id]
		switch {
		case !ok || p.Link.Generation != h.Playing.Generation:
			written[i].Dropped = true
			continue
		case f.rejected[id] != nil:
			written[i].Err = f.rejected[id]
			continue
		}
		f.updates = append(f.updates, h)
		p.Playing = h.Playing
		f.users[id] = p
		written[i].TrackID = 7
	}
	return written, nil
}

// writes gives what was written so far, and in batches of which sizes.
func (f *fakeStore) writes() (heard []songspy.PlaybackUpdate, batches []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.updates), slices.Clone(f.batchSizes)
}

func (f *fakeStore) ReconcileHistory(_ context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
	fn func(songspy.StoredPlays) songspy.Reconciliation,
) (songspy.Reconciliation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.users[id]; !ok || l.Link.Generation != generation {
		return songspy.Reconciliation{}, &songspy.Error{Code: songspy.CodeGone}
	}
	f.reconciled = append(f.reconciled, items)
	return fn(songspy.StoredPlays{}), nil
}

func (f *fakeStore) RecordHeartbeat(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heartbeatAt = time.Now()
	return nil
}

func (f *fakeStore) LastHeartbeat(context.Context, string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heartbeatAt, nil
}

func (f *fakeStore) FeedBounds(context.Context) (oldest, last int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.changes) > 0 {
		oldest = f.changes[0].Number
	}
	return oldest, f.last, nil
}

func (f *fakeStore) Changes(_ context.Context, after int64, limit int) (found []songspy.Change, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.changes {
		if c.Number > after && len(found) < limit {
			found = append(found, c)
		}
	}
	return found, nil
}

func (f *fakeStore) WaitForChange(ctx context.Context, _ int64) error {
	select {
	case <-time.After(100 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fakePlayer answers by the access token, which names person and generation.
type fakePlayer struct {
	mu    sync.Mutex
	polls map[string][]time.Time
	// answer says what a look shows; nil: nothing plays.
	answer func(token string) (songspy.Observation, error)
	// recalls are when history was asked; history is its answer, nil: nothing.
	historyFetches map[string][]time.Time
	history        func(token string) ([]songspy.HistoryItem, error)
}

func (p *fakePlayer) CurrentlyPlaying(_ context.Context, access songspy.Credentials) (songspy.Observation, error) {
	p.mu.Lock()
	p.polls[access.Token.Reveal()] = append(p.polls[access.Token.Reveal()], time.Now())
	p.mu.Unlock()
	if p.answer == nil {
		return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
	}
	return p.answer(access.Token.Reveal())
}

func (p *fakePlayer) RecentlyPlayed(_ context.Context, access songspy.Credentials, _ time.Time) ([]songspy.HistoryItem, error) {
	p.mu.Lock()
	p.historyFetches[access.Token.Reveal()] = append(p.historyFetches[access.Token.Reveal()], time.Now())
	p.mu.Unlock()
	if p.history == nil {
		return nil, nil
	}
	return p.history(access.Token.Reveal())
}

// at gives when the person was looked at through that token.
func (p *fakePlayer) pollTimes(token string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.polls[token])
}

func (p *fakePlayer) allPollTimes() (all []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.polls {
		all = append(all, at...)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (n noRenewals) PollRefused(context.Context, songspy.UserID, int64) (time.Duration, error) {
	n.t.Error("a poll was refused")
	return 0, nil
}

func (n noRenewals) PollRecovered(context.Context, songspy.UserID, int64) error {
	n.t.Error("a refused link was answered")
	return nil
}

func (n noRenewals) PollAnswered(context.Context, string, songspy.UserID) {}

// noRenewals fails the test: nobody's token is spent in it.
type noRenewals struct{ t *testing.T }

func (n noRenewals) Renew(_ context.Context, id songspy.UserID, _ int64) (songspy.Link, error) {
	n.t.Errorf("the link of %d was renewed", id)
	return songspy.Link{}, &songspy.Error{Code: songspy.CodeInternal}
}
