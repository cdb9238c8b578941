package storetest

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// suite holds the tests of one topic of the conformance suite, by name.
type suite map[string]func(*testing.T, *fixture)

// Run runs the conformance suite on an engine: the tests of the given topics, or of all
// topics if none is given.
func Run(t *testing.T, engine string, topics ...string) {
	all := map[string]suite{
		"Users": users(), "Invites": invites(), "Sessions": sessions(), "Linking": linking(), "Seats": seats(), "Links": links(),
		"PolledUsers": polledUsers(), "PlaybackUpdates": playbackUpdates(), "Plays": plays(), "History": history(), "Gaps": gaps(), "Breakers": breakers(), "Quotas": quotas(), "Shards": shards(), "Watches": watches(), "Status": status(), "Recorded": recorded(), "Board": board(), "Feed": feed(),
		"Erasure": erasure(), "Sharing": sharing(), "Identity": identity(), "People": people(), "Moderation": moderation(), "AuthorizationAttempts": attempts(),
		"Notifications": notifications(), "Mailboxes": mailboxes(), "Embeds": embeds(),
		"Schema": schemas(), "Times": times(), "StatementCounts": statementCounts(), "Sealing": sealing(), "Concurrency": concurrency(),
	}
	if len(topics) == 0 {
		topics = slices.Collect(maps.Keys(all))
	}
	pool := NewPool(t, engine)
	for _, topic := range topics {
		tests, ok := all[topic]
		if !ok {
			t.Fatalf("the conformance suite has no topic %q", topic)
		}
		t.Run(topic, func(t *testing.T) {
			database := pool.Get
			if topic == "Schema" { // these tests change the schema, so their databases cannot be reused
				database = func(t testing.TB) Database { return New(t, engine) }
			}
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, setup(t, database(t)))
				})
			}
		})
	}
}

// start is the time that the clock of every test shows at first.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture is what a test works with: a migrated store with a clock that the test sets,
// and a log of its statements.
type fixture struct {
	*store.Store
	db         Database
	clock      *clock
	statements *statementLog
	userCount  atomic.Int64
	rawDB      *sql.DB
}

func setup(t *testing.T, d Database) *fixture {
	t.Helper()
	b := &fixture{db: d, clock: &clock{now: start}, statements: &statementLog{}}
	b.Store = b.openAnother(t)
	must(t, b.Migrate(t.Context()))
	return b
}

// openAnother opens the same database in another store, as another process would. The new
// store uses the same clock and statement log. It calls each function of the parameter
// changes, which may change the options of the new store.
func (b *fixture) openAnother(t *testing.T, changes ...func(*store.Options)) *store.Store {
	t.Helper()
	return b.db.Open(t, append([]func(*store.Options){func(o *store.Options) {
		o.Now, o.Observe = b.clock.Now, b.statements.observe
	}}, changes...)...)
}

// sql opens the database without the store, for checks that the store has no
// method for.
func (b *fixture) sql(t *testing.T) *sql.DB {
	t.Helper()
	if b.rawDB != nil {
		return b.rawDB
	}
	if b.db.Engine == SQLite {
		b.rawDB = value[*sql.DB](t)(sql.Open("sqlite", b.db.Path()+"?_pragma=busy_timeout(10000)&_inttotime=1&_time_integer_format=unix_micro"))
	} else {
		b.rawDB = value[*sql.DB](t)(sql.Open("pgx", b.db.direct))
	}
	t.Cleanup(func() { must(t, b.rawDB.Close()) })
	return b.rawDB
}

// countRows counts the rows of the table that belong to the user.
func (b *fixture) countRows(t *testing.T, table string, id songspy.UserID) int {
	t.Helper()
	column := "user_id"
	if table == "users" {
		column = "id"
	}
	return b.countWhere(t, table, column, id)
}

// countWhere counts the rows of the table in which the column has the user's id.
func (b *fixture) countWhere(t *testing.T, table, column string, id songspy.UserID) (n int) {
	t.Helper()
	row := b.sql(t).QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*) FROM %s WHERE %s = $1", table, column), int64(id))
	must(t, row.Scan(&n))
	return n
}

// newUser signs up a user.
func (b *fixture) newUser(t *testing.T) songspy.User {
	t.Helper()
	subject := fmt.Sprintf("google-%d", b.userCount.Add(1))
	u, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: subject, Name: "Name of " + subject}, songspy.AudienceEveryone)
	must(t, err)
	return u
}

