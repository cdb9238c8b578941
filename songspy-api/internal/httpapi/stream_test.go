package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/contracttest"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

// withPeople lets the server answer requests about other users. The store has no users, and the
// board shows one, with the id 7.
func withPeople(o *Options, h *fakeBackend) {
	o.People = people.New(noPeople{}, o.Board, nil, time.Now)
	start, end := time.Now(), time.Now().Add(3*time.Minute)
	h.entries = []songspy.BoardEntry{{
		User:    songspy.User{ID: 7, PublicID: 7},
		Playing: songspy.NowPlaying{UserID: 7, State: songspy.PlayerPlaying, TrackID: 7, TrackURI: "spotify:track:7", StartedAt: start, SeenAt: start, EndsAt: &end},
		Track:   songspy.Track{ID: 7, PublicID: 7, Title: "Song", Kind: songspy.KindTrack, URI: "spotify:track:7"},
		Rule:    songspy.SharingRule{Owner: 7, Periods: []songspy.Sharing{{UserID: 7, BeganAt: start.Add(-time.Hour), Now: songspy.AudienceEveryone}}},
	}}
}

// noPeople is a store without users and relations.
type noPeople struct{ people.Store }

func (noPeople) Relations(context.Context, songspy.UserID) ([]songspy.Follow, []songspy.Block, error) {
	return nil, nil, nil
}

func (noPeople) PersonByPublicID(context.Context, songspy.PublicID) (songspy.Person, error) {
	return songspy.Person{}, errNotFound
}

func (noPeople) PersonByShareLink(context.Context, []byte) (songspy.Person, error) {
	return songspy.Person{}, errNotFound
}

// stream opens a stream. It returns the answer, whose body the test reads.
func (e *testServer) stream(t *testing.T, query string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.base+streamPath+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestStreamListening_BeginsWithRetryAndASnapshot(t *testing.T) {
	e := newTestServer(t, withPeople)
	resp := e.stream(t, "?topics=window,person:"+songspy.Handle(9)+"&link=unknown")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "private, no-store, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "", "Content-Length": "",
	} {
		if got := resp.Header.Get(name); resp.StatusCode != 200 || got != want {
			t.Errorf("%d with %s %q, want 200 with %q", resp.StatusCode, name, got, want)
		}
	}
	in := bufio.NewReader(resp.Body)
	for _, want := range []string{
		"retry: ", "\n", "event: snapshot\n", `data: {"topic":"window","serverTime":"`, "\n", "event: snapshot\n", `data: {"topic":"person:` + songspy.Handle(9) + `","serverTime":"`, "\n",
	} {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("line %q, error %v, want one that begins with %q", line, err, want)
		}
		if strings.Contains(line, "window") && !strings.Contains(line, `"person":{"handle":"`+songspy.Handle(7)+`"`) {
			t.Errorf("the window does not have the listener: %s", line)
		}
	}
}

func TestStreamListening_RejectsInvalidRequests(t *testing.T) {
	e := newTestServer(t, withPeople)
	for query, want := range map[string]int{
		"?topics=news": 400, "?topics=window,window": 400, "?topics=": 400, "?topics=person:": 400, "?topics=person:a,person:b,person:c,person:d,person:e,person:f,person:g,person:h,person:i": 400,
		"?topics=following": 401,
	} {
		if a := e.Call("GET", streamPath+query, nil); a.Status != want {
			t.Errorf("%s: %d %s, want %d", query, a.Status, a.Body, want)
		}
	}
}

func TestStreamListening_IsLimited(t *testing.T) {
	e := newTestServer(t, withPeople)
	_, header := e.signIn(t)
	for i, want := range []int{200, 200, 429} {
		resp := e.stream(t, "", header...)
		if resp.StatusCode != want || (want == 429) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("stream %d: %d with Retry-After %q, want %d", i, resp.StatusCode, resp.Header.Get("Retry-After"), want)
		}
	}
}

