package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeStore keeps listeners and a change feed in memory, as the store does on disk.
type fakeStore struct {
	mu       sync.Mutex
	people   map[songspy.UserID]songspy.Listener
	changes  []songspy.Change
	last     int64
	batches  []int             // sizes of the batches written
	heard    []songspy.Hearing // what was written, in order
	reads    int               // of pages of everyone
	opened   int               // links whose tokens were read
	refuse   func() error      // of whole batches
	setAside map[songspy.UserID]error
	told     [][]songspy.HistoryItem // answers of history, in order
	beat     time.Time
}

func newFakeStore(people int) *fakeStore {
	f := &fakeStore{people: map[songspy.UserID]songspy.Listener{}}
	for i := range people {
		f.link(songspy.UserID(i + 1))
	}
	return f
}

// link links a person, or links them anew, and tells the feed.
func (f *fakeStore) link(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	generation := f.people[id].Link.Generation + 1
	f.people[id] = songspy.Listener{Link: songspy.Link{
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
	delete(f.people, id)
	f.announce(id, songspy.ChangePerson)
}

func (f *fakeStore) announce(id songspy.UserID, kind songspy.ChangeKind) {
	f.last++
	f.changes = append(f.changes, songspy.Change{Number: f.last, UserID: id, Kind: kind, At: time.Now()})
}

func askable(l songspy.Link) bool {
	return l.State == songspy.LinkActive || l.State == songspy.LinkSuspect
}

func (f *fakeStore) LinkMarks(_ context.Context, after songspy.UserID, limit int) (page []songspy.LinkMark, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	for _, id := range slices.Sorted(maps.Keys(f.people)) {
		if l := f.people[id]; id > after && len(page) < limit && askable(l.Link) {
			page = append(page, songspy.LinkMark{UserID: id, Generation: l.Link.Generation, Version: l.Link.Version})
		}
	}
	return page, nil
}

func (f *fakeStore) ListenersByID(_ context.Context, ids []songspy.UserID) (found []songspy.Listener, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if l, ok := f.people[id]; ok && askable(l.Link) {
			f.opened++
			found = append(found, l)
		}
	}
	return found, nil
}

func (f *fakeStore) UpdateLink(_ context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.people[id]
	if err := fn(&p.Link); err != nil {
		return songspy.Link{}, err
	}
	p.Link.Version++
	f.people[id] = p
	f.announce(id, songspy.ChangeLink)
	return p.Link, nil
}

func (f *fakeStore) WriteListening(_ context.Context, hearings []songspy.Hearing) ([]songspy.Written, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(); err != nil {
			return nil, err
		}
	}
	f.batches = append(f.batches, len(hearings))
	written := make([]songspy.Written, len(hearings))
	for i, h := range hearings {
		id := h.Playing.UserID
		p, ok := f.people[id]
		switch {
		case !ok || p.Link.Generation != h.Playing.Generation:
			written[i].Dropped = true
			continue
		case f.setAside[id] != nil:
			written[i].Err = f.setAside[id]
			continue
		}
		f.heard = append(f.heard, h)
		p.Playing = h.Playing
		f.people[id] = p
		written[i].TrackID = 7
	}
	return written, nil
}

// writes gives what was written so far, and in batches of which sizes.
func (f *fakeStore) writes() (heard []songspy.Hearing, batches []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.heard), slices.Clone(f.batches)
}

func (f *fakeStore) UpdateHistory(_ context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
	fn func(songspy.Kept) songspy.Reconciled,
) (songspy.Reconciled, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.people[id]; !ok || l.Link.Generation != generation {
		return songspy.Reconciled{}, &songspy.Error{Code: songspy.CodeGone}
	}
	f.told = append(f.told, items)
	return fn(songspy.Kept{}), nil
}

func (f *fakeStore) Beat(context.Context, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beat = time.Now()
	return nil
}

func (f *fakeStore) LastBeat(context.Context, string) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.beat, nil
}

func (f *fakeStore) Feed(context.Context) (oldest, last int64, err error) {
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
	looks map[string][]time.Time
	// answer says what a look shows; nil: nothing plays.
	answer func(token string) (songspy.Observation, error)
	// recalls are when history was asked; history is its answer, nil: nothing.
	recalls map[string][]time.Time
	history func(token string) ([]songspy.HistoryItem, error)
}

func (p *fakePlayer) CurrentlyPlaying(_ context.Context, access songspy.Access) (songspy.Observation, error) {
	p.mu.Lock()
	p.looks[access.Token.Reveal()] = append(p.looks[access.Token.Reveal()], time.Now())
	p.mu.Unlock()
	if p.answer == nil {
		return songspy.Observation{Sighting: songspy.SightingNothing, At: time.Now()}, nil
	}
	return p.answer(access.Token.Reveal())
}

func (p *fakePlayer) RecentlyPlayed(_ context.Context, access songspy.Access, _ time.Time) ([]songspy.HistoryItem, error) {
	p.mu.Lock()
	p.recalls[access.Token.Reveal()] = append(p.recalls[access.Token.Reveal()], time.Now())
	p.mu.Unlock()
	if p.history == nil {
		return nil, nil
	}
	return p.history(access.Token.Reveal())
}

// at gives when the person was looked at through that token.
func (p *fakePlayer) at(token string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.looks[token])
}

func (p *fakePlayer) all() (all []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.looks {
		all = append(all, at...)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (n noRenewals) Refused(context.Context, songspy.UserID, int64) (time.Duration, error) {
	n.t.Error("a poll was refused")
	return 0, nil
}

func (n noRenewals) Answered(context.Context, songspy.UserID, int64) error {
	n.t.Error("a refused link was answered")
	return nil
}

func (n noRenewals) Granted(context.Context, string, songspy.UserID) {}

// noRenewals fails the test: nobody's token is spent in it.
type noRenewals struct{ t *testing.T }

func (n noRenewals) Renew(_ context.Context, id songspy.UserID, _ int64) (songspy.Link, error) {
	n.t.Errorf("the link of %d was renewed", id)
	return songspy.Link{}, &songspy.Error{Code: songspy.CodeInternal}
}