// grant returns a grant of Spotify whose tokens are "access-" and "refresh-" followed by the
// label.
func grant(label string) songspy.Grant {
	return songspy.Grant{
		AccessToken: songspy.Secret("access-" + label), RefreshToken: songspy.Secret("refresh-" + label),
		ExpiresAt: start.Add(time.Hour), Scope: strings.Join(songspy.NeededScopes(), " "), Auth: songspy.AuthBasic,
	}
}

// account returns a Spotify account whose two ids are "account-" and "legacy-" followed by
// the name.
func account(name string) songspy.SpotifyAccount {
	return songspy.SpotifyAccount{AccountID: "account-" + name, ID: "legacy-" + name}
}

// link links the user, through the Spotify app "main", to the Spotify account that
// account(name) returns.
func (b *fixture) link(t *testing.T, id songspy.UserID, name string) songspy.Link {
	t.Helper()
	return value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
		UserID: id, App: "main", Grant: grant(name), Account: account(name), ConsentedAt: b.clock.Now(),
	}))
}

// newLinkedUser signs up a user, links the user to a Spotify account that no other user
// has, and returns the link.
func (b *fixture) newLinkedUser(t *testing.T) songspy.Link {
	t.Helper()
	u := b.newUser(t)
	return b.link(t, u.ID, fmt.Sprint("of-", u.ID))
}

// song returns the n-th test track. It is three minutes long.
func song(n int) songspy.Track {
	return songspy.Track{
		URI: fmt.Sprintf("spotify:track:%d", n), Kind: songspy.KindTrack, Title: fmt.Sprint("Song ", n),
		Artists: "The Inventors", Album: "Firsts", ImageURL: "https://i.example/1", URL: "https://o.example/1",
		PreviewURL: "https://p.example/1", DurationMS: 180_000, ISRC: "QZ0000000001",
	}
}

// playingUpdate returns the update that follows from a poll at the given time, if that poll
// found the user of the link one minute into the track.
func playingUpdate(l songspy.Link, t songspy.Track, at time.Time) songspy.PlaybackUpdate {
	ends := at.Add(t.Duration() - time.Minute)
	return songspy.PlaybackUpdate{
		Playing: songspy.NowPlaying{
			UserID: l.UserID, Generation: l.Generation, State: songspy.PlayerPlaying,
			TrackURI: t.URI, DurationMS: t.DurationMS, StartedAt: at.Add(-time.Minute),
			ObservedAt: at, SeenAt: at, ProgressMS: 60_000, ListenedMS: 60_000, OtherSeenAt: at.Add(-time.Hour), EndsAt: &ends,
		},
		Tracks:  []songspy.Track{t},
		Visible: true,
	}
}

// finishedPlay returns a complete play of the track that began at the given time.
func finishedPlay(t songspy.Track, at time.Time) songspy.Play {
	return songspy.Play{TrackURI: t.URI, StartedAt: at, EndedAt: at.Add(t.Duration()), ListenedMS: t.DurationMS, Source: songspy.SourceLive}
}

// write writes the updates and fails the test if one is dropped or rejected.
func (b *fixture) write(t *testing.T, updates ...songspy.PlaybackUpdate) []songspy.PlaybackUpdateResult {
	t.Helper()
	written := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), updates))
	for i, w := range written {
		if w.Dropped || w.Err != nil {
			t.Fatalf("update %d was not written: %+v", i, w)
		}
	}
	return written
}

// nowPlaying returns the stored state of the user's player.
func (b *fixture) nowPlaying(t *testing.T, id songspy.UserID) songspy.NowPlaying {
	t.Helper()
	found := value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), []songspy.UserID{id}))
	if len(found) != 1 {
		t.Fatalf("user %d is returned as %d polled users", id, len(found))
	}
	return found[0].Playing
}

// lastChange returns the number of the last change.
func (b *fixture) lastChange(t *testing.T) int64 {
	t.Helper()
	_, last, err := b.FeedBounds(t.Context())
	must(t, err)
	return last
}

// changesAfter returns the changes after the one with the given number, each as its kind
// and the id of its user, such as "link 1".
func (b *fixture) changesAfter(t *testing.T, number int64) (changes []string) {
	t.Helper()
	for _, c := range value[[]songspy.Change](t)(b.Changes(t.Context(), number, 1000)) {
		changes = append(changes, fmt.Sprintf("%s %d", c.Kind, c.UserID))
	}
	return changes
}

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time that the test has set.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