func TestStreamListening_IsUnavailableWhileTheBoardIs(t *testing.T) {
	e := newTestServer(t, withPeople, func(o *Options, h *fakeBackend) {
		o.Board = board.New(board.Options{Feed: h, RenderLive: RenderLive, Now: time.Now, Log: o.Log}) // this board does not run, so it has loaded nothing
		o.People = people.New(noPeople{}, o.Board, nil, time.Now)
	})
	if a := e.Call("GET", streamPath, nil); a.Status != 503 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestStreamListening_AnswersHeadWithoutAStream(t *testing.T) {
	e := newTestServer(t, withPeople)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, e.base+streamPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
}

func TestStreamListening_OutlivesTheRequestTimeout(t *testing.T) {
	e := newTestServer(t, withPeople, func(o *Options, _ *fakeBackend) { o.RequestTimeout = 50 * time.Millisecond })
	in := bufio.NewReader(e.stream(t, "").Body)
	// The board makes frames every 250 ms, so the frames after the first come later than the
	// RequestTimeout of 50 ms.
	for i, event := range []string{"snapshot", "playing", "playing", "playing"} {
		if i > 0 {
			e.changeEntry(0, func(p *songspy.BoardEntry) { p.Track.PublicID++ })
			e.Add(7, songspy.ChangePlaying)
		}
		for line := ""; line != "event: "+event+"\n"; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatalf("the stream ended before event %d: %v", i, err)
			}
		}
	}
}

func TestStreamListening_EndsWithTheSession(t *testing.T) {
	e := newTestServer(t, withPeople)
	_, header := e.signIn(t)
	resp := e.stream(t, "?topics=following", header...)
	if resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	in := bufio.NewReader(resp.Body)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if a := e.Call("POST", contracttest.Prefix+"/logout", nil, header...); a.Status >= 300 {
		t.Fatalf("logout: %d %s", a.Status, a.Body)
	}
	e.Add(1, songspy.ChangeSession)
	text, err := io.ReadAll(in)
	if err != nil || !strings.HasSuffix(string(text), "event: end\ndata: {\"reason\":\"session\"}\n\n") {
		t.Errorf("the stream ended with %q, %v", text, err)
	}
}

// openOn opens a stream of the topic window, and lets continueStream write it to a connection in
// memory. It returns the board, and the client's end of the connection.
func openOn(t *testing.T) (*board.Board, net.Conn) {
	t.Helper()
	live := board.New(board.Options{Feed: &fakeBackend{}, RenderLive: RenderLive, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); live.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	synctest.Wait()
	stream, err := live.OpenStream(ctx, board.StreamOptions{
		Topics: []board.Topic{{Name: "window", Kind: board.TopicWindow}},
		ReadViewer: func(context.Context) (visibility.Viewer, time.Time, error) {
			return visibility.Anonymous(), time.Time{}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server, client := net.Pipe()
	continueStream(server, stream)
	return live, client
}

func TestStreamListening_GivesEachClientARandomTimeToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, most = 30, 5 // up to 5 clients may get the time of another one by chance
		times := map[int]int{}
		for range clients {
			_, client := openOn(t)
			var retry int
			if _, err := fmt.Fscanf(client, "retry: %d\n", &retry); err != nil || retry < 1000 || retry > 15_000 {
				t.Errorf("the client waits %d ms, error %v", retry, err)
			}
			times[retry]++
			_ = client.Close()
		}
		if len(times) < clients-most {
			t.Errorf("%d clients have the times %v", clients, times)
		}
	})
}

func TestStreamListening_DropsAReaderThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live, client := openOn(t)
		<-time.After(frameTimeout)
		if s := live.Stats(); s.Streams != 1 || s.Dropped != 0 {
			t.Errorf("before the time is over: %d streams, %d dropped", s.Streams, s.Dropped)
		}
		<-time.After(frameTimeout + time.Second)
		if s := live.Stats(); s.Streams != 0 || s.Dropped != 1 {
			t.Errorf("%d streams, %d dropped, want 0 and 1", s.Streams, s.Dropped)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestStreamListening_KeepsAReaderThatReadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live, client := openOn(t)
		for i := range 10 { // reads the first line, which the server sends in one write, one byte at a time
			<-time.After(frameTimeout - time.Second)
			if _, err := client.Read(make([]byte, 1)); err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		if s := live.Stats(); s.Streams != 1 || s.Dropped != 0 {
			t.Errorf("%d streams, %d dropped, want 1 and 0", s.Streams, s.Dropped)
		}
		_ = client.Close()
	})
}

func TestStreamListening_EndsWhenTheClientHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live, client := openOn(t)
		in := bufio.NewReader(client)
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry: ") {
			t.Fatalf("line %q, error %v", line, err)
		}
		if _, err := client.Write([]byte("GET / HTTP/1.1\r\n")); err != nil { // the server must ignore what the client sends
			t.Fatal(err)
		}
		synctest.Wait()
		if s := live.Stats(); s.Streams != 1 {
			t.Errorf("%d streams, want 1", s.Streams)
		}
		_ = client.Close()
		synctest.Wait()
		if s := live.Stats(); s.Streams != 0 || s.Dropped != 0 {
			t.Errorf("%d streams, %d dropped, want none", s.Streams, s.Dropped)
		}
	})
}
