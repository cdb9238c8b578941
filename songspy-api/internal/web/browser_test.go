package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-sim/art"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/chromiumtest"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/web"
)

// browser is the Chromium that all tests share. It is nil if Chromium is not installed. Each
// test has its own tabs.
var browser context.Context

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	first, end := chromiumtest.Start()
	browser = first
	code := m.Run()
	end()
	os.Exit(code)
}

// fakeOpenID is only there so that auth.Service has an OpenID provider: then the button to sign
// in leads to Google. Its methods must not be called.
type fakeOpenID struct{ auth.OpenID }

// pageTest serves the page with the API's handler, over a board that the test fills.
type pageTest struct {
	t       *testing.T
	feed    *fakeFeed
	url     string
	board   *board.Board
	handler http.Handler // the API's handler
	account account
	// override, if it is not nil, answers the routes of the board in place of handler.
	override atomic.Pointer[http.HandlerFunc]
	// covers is the JPEG that the server serves as each cover. If it is nil, the server draws
	// covers as SVG.
	covers atomic.Pointer[[]byte]
}

const route = "/v1/songspy/listening"

// parseContract parses the contract once.
var parseContract = sync.OnceValues(func() (*httpapi.Contract, error) {
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		return nil, err
	}
	return httpapi.ParseContract(spec)
})

func newPageTest(t *testing.T, entries ...songspy.BoardEntry) *pageTest {
	t.Helper()
	t.Parallel()
	return startPage(t, entries)
}

