package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/notify"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// long skips a test of many hours of virtual time if -short is set, because with the race
// detector it would take minutes. "make test-days" runs it.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many hours of virtual time: make test-days runs them")
	}
}

// wholeOrShort returns the first number, or the second one if -short is set: the race detector
// makes a test several times as slow. "make test-days" uses the first number.
func wholeOrShort(whole, short int) int {
	if testing.Short() {
		return short
	}
	return whole
}

// simWorld is a batch in virtual time, with the simulated Spotify, a database on
// disk, and linked users. Person n of the simulator is user n+1.
type simWorld struct {
	t      *testing.T
	sim    *sim.Sim
	dbPath string
	db     *store.Store
	log    *logBuffer
	// changeInterval is the time between two reads of the change feed, and of watches.
	changeInterval time.Duration
	// inbox receives the notifications. If it is nil, no notification channel is configured.
	inbox *inbox
	// wrapDatabase wraps the database of a batch. If it is nil, the database is not wrapped.
	wrapDatabase func(database) database
	// now is the clock of the batches and of their database. If it is nil, they use virtual time.
	now   func() time.Time
	mu    sync.Mutex
	calls []sim.Call
	batch *batch // the batch that was started last
}

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// newSimWorld creates the simulator, and a database in which each of its people is a linked
// user. It must be called in a synctest bubble.
func newSimWorld(t *testing.T, o sim.Options) *simWorld {
	t.Helper()
	w := &simWorld{t: t, dbPath: storetest.Migrated(t, storetest.SQLite).Path(), log: &logBuffer{}, changeInterval: 2 * time.Second}
	o.Observe = func(c sim.Call) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, c)
	}
	var err error
	if w.sim, err = sim.New(o); err != nil {
		t.Fatal(err)
	}
	w.db = w.openStore()
	for person := range w.sim.People() {
		u, _, err := w.db.SignIn(t.Context(), songspy.GoogleProfile{Subject: fmt.Sprint(person)}, songspy.AudienceEveryone)
		if err != nil || u.ID != userOf(person) {
			t.Fatalf("person %d signed in as user %d: %v", person, u.ID, err)
		}
		w.link(person)
	}
	return w
}

func userOf(person int) songspy.UserID { return songspy.UserID(person + 1) }

