package viewercache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// database is a change feed and numbered versions of each user: in version n, the user has n
// blocks, and a session with the label n. So a test knows which version it has read. A board
// follows the feed, and keeps the cache up to date.
type database struct {
	changefeedtest.Feed
	cache *viewercache.Cache

	mu       sync.Mutex
	versions map[songspy.UserID][]version
	random   *rand.Rand
	hits     int
}

type version struct {
	committedAt time.Time
	// isOwn is true if this process wrote the version. writtenAt is when that write returned; it
	// is zero before that, and for versions of other processes.
	isOwn     bool
	writtenAt time.Time
}

const users = 2

func newDatabase(seed uint64) *database {
	d := &database{cache: viewercache.New(time.Now), versions: map[songspy.UserID][]version{}, random: rand.New(rand.NewPCG(seed, 0))}
	for id := range users {
		d.versions[songspy.UserID(id+1)] = []version{{}}
	}
	return d
}

// pause waits for a random time below most. In about one of twelve calls, it waits for twenty
// times as long.
func (d *database) pause(most time.Duration) {
	d.mu.Lock()
	wait := time.Duration(d.random.Int64N(int64(most)))
	if d.random.IntN(12) == 0 {
		wait *= 20
	}
	d.mu.Unlock()
	<-time.After(wait)
}

func (d *database) pick(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

func (d *database) newest(id songspy.UserID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.versions[id]) - 1
}

// write commits another version of the user. If isOwn is true, it acts as this process: it
// applies the change to the cache before it returns, as store.OnChanges does. Otherwise it acts
// as another process, whose change reaches the cache only through the feed.
func (d *database) write(id songspy.UserID, isOwn bool) {
	kind := []songspy.ChangeKind{songspy.ChangeRelation, songspy.ChangeSession, songspy.ChangeUser}[d.pick(3)]
	d.mu.Lock()
	d.versions[id] = append(d.versions[id], version{committedAt: time.Now(), isOwn: isOwn})
	n := len(d.versions[id]) - 1
	d.Add(id, kind)
	d.mu.Unlock()
	if !isOwn {
		return
	}
	d.pause(20 * time.Millisecond)
	d.cache.Apply([]songspy.Change{{UserID: id, Kind: kind}})
	d.mu.Lock()
	d.versions[id][n].writtenAt = time.Now()
	d.mu.Unlock()
}