func startPage(t *testing.T, entries []songspy.BoardEntry) *pageTest {
	t.Helper()
	chromiumtest.Require(t, browser, "the page in a browser")
	s := &pageTest{t: t, feed: &fakeFeed{entries: entries}}
	log := slog.New(slog.DiscardHandler)
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	for i := range s.feed.entries {
		s.feed.entries[i].Track.ImageURL = strings.Replace(s.feed.entries[i].Track.ImageURL, "HERE", s.url, 1)
	}
	contract, err := parseContract()
	if err != nil {
		t.Fatal(err)
	}
	authService, err := auth.New(auth.Options{
		Keys: []auth.Key{{ID: "test", Seed: bytes.Repeat([]byte("b"), 32)}}, SignUp: auth.SignUp{Policy: auth.PolicyOpen},
		OpenID: fakeOpenID{}, Sessions: fakeSessions{feed: s.feed}, SessionLife: time.Hour, SessionMaxLife: time.Hour, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	live := board.New(board.Options{Feed: s.feed, Render: httpapi.NewTrackIDs(nil).BoardRenderer(""), RenderList: httpapi.RenderList, RenderLive: httpapi.RenderLive, Now: time.Now, Log: log})
	go live.Run(t.Context())
	site, err := web.New(s.url)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Options{
		Contract: contract, Auth: authService, Users: fakeUsers{feed: s.feed}, Links: fakeLinks{feed: s.feed}, Linking: linking.New(linking.Options{}), Board: live, People: people.New(fakeStore{feed: s.feed}, live, nil, time.Now), Site: site,
		PublicURL: s.url, Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.board, s.handler = live, handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch answer := s.override.Load(); {
		case s.account.answer(w, r):
		case r.URL.Path == "/cover" && s.covers.Load() != nil:
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(*s.covers.Load())
		case r.URL.Path == "/cover":
			w.Header().Set("Content-Type", "image/svg+xml")
			_, _ = io.WriteString(w, art.Cover(r.URL.RawQuery))
		case strings.HasPrefix(r.URL.Path, route) && answer != nil:
			(*answer)(w, r)
		default:
			// All tests share the cookies of the browser, so a test cannot set a session cookie
			// there. Instead, the server adds the session cookie of the viewer to each request.
			if s.feed.viewer != 0 {
				r.AddCookie(&http.Cookie{Name: "songspy", Value: "secret"})
			}
			handler.ServeHTTP(w, r)
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// setAnswer makes the handler h answer the routes of the board. If h is nil, the API's handler
// answers them again.
func (s *pageTest) setAnswer(h http.HandlerFunc) {
	if h == nil {
		s.override.Store(nil)
		return
	}
	s.override.Store(&h)
}

// openTab opens the front page in a new tab of the given size in pixels, and waits until the
// page has started. The argument before is a script that runs before the scripts of the page.
func (s *pageTest) openTab(width, height int64, before string) context.Context {
	s.t.Helper()
	return s.openPage("/", width, height, before)
}

// openPage does the same as openTab for the page at the path.
func (s *pageTest) openPage(path string, width, height int64, before string) context.Context {
	s.t.Helper()
	tab, leave := chromedp.NewContext(browser)
	s.t.Cleanup(leave)
	tab, cancel := context.WithTimeout(tab, 2*time.Minute)
	s.t.Cleanup(cancel)
	err := chromedp.Do(tab, chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: before})
		return err
	}), chromedp.Navigate(s.url+path))
	if err != nil {
		s.t.Fatal(err)
	}
	s.waitFor(tab, `document.getElementById("main").dataset.started !== undefined`)
	return tab
}

// waitMax is how long a test waits for the page before it fails. It is far longer than needed,
// because test machines may be slow.
const waitMax = 40 * time.Second

// waitFor waits until the JavaScript expression is true in the page. Every 50 ms it dispatches
// the event visibilitychange, at which a page without a stream reads its data again at once.
func (s *pageTest) waitFor(tab context.Context, expression string) {
	s.t.Helper()
	tab, cancel := context.WithTimeout(tab, waitMax+10*time.Second)
	defer cancel()
	missing, err := chromedp.Run(tab, chromedp.Evaluate[string](`(async () => {
		for (const start = performance.now(); performance.now() - start < `+strconv.FormatInt(waitMax.Milliseconds(), 10)+`;) {
			if (`+expression+`) return "";
			document.dispatchEvent(new Event("visibilitychange"));
			await new Promise((done) => setTimeout(done, 50));
		}
		return document.querySelector("main").innerText.slice(0, 1500) + "\n" + document.querySelector("main").outerHTML.slice(0, 3000);
	})()`, chromedp.EvalAwaitPromise))
	if err != nil || missing != "" {
		s.t.Fatalf("waited too long for %s: error %v; the page has %s", expression, err, missing)
	}
}

// evaluate runs a JavaScript expression in the page and returns its value. If the value is a
// promise, it returns the value of the promise.
func evaluate[T any](s *pageTest, tab context.Context, expression string) T {
	s.t.Helper()
	tab, cancel := context.WithTimeout(tab, waitMax)
	defer cancel()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		s.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// fakeStore has the users of the feed. Each of them has played the tracks that feed.before
// returns or, if that is nil, one track.
type fakeStore struct {
	people.Store
	feed *fakeFeed
}

func (s fakeStore) PersonByPublicID(_ context.Context, id songspy.PublicID) (songspy.Person, error) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	for _, p := range s.feed.entries {
		if p.User.PublicID == id {
			return songspy.Person{User: p.User, Rule: p.Rule}, nil
		}
	}
	return songspy.Person{}, &songspy.Error{Code: songspy.CodeNotFound}
}

func (s fakeStore) PlaysForOthers(_ context.Context, id songspy.UserID, after songspy.Play, _ int) ([]songspy.PlayWithTrack, error) {
	p := newEntry(int(id), "before", 7200)
	p.Track.ImageURL = ""
	if !after.StartedAt.IsZero() {
		return nil, nil
	}
	if s.feed.before != nil {
		return s.feed.before(id), nil
	}
	return []songspy.PlayWithTrack{{
		Play: songspy.Play{UserID: id, StartedAt: p.Playing.StartedAt, EndedAt: p.Playing.StartedAt.Add(time.Minute)}, Track: p.Track,
	}}, nil
}

func (s fakeStore) Relations(context.Context, songspy.UserID) (follows []songspy.Follow, _ []songspy.Block, _ error) {
	for _, id := range s.feed.followed {
		follows = append(follows, songspy.Follow{UserID: id, FollowerID: s.feed.viewer, State: songspy.FollowApproved, AskedAt: testStart, ApprovedAt: &testStart})
	}
	return follows, nil, nil
}

// fakeSessions has one session, which is that of feed.viewer.
type fakeSessions struct {
	sessions
	feed *fakeFeed
}

type sessions = auth.Sessions // the embedded field needs another name than the method Sessions of the interface

func (s fakeSessions) Session(context.Context, int64) (songspy.Session, error) {
	now := time.Now()
	return songspy.Session{ID: 1, UserID: s.feed.viewer, Family: 1, Kind: songspy.SessionCookie, CreatedAt: now, SignedInAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}, nil
}

func (s fakeSessions) SessionBySecret(ctx context.Context, _ []byte) (songspy.Session, error) {
	return s.Session(ctx, 1)
}

// fakeUsers has the users of the feed.
type fakeUsers struct {
	httpapi.Users
	feed *fakeFeed
}

func (s fakeUsers) User(ctx context.Context, self visibility.Self) (songspy.User, error) {
	found, err := s.feed.BoardEntries(ctx, []songspy.UserID{self.ID()})
	if len(found) == 0 {
		return songspy.User{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	u := found[0].User
	u.Audience = songspy.AudienceEveryone
	return u, err
}

// fakeLinks has an active Spotify link for each user, except for those of feed.unlinked.
type fakeLinks struct {
	httpapi.Links
	feed *fakeFeed
}

func (s fakeLinks) Link(_ context.Context, id songspy.UserID) (songspy.Link, error) {
	if slices.Contains(s.feed.unlinked, id) {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	account := "account"
	return songspy.Link{UserID: id, State: songspy.LinkActive, AccountID: &account, AuthorizedAt: testStart, StateSince: testStart}, nil
}

func (fakeLinks) Breakers(context.Context, string) (breaker.Stored, error) {
	return breaker.Stored{}, nil
}

// fakeFeed is a board.Feed in memory: a change feed, and the entries of the listening users.
type fakeFeed struct {
	changefeedtest.Feed
	viewer   songspy.UserID   // the user who is signed in; 0 if nobody is
	followed []songspy.UserID // the users that the viewer follows
	unlinked []songspy.UserID // the users that have not linked Spotify
	mu       sync.Mutex
	entries  []songspy.BoardEntry
	before   func(songspy.UserID) []songspy.PlayWithTrack // returns what a user has played; if it is nil, each user has played one track
}

// testStart is when the process of these tests began.
var testStart = time.Now()

// newEntry returns the board entry of a user who plays a track of one hour. The track began the
// given number of seconds (ago) before testStart. The user with the id 1 is named "Listener A",
// the one with the id 2 "Listener B". HERE in the address of the cover is a placeholder for the
// address of the test's server.
func newEntry(id int, title string, ago int) songspy.BoardEntry {
	name, start := "Listener "+string(rune('A'+id-1)), testStart.Add(-time.Duration(ago)*time.Second)
	end := start.Add(time.Hour)
	return songspy.BoardEntry{
		User: songspy.User{ID: songspy.UserID(id), PublicID: songspy.PublicID(id), NickName: &name},
		Rule: songspy.SharingRule{Owner: songspy.UserID(id), Periods: []songspy.Sharing{{Now: songspy.AudienceEveryone, History: songspy.AudienceEveryone}}},
		Playing: songspy.NowPlaying{
			UserID: songspy.UserID(id), State: songspy.PlayerPlaying, TrackURI: "spotify:track:" + title, StartedAt: start, ObservedAt: time.Now(), EndsAt: &end,
		},
		Track: songspy.Track{
			ID: songspy.TrackID(len(title)*100 + id), PublicID: songspy.PublicID(len(title)*100 + id), Kind: songspy.KindTrack, Title: title, Artists: "Somebody, Somebody Else",
			ArtistRefs: []songspy.Artist{
				{URI: "spotify:artist:1", Name: "Somebody", URL: "https://open.spotify.com/artist/1"},
				{URI: "spotify:artist:2", Name: "Somebody Else", URL: "https://open.spotify.com/artist/2"},
			},
			AlbumRef: songspy.Album{URI: "spotify:album:1", Name: "An Album", URL: "https://open.spotify.com/album/1"},
			URL:      "https://open.spotify.com/track/1", ImageURL: "HERE/cover", DurationMS: 3_600_000,
		},
	}
}

// put adds an entry to the board. It replaces the previous entry of the same user.
func (s *pageTest) put(p songspy.BoardEntry) {
	p.Track.ImageURL = strings.Replace(p.Track.ImageURL, "HERE", s.url, 1)
	s.feed.change(p.User.ID, func(entries []songspy.BoardEntry) []songspy.BoardEntry { return append(entries, p) })
}

// remove removes a user from the board.
func (s *pageTest) remove(id songspy.UserID) {
	s.feed.change(id, func(entries []songspy.BoardEntry) []songspy.BoardEntry { return entries })
}

func (f *fakeFeed) change(id songspy.UserID, then func([]songspy.BoardEntry) []songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = then(slices.DeleteFunc(f.entries, func(p songspy.BoardEntry) bool { return p.User.ID == id }))
	f.Add(id, songspy.ChangePlaying)
}

// BoardEntries implements board.Feed.
func (f *fakeFeed) BoardEntries(_ context.Context, ids []songspy.UserID) (found []songspy.BoardEntry, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.entries {
		if slices.Contains(ids, p.User.ID) {
			found = append(found, p)
		}
	}
	return found, nil
}

// BoardSnapshot implements board.Feed.
func (f *fakeFeed) BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	_, last, err := f.FeedBounds(ctx)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.entries {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return last, nil
}