// link links a person, or links the person again.
func (w *simWorld) link(person int) {
	w.t.Helper()
	access, refresh := w.sim.SpotifyTokens(person)
	_, err := w.db.SaveLink(w.t.Context(), songspy.NewLink{
		UserID: userOf(person), App: sim.SpotifyClientID,
		Account: songspy.SpotifyAccount{AccountID: fmt.Sprintf("account-%d", person)},
		Grant: songspy.Grant{
			AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh),
			ExpiresAt: time.Now().Add(time.Hour), Scope: strings.Join(songspy.NeededScopes(), " "), Auth: songspy.AuthBasic,
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// linkViaApp links a person through an app, with the app's secret if it is not empty.
func (w *simWorld) linkViaApp(person int, app, clientID string, secret songspy.Secret) {
	w.t.Helper()
	const back, verifier = "http://127.0.0.1:8080/", "a-verifier-of-more-than-forty-three-characters-in-all"
	sum := sha256.Sum256([]byte(verifier))
	code := w.sim.SpotifyCode(person, sim.CodeOptions{ClientID: clientID, RedirectURI: back, Challenge: base64.RawURLEncoding.EncodeToString(sum[:])})
	client := spotify.New(spotify.Config{ClientID: clientID, ClientSecret: secret, Transport: w.sim.Transport()})
	grant, err := client.Exchange(w.t.Context(), songspy.AuthorizationCode{Code: songspy.Secret(code), RedirectURI: back, Verifier: verifier})
	if err == nil {
		_, err = w.db.SaveLink(w.t.Context(), songspy.NewLink{
			UserID: userOf(person), App: app, Account: songspy.SpotifyAccount{AccountID: fmt.Sprintf("account-%d", person)}, Grant: grant,
		})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *simWorld) openStore() *store.Store {
	w.t.Helper()
	db, err := store.Open(w.t.Context(), store.Options{
		URL: "sqlite:" + w.dbPath, Now: w.now, SealKeys: []store.SealKey{{ID: "test", Key: bytes.Repeat([]byte("k"), 32)}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return db
}

// killableStore is a store that rejects the writes of polls, heartbeats, history fetches and
// renewals after killed is set.
type killableStore struct {
	*store.Store
	killed         atomic.Bool
	changeInterval time.Duration
}

var errKilled = errors.New("the process was killed")

func (s *killableStore) WritePlaybackUpdates(ctx context.Context, updates []songspy.PlaybackUpdate) ([]songspy.PlaybackUpdateResult, error) {
	if s.killed.Load() {
		return nil, errKilled
	}
	return s.Store.WritePlaybackUpdates(ctx, updates)
}

func (s *killableStore) ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
	fn func(songspy.StoredPlays) songspy.Reconciliation,
) (songspy.Reconciliation, error) {
	if s.killed.Load() {
		return songspy.Reconciliation{}, errKilled
	}
	return s.Store.ReconcileHistory(ctx, id, generation, items, fn)
}

func (s *killableStore) RecordHeartbeat(ctx context.Context, name string) error {
	if s.killed.Load() {
		return errKilled
	}
	return s.Store.RecordHeartbeat(ctx, name)
}

func (s *killableStore) CountPolls(ctx context.Context, polls map[string]int64) error {
	if s.killed.Load() {
		return errKilled
	}
	return s.Store.CountPolls(ctx, polls)
}

func (s *killableStore) UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error) {
	if s.killed.Load() {
		return songspy.Link{}, errKilled
	}
	return s.Store.UpdateLink(ctx, id, fn)
}

// WaitForChange waits for changeInterval. The store itself reads the feed many
// times a second, which is slow over virtual hours.
func (s *killableStore) WaitForChange(ctx context.Context, _ int64) error {
	select {
	case <-time.After(s.changeInterval):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WatchesSince waits for changeInterval, as WaitForChange does.
func (s *killableStore) WatchesSince(ctx context.Context, since time.Time) ([]songspy.Watch, time.Time, error) {
	if err := s.WaitForChange(ctx, 0); err != nil {
		return nil, time.Time{}, err
	}
	return s.Store.WatchesSince(ctx, since)
}

// start starts a batch. The returned function stop ends it regularly. The returned function kill
// ends it without the writes that a batch makes while it stops, as a crash would (killableStore).
func (w *simWorld) start(changes ...func(*settings)) (stop, kill func()) {
	w.t.Helper()
	var s settings
	err := config.Load(&s, map[string]string{
		"SONGSPY_ENV":                   "development",
		"SONGSPY_DATABASE_URL":          "sqlite:" + w.dbPath,
		"SONGSPY_SPOTIFY_CLIENT_ID":     sim.SpotifyClientID,
		"SONGSPY_SPOTIFY_CLIENT_SECRET": sim.SpotifyClientSecret,
		"SONGSPY_SPOTIFY_AUTHORIZE_URL": "http://127.0.0.1:8090/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL":  "http://127.0.0.1:8090/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL":       "http://127.0.0.1:8090/spotify/api",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, change := range changes {
		change(&s)
	}
	s.now = w.now
	db := &killableStore{Store: w.openStore(), changeInterval: w.changeInterval}
	var batchDB database = db
	if w.wrapDatabase != nil {
		batchDB = w.wrapDatabase(db)
	}
	var senders map[songspy.NotificationChannel]notify.Sender
	if w.inbox != nil {
		s.Notifications = config.Notifications{RelinkURL: "https://songs.example.org/link"}
		senders = w.inbox.senders()
	}
	b := newBatch(s, batchDB, w.sim.Transport(), senders, telemetry.NewLogger(w.log, "debug", "json"))
	w.batch = b
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.work(ctx) }()
	stop = func() {
		w.t.Helper()
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		w.expectNoSecrets(b)
	}
	return stop, func() {
		db.killed.Store(true)
		stop()
	}
}

// expectNoSecrets fails the test if a log line or a metric contains a token or a secret.
func (w *simWorld) expectNoSecrets(b *batch) {
	w.t.Helper()
	families, err := b.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	shown := fmt.Sprint(families)
	w.log.mu.Lock()
	shown += w.log.buf.String()
	w.log.mu.Unlock()
	secrets := []string{sim.SpotifyClientSecret, "Bearer "}
	for person := range w.sim.People() {
		if l, err := w.db.Link(context.WithoutCancel(w.t.Context()), userOf(person)); err == nil {
			secrets = append(secrets, l.AccessToken.Reveal(), l.RefreshToken.Reveal())
		}
	}
	for _, secret := range secrets {
		if strings.Contains(shown, secret) {
			w.t.Fatalf("a log line or a metric contains %q", secret)
		}
	}
}

// callsTo returns the calls to an endpoint, in order.
func (w *simWorld) callsTo(endpoint string) (calls []sim.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.Endpoint.String() == endpoint {
			calls = append(calls, c)
		}
	}
	return calls
}

// storedPlay is a row of the table plays.
type storedPlay struct {
	uri        string
	start, end time.Time
	listened   time.Duration
}

// playRows reads a person's plays from the database file.
func (w *simWorld) playRows(person int) (plays []storedPlay) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.dbPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), `SELECT t.uri, p.started_at, p.ended_at, p.listened_ms
		FROM plays p JOIN tracks t ON t.id = p.track_id WHERE p.user_id = ? ORDER BY p.started_at`, int64(userOf(person)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p storedPlay
		var start, end, listened int64
		if err := rows.Scan(&p.uri, &start, &end, &listened); err != nil {
			w.t.Fatal(err)
		}
		p.start, p.end = time.UnixMicro(start).UTC(), time.UnixMicro(end).UTC()
		p.listened = time.Duration(listened) * time.Millisecond
		plays = append(plays, p)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return plays
}

// countRows counts a person's rows in a table.
func (w *simWorld) countRows(table string, person int) (n int) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.dbPath)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(w.t.Context(), `SELECT count(*) FROM `+table+` WHERE user_id = ?`, int64(userOf(person))).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// scriptAlbum makes the person play songs of three minutes one after another, from the time
// start, without the same song twice in a row. It returns the plays.
func (w *simWorld) scriptAlbum(person int, start time.Time, songs int) (plays []sim.Play) {
	for i := range songs {
		track := w.sim.Track((person*7 + i) % 200)
		track.Duration = 3 * time.Minute
		plays = append(plays, sim.Play{Track: track, Start: start})
		start = start.Add(track.Duration)
	}
	w.sim.Script(person, plays)
	return plays
}

// expectEachOnce fails the test unless each stored play of the person is a song of the album, and
// each song is stored at most once. Songs that ended before the time until must be stored.
// expectEachOnce returns the number of these songs.
func (w *simWorld) expectEachOnce(person int, album []sim.Play, until time.Time) (ended int) {
	w.t.Helper()
	plays := w.playRows(person)
	for _, song := range album {
		i := slices.IndexFunc(plays, func(p storedPlay) bool {
			return p.uri == song.Track.URI && p.start.Sub(song.Start).Abs() < 5*time.Second
		})
		hasEnded := song.Start.Add(song.Track.Duration).Before(until)
		switch {
		case i >= 0:
			plays = slices.Delete(plays, i, i+1)
		case hasEnded:
			w.t.Errorf("person %d: the play of %s at %s is missing", person, song.Track.URI, song.Start.Format(time.TimeOnly))
		}
		if hasEnded {
			ended++
		}
	}
	for _, p := range plays {
		w.t.Errorf("person %d: the play of %s from %s to %s is a duplicate or was never played", person, p.uri, p.start.Format(time.TimeOnly), p.end.Format(time.TimeOnly))
	}
	return ended
}