// read reads the session or the relations of the user through the cache. It returns an error if
// the version is too old: older than a version that this process had written before the read
// began, or than one that was committed more than Staleness before.
func (d *database) read(id songspy.UserID, session bool) error {
	began := time.Now()
	hit := true
	load := func() int {
		hit = false
		d.pause(30 * time.Millisecond)
		n := d.newest(id)
		d.pause(30 * time.Millisecond)
		return n
	}
	var got int
	if session {
		s, err := d.cache.Session(viewercache.SessionKey{ID: int64(id)}, func(songspy.Session) bool { return true },
			func() (songspy.Session, error) { return songspy.Session{UserID: id, Label: fmt.Sprint(load())}, nil })
		if _, failed := fmt.Sscan(s.Label, &got); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
	} else {
		r, err := d.cache.Relations(id, func() (visibility.Relations, error) { return relations(id, load()), nil })
		if err != nil {
			return err
		}
		got = r.Count()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if hit {
		d.hits++
	}
	for n, v := range d.versions[id] {
		switch {
		case n <= got:
		case v.isOwn && !v.writtenAt.IsZero() && v.writtenAt.Before(began):
			return fmt.Errorf("a read at %s got version %d; this process had written version %d by %s", clock(began), got, n, clock(v.writtenAt))
		case v.committedAt.Before(began.Add(-viewercache.Staleness)):
			return fmt.Errorf("a read at %s got version %d; version %d was committed at %s", clock(began), got, n, clock(v.committedAt))
		}
	}
	return nil
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// relations returns relations that consist of n blocks.
func relations(id songspy.UserID, n int) visibility.Relations {
	blocks := make([]songspy.Block, n)
	for i := range blocks {
		blocks[i] = songspy.Block{UserID: id, BlockedID: songspy.UserID(1000 + i)}
	}
	return visibility.NewRelations(visibility.NewSelf(id), nil, blocks)
}

// Changes implements changefeed.Feed. It takes a random time before and after it reads the
// changes.
func (d *database) Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error) {
	d.pause(100 * time.Millisecond)
	changes, err := d.Feed.Changes(ctx, after, limit)
	d.pause(100 * time.Millisecond)
	return changes, err
}

// BoardEntries implements board.Feed.
func (d *database) BoardEntries(context.Context, []songspy.UserID) ([]songspy.BoardEntry, error) {
	d.pause(30 * time.Millisecond)
	return nil, nil
}

// BoardSnapshot implements board.Feed.
func (d *database) BoardSnapshot(ctx context.Context, _ func(songspy.BoardEntry) error) (int64, error) {
	_, last, err := d.FeedBounds(ctx)
	d.pause(100 * time.Millisecond)
	return last, err
}

// follow starts a board, which keeps the cache up to date. It returns a function that stops the
// board.
func (d *database) follow() (stop func()) {
	b := board.New(board.Options{Feed: d, Viewers: d.cache, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

func TestCache_IsNeverOlderThanItsBoundNorThanAWriteOfThisProcess(t *testing.T) {
	hits := 0
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(*testing.T) {
			d := newDatabase(seed)
			defer d.follow()()
			var tasks sync.WaitGroup
			repeat := func(times int, gap time.Duration, act func(songspy.UserID)) {
				tasks.Go(func() {
					for range times {
						d.pause(gap)
						act(songspy.UserID(1 + d.pick(users)))
					}
				})
			}
			for _, session := range []bool{false, true, false, true} {
				repeat(100, 30*time.Millisecond, func(id songspy.UserID) {
					if err := d.read(id, session); err != nil {
						rt.Error(err)
					}
				})
			}
			repeat(15, 250*time.Millisecond, func(id songspy.UserID) { d.write(id, true) })
			repeat(15, 250*time.Millisecond, func(id songspy.UserID) { d.write(id, false) })
			// For a while the feed cannot be read. Afterwards, in half of the cases, it lacks
			// the changes of that time.
			repeat(3, time.Second, func(id songspy.UserID) {
				d.Fail(errors.New("down"))
				d.pause(time.Second)
				d.write(id, false)
				if _, last, _ := d.FeedBounds(context.Background()); d.pick(2) == 0 {
					d.Prune(last)
				}
				d.Fail(nil)
			})
			tasks.Wait()
			hits += d.hits
		})
	})
	if hits == 0 {
		t.Error("nothing was read from memory")
	}
}

// manual is a cache whose clock is the field now, which the test sets. It counts how often the
// cache reads from the database.
type manual struct {
	*viewercache.Cache
	now   time.Time
	reads int
}

func newManual() *manual {
	m := &manual{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	m.Cache = viewercache.New(func() time.Time { return m.now })
	m.CaughtUp(m.now)
	return m
}

// relationsOf reads the relations of the user through the cache, and reports whether they were
// in memory. The database has n of them.
func (m *manual) relationsOf(id songspy.UserID, n int) (inMemory bool) {
	before := m.reads
	_, _ = m.Relations(id, func() (visibility.Relations, error) { m.reads++; return relations(id, n), nil })
	return m.reads == before
}

// session reads a session of the user, and reports whether it was in memory. The cache may use
// its own value only if usable is true.
func (m *manual) session(id songspy.UserID, key int64, usable bool) (inMemory bool) {
	before := m.reads
	_, _ = m.Session(viewercache.SessionKey{ID: key}, func(songspy.Session) bool { return usable },
		func() (songspy.Session, error) { m.reads++; return songspy.Session{ID: key, UserID: id}, nil })
	return m.reads == before
}

func TestCache_IsNotUsedWhileTheFeedIsNotRead(t *testing.T) {
	m := newManual()
	use := func() bool {
		relations, session := m.relationsOf(1, 1), m.session(1, 10, true)
		return relations && session
	}
	if use(); !use() {
		t.Fatal("nothing is kept")
	}
	if m.now = m.now.Add(viewercache.Staleness); !use() {
		t.Error("the cache is not used although the feed was just read")
	}
	m.now = m.now.Add(time.Millisecond)
	if m.relationsOf(1, 1) || m.session(1, 10, true) {
		t.Error("the cache is used although the feed was not read for longer than the bound")
	}
	if m.CaughtUp(m.now); !use() {
		t.Error("the cache is not used after the feed was read again")
	}
	m.now = m.now.Add(-time.Hour) // the clock is set back, so it is not known how long ago the feed was read
	if m.relationsOf(1, 1) || m.session(1, 10, true) {
		t.Error("the cache is used although it is not known when the feed was read")
	}
}

func TestCache_ReadsEachValueAgainAfterAMinute(t *testing.T) {
	m := newManual()
	m.relationsOf(1, 1)
	m.session(1, 10, true)
	m.now = m.now.Add(time.Minute)
	m.CaughtUp(m.now)
	if !m.relationsOf(1, 1) || !m.session(1, 10, true) {
		t.Error("the values were read within the minute")
	}
	m.now = m.now.Add(time.Millisecond)
	m.CaughtUp(m.now)
	if m.relationsOf(1, 1) || m.session(1, 10, true) {
		t.Error("the values are used for more than a minute")
	}
}

func TestCache_ReadsASessionThatIsNotUsable(t *testing.T) {
	m := newManual()
	m.session(1, 10, true)
	if m.session(1, 10, false) {
		t.Error("a session that is not usable was not read again")
	}
	if !m.session(1, 10, true) {
		t.Error("a session that was read again is not kept")
	}
}

func TestCache_ForgetsAUserWhoseDataMayHaveChanged(t *testing.T) {
	for kind, keeps := range map[songspy.ChangeKind]bool{
		songspy.ChangeRelation: false, songspy.ChangeSession: false, songspy.ChangeUser: false, "a kind of a later release": false,
		songspy.ChangePlaying: true, songspy.ChangeLink: true,
	} {
		m := newManual()
		for id := range songspy.UserID(2) {
			m.relationsOf(id+1, 1)
			m.session(id+1, int64(10*(id+1)), true)
			m.session(id+1, int64(10*(id+1)+1), true)
		}
		m.Apply([]songspy.Change{{UserID: 1, Kind: kind}})
		if m.relationsOf(1, 1) != keeps || m.session(1, 10, true) != keeps || m.session(1, 11, true) != keeps {
			t.Errorf("after a change of kind %q the user is kept: %t, want %t", kind, !keeps, keeps)
		}
		if !m.relationsOf(2, 1) || !m.session(2, 20, true) {
			t.Errorf("a change of kind %q affects another user", kind)
		}
	}
	m := newManual()
	m.relationsOf(1, 1)
	m.session(1, 10, true)
	if m.Clear(); m.relationsOf(1, 1) || m.session(1, 10, true) {
		t.Error("something is kept after changes were lost")
	}
}

func TestCache_KeepsNoErrors(t *testing.T) {
	m := newManual()
	failed := errors.New("down")
	for range 2 {
		if _, err := m.Relations(1, func() (visibility.Relations, error) { return visibility.Relations{}, failed }); !errors.Is(err, failed) {
			t.Errorf("the error is %v", err)
		}
		if _, err := m.Session(viewercache.SessionKey{ID: 1}, nil, func() (songspy.Session, error) { return songspy.Session{}, failed }); !errors.Is(err, failed) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestCache_ForgetsTheViewersThatWereNotUsedForLongest(t *testing.T) {
	m := newManual()
	const perUser = 100_000 // relations of one user take 800 KB, so there is room for about 40 users
	for id := range songspy.UserID(60) {
		m.relationsOf(1, perUser) // user 1 is used all the time, so it must stay
		m.relationsOf(id+1, perUser)
	}
	if !m.relationsOf(1, perUser) || !m.relationsOf(60, perUser) || m.relationsOf(2, perUser) {
		t.Error("the viewers that were used last are not kept, or too many are")
	}
	for key := range int64(100) {
		m.session(7, key+1, true)
	}
	if !m.session(7, 100, true) || m.session(7, 1, true) {
		t.Error("the sessions of one user are not limited")
	}
}

func TestCache_IsSafeForConcurrentUse(t *testing.T) {
	c := viewercache.New(time.Now)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				id := songspy.UserID(1 + (g+i)%5)
				_, _ = c.Relations(id, func() (visibility.Relations, error) { return relations(id, 3), nil })
				_, _ = c.Session(viewercache.SessionKey{ID: int64(i%7 + 1)}, func(songspy.Session) bool { return true },
					func() (songspy.Session, error) { return songspy.Session{UserID: songspy.UserID(i%7 + 1)}, nil })
				switch i % 50 {
				case 0:
					c.Apply([]songspy.Change{{UserID: id, Kind: songspy.ChangeUser}})
				case 1:
					c.CaughtUp(time.Now())
				case 2:
					c.Clear()
				}
			}
		})
	}
	all.Wait()
}

func TestNilCache_Reads(t *testing.T) {
	m := &manual{}
	for range 2 {
		if m.relationsOf(1, 1) || m.session(1, 1, true) {
			t.Error("a nil cache keeps something")
		}
	}
	m.Apply([]songspy.Change{{UserID: 1, Kind: songspy.ChangeUser}})
	m.Clear()
	m.CaughtUp(time.Time{})
}
