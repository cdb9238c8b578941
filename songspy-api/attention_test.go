package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// watches returns all stored watches (each the users that one viewer watches), as the batch
// reads them.
func (w *testAPI) watches(t *testing.T) []songspy.Watch {
	t.Helper()
	watches, _, err := w.db.WatchesSince(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return watches
}

func TestPollMe_AsksTheBatchForAPollOfTheCaller(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		w.play(t, ann, "A song")
		ask := func() songspy.Watch {
			t.Helper()
			a := w.Call("POST", prefix+"/me/poll", nil, ann.bearer()...)
			if w.wantStatus(t, a, 200, ""); string(a.Data) != "true" {
				t.Errorf("the answer is %s, want true", a.Data)
			}
			i := slices.IndexFunc(w.watches(t), func(watch songspy.Watch) bool { return watch.Own })
			if i < 0 {
				t.Fatal("the batch reads no request")
			}
			return w.watches(t)[i]
		}
		first := ask()
		if !slices.Equal(first.Users, []songspy.UserID{ann.UserID}) || !first.SignedIn || !first.Until.After(first.OpenedAt) {
			t.Errorf("the batch reads %+v", first)
		}
		if again := ask(); !again.OpenedAt.After(first.OpenedAt) {
			t.Errorf("the second request is of %v, and the first one of %v", again.OpenedAt, first.OpenedAt)
		}
		w.wantStatus(t, w.Call("POST", prefix+"/me/poll", nil, bob.bearer()...), 404, "SPOTIFY_NOT_LINKED")
		w.wantStatus(t, w.Call("POST", prefix+"/me/poll", nil), 401, "UNAUTHORIZED")
	})
}

func TestPollMe_AnswersTheSameIfNoPollsAreMadeForViewers(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_ATTENTION", "0")
	ann := w.signIn(t, 0)
	w.play(t, ann, "A song")
	if a := w.Call("POST", prefix+"/me/poll", nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "true" {
		t.Errorf("the answer is %d %s, want true", a.Status, a.Body)
	}
	if stored := w.watches(t); len(stored) != 0 {
		t.Errorf("the batch reads %+v", stored)
	}
}

// A viewer who reads a page without opening a stream must watch the users on it who are
// listening, and nobody else. Ann shares with everyone and Bob with nobody, so each stranger
// must watch Ann alone.
func TestAttention_WhoeverReadsAPageWatchesTheUsersOnIt(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann, bob := w.signIn(t, 0), w.signIn(t, 1)
		w.play(t, bob, "A song")
		w.share(t, bob, map[string]any{"now": "nobody", "history": "nobody"})
		w.play(t, ann, "A song")
		w.eventually(t, "Ann alone in the list", func() bool {
			list := string(w.Call("GET", prefix+"/listening", nil, ann.bearer()...).Data)
			return strings.Contains(list, ann.handle()) && !strings.Contains(list, bob.handle())
		})
		var profile struct {
			NowPlaying struct{ Track struct{ Handle string } }
		}
		w.Call("GET", prefix+"/people/"+ann.handle(), nil, ann.bearer()...).DecodeData(t, &profile)
		paths := []string{"/", prefix + "/listening", prefix + "/people/" + ann.handle(), prefix + "/tracks/" + profile.NowPlaying.Track.Handle}
		for i, path := range paths {
			stranger := []string{"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i)}
			w.wantStatus(t, w.Call("GET", prefix+"/people/"+bob.handle(), nil, stranger...), 404, "NOT_FOUND")
			w.wantStatus(t, w.Call("GET", path, nil, stranger...), 200, "")
			w.eventually(t, "the batch to know who reads "+path, func() bool {
				strangers := slices.DeleteFunc(w.watches(t), func(watch songspy.Watch) bool { return watch.SignedIn })
				for _, watch := range strangers {
					if !slices.Equal(watch.Users, []songspy.UserID{ann.UserID}) {
						t.Fatalf("a stranger watches %v, want Ann alone", watch.Users)
					}
				}
				return len(strangers) == i+1
			})
		}
	}, "SONGSPY_TRUSTED_PROXIES", "127.0.0.1")
}

