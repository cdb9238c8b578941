package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/webhook"
)

const user songspy.UserID = 7

// fakeStore is a database that several replicas share.
type fakeStore struct {
	mu        sync.Mutex
	hooks     map[songspy.UserID]songspy.Webhook
	nextID    songspy.PublicID
	owner     string
	until     time.Time
	updates   int
	updateErr error
}

func (s *fakeStore) SaveWebhook(_ context.Context, id songspy.UserID, url, key songspy.Secret) (songspy.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	w := songspy.Webhook{UserID: id, ID: s.nextID, URL: url, Key: key, CreatedAt: time.Now(), Delivered: true, NextAttemptAt: time.Now()}
	s.hooks[id] = w
	return w, nil
}

func (s *fakeStore) Webhook(_ context.Context, id songspy.UserID) (songspy.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.hooks[id]; ok {
		return w, nil
	}
	return songspy.Webhook{}, &songspy.Error{Code: songspy.CodeNotFound}
}

func (s *fakeStore) DeleteWebhook(_ context.Context, id songspy.UserID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hooks, id)
	return nil
}

func (s *fakeStore) WebhookIDs(context.Context) (map[songspy.UserID]songspy.PublicID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[songspy.UserID]songspy.PublicID{}
	for id, w := range s.hooks {
		if w.OffAt == nil {
			ids[id] = w.ID
		}
	}
	return ids, nil
}

func (s *fakeStore) WebhooksByUser(_ context.Context, ids []songspy.UserID) (found []songspy.Webhook, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if w, ok := s.hooks[id]; ok {
			found = append(found, w)
		}
	}
	return found, nil
}

func (s *fakeStore) UpdateWebhook(_ context.Context, w songspy.Webhook, read int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	if s.updateErr != nil {
		return s.updateErr
	}
	if stored := s.hooks[w.UserID]; stored.ID != w.ID || stored.Sequence != read || stored.OffAt != nil {
		return &songspy.Error{Code: songspy.CodeConflict}
	}
	s.hooks[w.UserID] = w
	return nil
}

func (s *fakeStore) AcquireLease(_ context.Context, _, owner string, length time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.owner == owner || !now.Before(s.until) {
		s.owner, s.until = owner, now.Add(length)
		return true, nil
	}
	return false, nil
}

func (s *fakeStore) ReleaseLease(_ context.Context, _, owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner == owner {
		s.owner, s.until = "", time.Time{}
	}
	return nil
}

// fakeBoard holds what the one user of these tests plays, with the user's sharing settings.
type fakeBoard struct {
	mu      sync.Mutex
	playing *songspy.BoardEntry
	rule    visibility.Rule
	err     error
}

func newBoard() *fakeBoard {
	return &fakeBoard{rule: visibility.Rule{Owner: user, Periods: []songspy.Sharing{{UserID: user, BeganAt: time.Now().Add(-time.Hour), Now: songspy.AudienceLink}}}}
}

func (b *fakeBoard) NowPlaying(v visibility.Viewer, id songspy.UserID) (seen visibility.Seen[songspy.BoardEntry], ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.playing == nil || id != user || b.err != nil {
		return seen, false, b.err
	}
	entry := *b.playing
	seen, ok = visibility.Reveal(&entry, user, b.rule, visibility.NowThing(&entry.Track, entry.Playing.StartedAt), v, time.Now())
	return seen, ok, nil
}

// play lets the user play a track from now on, or nothing if the title is empty.
func (b *fakeBoard) play(title string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.playing = nil
	if title != "" {
		b.playing = &songspy.BoardEntry{
			User:    songspy.User{ID: user},
			Track:   songspy.Track{Title: title, Kind: songspy.KindTrack, PublicID: songspy.PublicID(len(title)*1000) + songspy.PublicID(title[0])},
			Playing: songspy.NowPlaying{StartedAt: time.Now()},
		}
	}
}

// playEpisode lets the user play an episode from now on.
func (b *fakeBoard) playEpisode(title string) {
	b.play(title)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.playing.Track.Kind = songspy.KindEpisode
}

// share begins a sharing period. Its settings are the present ones, as the function change edits them.
func (b *fakeBoard) share(change func(*songspy.Sharing)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.rule.Present()
	change(&p)
	p.BeganAt = time.Now()
	b.rule.Periods = append(b.rule.Periods[:len(b.rule.Periods):len(b.rule.Periods)], p)
}

// message is a message that a receiver got.
type message struct {
	URL, ID, Type, Data string
	At                  time.Time
	Body                []byte
	Header              http.Header
}

// receiver is a transport that receives the messages of all webhooks and answers them.
type receiver struct {
	mu       sync.Mutex
	messages []message
	status   int // the HTTP status of its answers
	err      error
	delay    time.Duration
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	var m struct {
		Type string
		Data json.RawMessage
	}
	_ = json.Unmarshal(body, &m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message{
		URL: req.URL.String(), ID: req.Header.Get("Webhook-Id"), Type: m.Type, Data: string(m.Data), At: time.Now(), Body: body, Header: req.Header,
	})
	if r.delay > 0 {
		<-time.After(r.delay)
	}
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{StatusCode: r.status, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{"Location": {"https://other.example/"}}}, nil
}

// answer sets the HTTP status of the receiver's answers from now on.
func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// take returns the messages that the receiver got since the last call of take.
func (r *receiver) take() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.messages
	r.messages = nil
	return taken
}

// render returns the field "data" of a message. It has only the title, which is empty if nothing
// plays.
func render(seen *visibility.Seen[songspy.BoardEntry]) (json.RawMessage, error) {
	title := ""
	if seen != nil {
		title = seen.Value().Track.Title
	}
	return json.Marshal(map[string]string{"title": title})
}

// newService returns a replica of the service that sends webhooks.
func newService(s *fakeStore, b webhook.Board, via http.RoundTripper) *webhook.Service {
	return webhook.New(webhook.Options{
		Store: s, Board: b, Render: render, Transport: via, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
}

// world is a replica with a fake store, a fake board and a receiver. Use it within a synctest
// bubble.
type world struct {
	*webhook.Service
	store    *fakeStore
	board    *fakeBoard
	receiver *receiver
	key      []byte
}

// newWorld returns a world whose replica runs and whose user has set a webhook.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: &fakeStore{hooks: map[songspy.UserID]songspy.Webhook{}}, board: newBoard(), receiver: &receiver{status: 200}}
	w.Service = w.run(t)
	w.set(t, "https://one.example/hook")
	return w
}

func (w *world) set(t *testing.T, address string) {
	t.Helper()
	_, secret, err := w.Set(t.Context(), visibility.NewSelf(user), songspy.Secret(address))
	if err != nil {
		t.Fatal(err)
	}
	w.key = []byte(w.stored().Key.Reveal())
	if _, err := standardwebhooks.NewWebhook(secret.Reveal()); err != nil {
		t.Fatalf("the secret cannot be used: %v", err)
	}
}

// run starts another replica on the same store and returns it. The replica ends with the test.
func (w *world) run(t *testing.T) *webhook.Service {
	t.Helper()
	s := newService(w.store, w.board, w.receiver)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return s
}

// stored returns the stored webhook.
func (w *world) stored() songspy.Webhook {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return maps.Clone(w.store.hooks)[user]
}
