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
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
)

// harness is a Poller with a fake store and a fake player.
type harness struct {
	*Poller
	store  *fakeStore
	player *fakePlayer
}

func newHarness(t *testing.T, users int, changes ...func(*Options)) *harness {
	h := &harness{store: newFakeStore(users), player: &fakePlayer{polls: map[string][]time.Time{}, historyFetches: map[string][]time.Time{}}}
	h.Poller = h.restart(t, changes...)
	return h
}

// restart returns another Poller with the same store and player, like that of a new process.
func (h *harness) restart(t *testing.T, changes ...func(*Options)) *Poller {
	o := Options{
		Registry: NewRegistry(time.Now, nil), Store: h.store, Feed: h.store, Player: h.player, Renewer: noRenewals{t},
		Interval: 3 * time.Minute, Spread: true, Workers: 16,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	for _, change := range changes {
		change(&o)
	}
	return New(o)
}

// runPoller runs the poller until stop is called. It calls Plan now and once an interval.
func runPoller(t *testing.T, p *Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { p.Run(ctx) })
	all.Go(func() {
		tick := time.NewTicker(p.opt.Interval)
		defer tick.Stop()
		for {
			if err := p.Plan(ctx); err != nil && ctx.Err() == nil {
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

// song returns what a poll observes now if a song of three and a half minutes began at the given
// time and has played without a pause.
func song(name string, began time.Time) (songspy.Observation, error) {
	return songspy.Observation{
		Kind:     songspy.ObservedPlaying,
		Track:    songspy.Track{URI: "spotify:track:" + name, Kind: songspy.KindTrack, Title: name, DurationMS: 210_000},
		Progress: time.Since(began),
		At:       time.Now(),
	}, nil
}

// fakeStore holds users and a change feed in memory.
type fakeStore struct {
	changefeedtest.Feed
	mu          sync.Mutex
	users       map[songspy.UserID]songspy.PolledUser
	batchSizes  []int                    // sizes of the written batches, in order
	updates     []songspy.PlaybackUpdate // written updates, in order
	pageReads   int                      // how many pages of links were read
	tokenReads  int                      // how many links were read with their tokens
	writeFault  func() error             // returns the error with which a whole batch fails, or nil
	rejected    map[songspy.UserID]error // the error with which each update of the user is rejected
	reconciled  [][]songspy.HistoryItem  // the history answers that were reconciled, in order
	heartbeatAt time.Time
	pollCounts  map[string]int64 // the stored counts of polls, by reason
	countFault  error            // the error of CountPolls
}

func newFakeStore(users int) *fakeStore {
	f := &fakeStore{users: map[songspy.UserID]songspy.PolledUser{}, pollCounts: map[string]int64{}}
	for i := range users {
		f.link(songspy.UserID(i + 1))
	}
	return f
}

// link links a user, or links the user again, and adds a change to the feed.
func (f *fakeStore) link(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	generation := f.users[id].Link.Generation + 1
	f.users[id] = songspy.PolledUser{Link: songspy.Link{
		UserID: id, State: songspy.LinkActive, Generation: generation, Version: 1,
		AccessToken:     songspy.Secret(fmt.Sprintf("%d/%d", id, generation)),
		AccessExpiresAt: time.Now().AddDate(1, 0, 0),
	}}
	f.Add(id, songspy.ChangeLink)
}

// erase erases a user and adds a change to the feed.
func (f *fakeStore) erase(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
	f.Add(id, songspy.ChangeUser)
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
	f.Add(id, songspy.ChangeLink)
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
	for i, u := range updates {
		id := u.Playing.UserID
		p, ok := f.users[id]
		switch {
		case !ok || p.Link.Generation != u.Playing.Generation:
			written[i].Dropped = true
			continue
		case f.rejected[id] != nil:
			written[i].Err = f.rejected[id]
			continue
		}
		f.updates = append(f.updates, u)
		p.Playing = u.Playing
		f.users[id] = p
		written[i].TrackID = 7
	}
	return written, nil
}

// writes returns the updates stored so far, without dropped and rejected ones, and the sizes
// of all batches, with them.
func (f *fakeStore) writes() (updates []songspy.PlaybackUpdate, batches []int) {
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

func (f *fakeStore) CountPolls(_ context.Context, polls map[string]int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.countFault != nil {
		return f.countFault
	}
	for reason, n := range polls {
		f.pollCounts[reason] += n
	}
	return nil
}

func (f *fakeStore) LastHeartbeat(context.Context, string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heartbeatAt, nil
}

// fakePlayer answers each call by its access token, which is "user/generation", such as "7/1".
type fakePlayer struct {
	mu    sync.Mutex
	polls map[string][]time.Time
	// answer returns the result of a poll. If it is nil, nothing plays.
	answer         func(token string) (songspy.Observation, error)
	historyFetches map[string][]time.Time // when history was fetched
	// history returns the result of a history fetch. If it is nil, the history is empty.
	history func(token string) ([]songspy.HistoryItem, error)
}

func (p *fakePlayer) CurrentlyPlaying(_ context.Context, access songspy.Credentials) (songspy.Observation, error) {
	p.mu.Lock()
	p.polls[access.Token.Reveal()] = append(p.polls[access.Token.Reveal()], time.Now())
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
	}
	return answer(access.Token.Reveal())
}

// setAnswer replaces the answer while the poller runs.
func (p *fakePlayer) setAnswer(answer func(token string) (songspy.Observation, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
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

// pollTimes returns the times of the polls with the token.
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

// noRenewals is a Renewer that fails the test when a token is renewed, or when a poll is reported
// as refused or as recovered from a refusal.
type noRenewals struct{ t *testing.T }

func (n noRenewals) Renew(_ context.Context, id songspy.UserID, _ int64) (songspy.Link, error) {
	n.t.Errorf("the link of user %d was renewed", id)
	return songspy.Link{}, &songspy.Error{Code: songspy.CodeInternal}
}