// A follower must also watch followed users who play nothing, because their next song is what
// the follower waits for. Bob follows three users: ann, who shares with her followers; hidden,
// who shares with nobody and so must not be watched; and later stranger, who shares with
// everyone.
func TestAttention_FollowersWatchPeopleWhoPlayNothing(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		ann, bob, hidden := w.signIn(t, 0), w.signIn(t, 1), w.signIn(t, 2)
		w.share(t, ann, map[string]any{"now": "followers"})
		w.share(t, hidden, map[string]any{"now": "nobody"})
		w.follow(t, bob, ann)
		w.follow(t, bob, hidden)
		stranger := w.signIn(t, 3)
		w.share(t, stranger, map[string]any{"now": "everyone"})
		wantWatched := func(want ...songspy.UserID) {
			t.Helper()
			w.eventually(t, fmt.Sprintf("the batch to know that Bob watches %v", want), func() bool {
				w.wantStatus(t, w.Call("GET", prefix+"/listening?audience=following", nil, bob.bearer()...), 200, "")
				watches := w.watches(t)
				return len(watches) == 1 && watches[0].SignedIn && slices.Equal(watches[0].Users, want)
			})
		}
		wantWatched(ann.UserID)
		w.follow(t, bob, stranger)
		wantWatched(ann.UserID, stranger.UserID)
	})
}

// snapshotRecorder records an answer, and sends the time of the first snapshot to the channel
// at.
type snapshotRecorder struct {
	recorder
	at chan time.Time
}

func (r *snapshotRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, _, err := r.recorder.Hijack()
	return snapshotConn{conn, r.at}, nil, err
}

type snapshotConn struct {
	net.Conn
	at chan time.Time
}

func (c snapshotConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("event: snapshot")) {
		select {
		case c.at <- time.Now():
		default:
		}
	}
	return c.Conn.Write(p)
}

// The batch must know a viewer at most 500 ms after the viewer's page shows the first user. The
// test adds 250 ms to each measured time, because the batch reads the watches only every 250
// ms. Time is virtual.
func TestAttention_FirstSightReachesTheBatchWithinHalfASecond(t *testing.T) {
	s, path := noninterferenceSettings(t)
	synctest.Test(t, func(t *testing.T) {
		s.Service.DatabaseURL = songspy.Secret("sqlite:" + path)
		api, err := newService(t.Context(), s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { api.board.Run(ctx) })
		running.Go(func() { api.attention.Run(ctx) })
		running.Go(func() { api.attention.ReportStreams(ctx, api.board) })
		defer func() { stop(); running.Wait(); api.close() }()
		w := &testAPI{service: api}
		ann, _, err := api.db.SignIn(ctx, songspy.GoogleProfile{Subject: "ann"}, songspy.AudienceEveryone)
		if err != nil {
			t.Fatal(err)
		}
		(&worldPair{t: t}).link(api.db, ann.ID)
		w.writePlayback(t, ann.ID, "A song")
		<-time.After(time.Second)

		const batchReads, step = 250 * time.Millisecond, 10 * time.Millisecond
		for i, path := range []string{"/listening", "/listening/stream", "/listening/stream", "/listening/stream", "/listening/stream", "/listening/stream"} {
			<-time.After(time.Duration(i) * 53 * time.Millisecond) // each request comes at another time between two ticks of the board
			known := len(w.watches(t))
			request, leave := context.WithCancel(ctx)
			r := httptest.NewRequestWithContext(request, "GET", prefix+path, nil)
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
			answer := &snapshotRecorder{recorder{ResponseRecorder: httptest.NewRecorder(), ctx: request}, make(chan time.Time, 1)}
			var served sync.WaitGroup
			served.Go(func() { api.handler.ServeHTTP(answer, r); answer.wait() })
			shown := time.Now()
			if path == "/listening/stream" {
				shown = <-answer.at
			}
			for len(w.watches(t)) == known && time.Since(shown) < time.Second {
				<-time.After(step)
			}
			if took := time.Since(shown) + batchReads; took > 500*time.Millisecond {
				t.Errorf("%s: the batch knows the viewer after %v, want at most 500ms", path, took)
			}
			leave()
			served.Wait()
		}
	})
}
