package board

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// renderLive returns an entry as JSON, which reader.apply parses into a shownUser.
func renderLive(seen visibility.Seen[songspy.BoardEntry]) []byte {
	p := seen.Value()
	return fmt.Appendf(nil, `{"user":%d,"track":%d,"state":%q,"started":%d,"name":%q}`,
		p.User.ID, p.Track.PublicID, p.Playing.State, p.Playing.StartedAt.UnixMilli(), p.User.PublicName())
}

// startStreams runs a board with streams over the feed until the test ends.
func startStreams(t *testing.T, feed *fakeFeed, change ...func(*Options)) *Board {
	t.Helper()
	o := Options{Feed: feed, Render: render, RenderLive: renderLive, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	b := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return b
}

// account is a viewer whose relations a test changes.
type account struct {
	id      songspy.UserID // 0 if the viewer is not signed in
	follows []songspy.UserID
	blocks  []songspy.UserID
	link    songspy.UserID
	ended   bool // the session has ended
}

func (a *account) viewer() (v visibility.Viewer) {
	if a.id != 0 {
		self := visibility.NewSelf(a.id)
		var follows []songspy.Follow
		for _, id := range a.follows {
			follows = append(follows, songspy.Follow{UserID: id, FollowerID: a.id, State: songspy.FollowApproved})
		}
		var blocks []songspy.Block
		for _, id := range a.blocks {
			blocks = append(blocks, songspy.Block{UserID: a.id, BlockedID: id})
		}
		v = visibility.SignedIn(self, visibility.NewRelations(self, follows, blocks))
	}
	if a.link != 0 {
		v = visibility.LinkHolder(v, a.link)
	}
	return v
}

func (a *account) key() ViewerID {
	if a.id != 0 {
		return ViewerID{Account: a.id}
	}
	return ViewerID{Address: netip.MustParsePrefix("192.0.2.1/32")}
}

// reader reads a stream as a client does.
type reader struct {
	*Stream
	text   string              // all frames
	topics map[string]*picture // by topic
	err    error
}

// picture holds the users that a client shows in one topic.
type picture struct {
	users map[songspy.UserID]shownUser
}

type shownUser struct {
	User    songspy.UserID
	Track   songspy.PublicID
	State   songspy.PlayerState
	Started int64
	Name    string
	Slot    *int
}

// failer is a testing.T or a rapid.T.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func openStream(t failer, b *Board, a *account, topics ...string) (*reader, error) {
	t.Helper()
	o := StreamOptions{Viewer: a.key(), ReadViewer: func(context.Context) (visibility.Viewer, time.Time, error) {
		if a.ended {
			return visibility.Viewer{}, time.Time{}, &songspy.Error{Code: songspy.CodeUnauthorized}
		}
		return a.viewer(), time.Time{}, nil
	}}
	for _, id := range []songspy.UserID{a.id, a.link} {
		if id != 0 {
			o.RereadOn = append(o.RereadOn, id)
		}
	}
	for _, name := range topics {
		topic, ok := ParseTopic(name)
		if !ok {
			t.Fatalf("%s is no topic", name)
		}
		if topic.Kind == TopicPerson {
			topic.User = songspy.UserID(topic.Handle) // in these tests a user's id is the same as the public id
		}
		o.Topics = append(o.Topics, topic)
	}
	s, err := b.OpenStream(context.Background(), o)
	if err != nil {
		return nil, err
	}
	return &reader{Stream: s, topics: map[string]*picture{}}, nil
}

func mustOpen(t testing.TB, b *Board, a *account, topics ...string) *reader {
	t.Helper()
	r, err := openStream(t, b, a, topics...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// read takes all queued frames, applies their events to the topics, and returns their text.
func (r *reader) read(t failer) string {
	t.Helper()
	var text strings.Builder
	for {
		frames, behind, ended := r.take()
		for _, f := range frames {
			text.Write(f)
			for event := range bytes.SplitSeq(bytes.TrimSuffix(f, []byte("\n\n")), []byte("\n\n")) {
				r.apply(t, event)
			}
		}
		if behind {
			r.board.join(r.Stream)
		}
		if ended {
			r.err = io.EOF
		}
		if len(frames) == 0 {
			r.text += text.String()
			return text.String()
		}
	}
}

func (r *reader) apply(t failer, event []byte) {
	t.Helper()
	var name, data string
	if n, err := fmt.Sscanf(string(event), "event: %s\ndata: ", &name); n != 1 && err != nil {
		t.Fatalf("%q is no event: %v", event, err)
	}
	_, data, _ = strings.Cut(string(event), "\ndata: ")
	var d struct {
		Topic   string
		Items   []shownUser
		Handles []string
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		t.Fatalf("%q: %v", event, err)
	}
	if r.topics[d.Topic] == nil || name == "snapshot" {
		r.topics[d.Topic] = &picture{map[songspy.UserID]shownUser{}}
	}
	p := r.topics[d.Topic]
	for _, item := range d.Items {
		if (name == "paused") != (item.State == songspy.PlayerPaused) && name != "snapshot" {
			t.Errorf("the event %s has an item that is %s", name, item.State)
		}
		p.users[item.User] = item
	}
	for _, handle := range d.Handles {
		id, _ := songspy.ParseHandle(handle)
		if _, known := p.users[songspy.UserID(id)]; !known {
			t.Errorf("%s is gone, and the client did not have them", handle)
		}
		delete(p.users, songspy.UserID(id))
	}
}

// ids returns the users that the client shows in the topic.
func (r *reader) ids(topic string) (ids []songspy.UserID) {
	for id := range r.topics[topic].users {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func wantText(t testing.TB, got string, parts ...string) {
	t.Helper()
	rest := got
	for _, p := range parts {
		_, after, found := strings.Cut(rest, p)
		if !found {
			t.Fatalf("the stream has %q, want %q in this order", got, parts)
		}
		rest = after
	}
	if len(parts) == 0 && got != "" {
		t.Fatalf("the stream has %q, want nothing", got)
	}
}

func paused(p songspy.BoardEntry, at time.Time) songspy.BoardEntry {
	p.Playing.State, p.Playing.PausedSince, p.Playing.EndsAt = songspy.PlayerPaused, &at, &at
	return p
}

func person(id songspy.UserID) string { return "person:" + songspy.Handle(songspy.PublicID(id)) }

func TestStream_BeginsWithASnapshotAndContinuesWithChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		one := newPlaying(1, start)
		feed := newFeed(one)
		b := startStreams(t, feed)
		r := mustOpen(t, b, &account{}, "window", person(2))
		waitSecond(t)
		wantText(t, r.read(t), "event: snapshot\ndata: {\"topic\":\"window\",\"serverTime\":\"", `"user":1,`, `"slot":0}]}`, "event: snapshot\ndata: {\"topic\":\""+person(2)+`"`, `"items":[]}`)
		feed.put(newPlaying(2, time.Now()))
		waitSecond(t)
		wantText(t, r.read(t), `event: playing`, `"topic":"window"`, `"user":2`, `"slot":1}`)
		if got := r.ids(person(2)); !slices.Equal(got, []songspy.UserID{2}) {
			t.Errorf("the topic of a person has %d", got)
		}
		feed.put(paused(one, time.Now()))
		waitSecond(t)
		wantText(t, r.read(t), "event: paused\n", `"user":1,"track":7,"state":"paused"`, `"slot":0}`)
		feed.put(one)
		waitSecond(t)
		wantText(t, r.read(t), "event: playing\n", `"user":1,"track":7,"state":"playing"`)
		feed.put(one)
		waitSecond(t)
		wantText(t, r.read(t)) // the entry is the same as before, so there is no frame
		feed.remove(1)
		waitSecond(t)
		wantText(t, r.read(t), "event: gone\ndata: {\"topic\":\"window\",\"handles\":[\""+songspy.Handle(1)+"\"]}\n\n")
	})
}

func TestStream_ShowsWhatTimeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newPlaying(1, time.Now()), newPlaying(2, time.Now())
		setting(&one).MinSeconds = 30
		setting(&two).MinSeconds, setting(&two).Now = 30, songspy.AudienceFollowers
		b := startStreams(t, newFeed(one, two))
		stranger, follower := mustOpen(t, b, &account{}, "window"), mustOpen(t, b, &account{id: 5, follows: []songspy.UserID{2}}, "window", "following")
		wait(29 * time.Second)
		stranger.read(t)
		follower.read(t)
		if got := append(stranger.ids("window"), follower.ids("window")...); len(got) > 0 {
			t.Errorf("%d are shown before 30 s", got)
		}
		wait(2 * time.Second)
		stranger.read(t)
		follower.read(t)
		if got := fmt.Sprint(stranger.ids("window"), follower.ids("window"), follower.ids("following")); got != "[1] [1 2] [2]" {
			t.Errorf("after 30 s the streams show %s", got)
		}
		wait(3 * time.Minute)
		stranger.read(t)
		follower.read(t)
		if got := fmt.Sprint(stranger.ids("window"), follower.ids("window"), follower.ids("following")); got != "[] [] []" {
			t.Errorf("after the end of the songs the streams show %s", got)
		}
	})
}

func TestStream_ShowsAPausedUserForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startStreams(t, newFeed(paused(newPlaying(1, time.Now()), time.Now())))
		r := mustOpen(t, b, &account{}, "window")
		wait(songspy.PausedShownFor - time.Second)
		r.read(t)
		if got := r.ids("window"); len(got) != 1 {
			t.Errorf("the paused user is not shown: %d", got)
		}
		wantEntries(t, b, "[]")
		wait(2 * time.Second)
		r.read(t)
		if got := r.ids("window"); len(got) != 0 {
			t.Errorf("%d are shown after ten minutes of pause", got)
		}
	})
}

// disappearances are changes after which the viewer, whose account is given, no longer sees
// user 1.
var disappearances = map[string]func(*fakeFeed, *account){
	"the end of the play, or erasure": func(f *fakeFeed, _ *account) { f.remove(1) },
	"hiding": func(f *fakeFeed, _ *account) {
		p := newPlaying(1, time.Now())
		setting(&p).HiddenUntil = &songspy.HiddenForever
		f.put(p)
	},
	"hiding by the operator": func(f *fakeFeed, _ *account) {
		p := newPlaying(1, time.Now())
		p.Rule.HiddenByOperator = true
		f.put(p)
	},
	"a block": func(f *fakeFeed, a *account) {
		a.blocks = []songspy.UserID{1}
		f.Add(1, songspy.ChangeRelation)
		f.Add(a.id, songspy.ChangeRelation)
	},
}

func TestStream_HidesWithinASecond(t *testing.T) {
	for name, hide := range disappearances {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				feed, a := newFeed(newPlaying(1, time.Now()), newPlaying(2, time.Now())), &account{id: 5}
				track := "track:" + songspy.Handle(7)
				r := mustOpen(t, startStreams(t, feed), a, "window", person(1), track)
				waitSecond(t)
				r.read(t)
				hide(feed, a)
				waitSecond(t)
				r.read(t)
				if got := fmt.Sprint(r.ids("window"), r.ids(person(1)), r.ids(track)); got != "[2] [] [2]" {
					t.Errorf("the stream shows %s, want only user 2", got)
				}
			})
		})
	}
}

func TestDetails_EndingHidingAndBlockingSendTheSameFrames(t *testing.T) {
	frames := map[string]string{}
	for name, hide := range disappearances {
		synctest.Test(t, func(t *testing.T) {
			feed, a := newFeed(newPlaying(1, time.Now()), newPlaying(2, time.Now())), &account{id: 5}
			r := mustOpen(t, startStreams(t, feed), a, "window", person(1), "track:"+songspy.Handle(7))
			waitSecond(t)
			r.read(t)
			hide(feed, a)
			waitSecond(t)
			frames[name] = r.read(t)
		})
	}
	for name, got := range frames {
		if want := frames["hiding"]; got != want || strings.Count(got, "event: gone\n") != 3 || strings.Count(got, "event: ") != 3 {
			t.Errorf("%s sends\n%s\nand hiding\n%s\nwant the event gone alone, once for each topic", name, got, want)
		}
	}
}

func TestStream_ShowsFollowedUsersOnceTheyApprove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newPlaying(1, time.Now())
		setting(&one).Now = songspy.AudienceFollowers
		feed, a := newFeed(one, newPlaying(2, time.Now())), &account{id: 5}
		b := startStreams(t, feed)
		r, stranger := mustOpen(t, b, a, "window", "following"), mustOpen(t, b, &account{}, "window")
		waitSecond(t)
		r.read(t)
		a.follows = []songspy.UserID{1}
		feed.Add(1, songspy.ChangeRelation)
		feed.Add(5, songspy.ChangeRelation)
		waitSecond(t)
		wantText(t, r.read(t), `"topic":"window"`, `"user":1`)
		if got := fmt.Sprint(r.ids("window"), r.ids("following")); got != "[1 2] [1]" {
			t.Errorf("the stream shows %s", got)
		}
		a.follows = nil
		feed.Add(5, songspy.ChangeRelation)
		waitSecond(t)
		r.read(t)
		if got := fmt.Sprint(r.ids("window"), r.ids("following")); got != "[2] []" {
			t.Errorf("after the follow the stream shows %s", got)
		}
		if stranger.read(t); !slices.Equal(stranger.ids("window"), []songspy.UserID{2}) {
			t.Errorf("a stranger sees %d", stranger.ids("window"))
		}
	})
}

func TestStream_EndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed, a := newFeed(), &account{id: 5}
		b := startStreams(t, feed)
		r, other := mustOpen(t, b, a, "window"), mustOpen(t, b, &account{id: 6}, "window")
		waitSecond(t)
		r.read(t)
		other.read(t)
		a.ended = true
		feed.Add(5, songspy.ChangeSession)
		waitSecond(t)
		wantText(t, r.read(t), "event: end\ndata: {\"reason\":\"session\"}\n\n")
		if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("Next returned %v after the end", err)
		}
		wantText(t, other.read(t))
	})
}

func TestStream_EndsWhenTheSessionRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startStreams(t, newFeed())
		end := time.Now().Add(time.Hour)
		s, err := b.OpenStream(t.Context(), StreamOptions{Viewer: ViewerID{Account: 5}, ReadViewer: func(context.Context) (visibility.Viewer, time.Time, error) {
			if !time.Now().Before(end) {
				return visibility.Viewer{}, end, &songspy.Error{Code: songspy.CodeUnauthorized}
			}
			return visibility.Anonymous(), end, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := &reader{Stream: s, topics: map[string]*picture{}}
		wait(time.Hour - time.Second)
		wantText(t, r.read(t))
		wait(2 * time.Second)
		wantText(t, r.read(t), `{"reason":"session"}`)
	})
}

func TestStream_ResetsAReaderThatIsTenSecondsBehind(t *testing.T) {
	const changes = int(queueTime/tickInterval) + 1 // exactly queueTime passes between the first change and the last one
	for _, c := range []struct{ changes, resets int64 }{{int64(changes), 0}, {int64(changes) + 1, 1}} {
		w := newStreamWorld()
		topics := []string{"window", person(1), "track:" + songspy.Handle(1)}
		r := mustOpen(t, w.Board, &account{}, topics...)
		w.next(tickInterval)
		r.read(t)
		var last shownUser
		for n := range c.changes {
			p := newPlaying(1, w.now)
			p.Track.PublicID = 100 + songspy.PublicID(n)
			last.Track = p.Track.PublicID
			w.put(p)
			w.next(tickInterval)
		}
		text := r.read(t)
		w.next(tickInterval) // a reader that was too slow gets its snapshots
		after := r.read(t)
		if got := w.Stats(); got.Resets != c.resets || got.Streams != 1 {
			t.Errorf("after %d changes that were not read the numbers are %+v, want %d resets", c.changes, got, c.resets)
		}
		if want := int64(2) * c.changes * (1 - c.resets); int64(strings.Count(text, "event: playing\n")) != want {
			t.Errorf("after %d changes the reader gets\n%s\nwant %d events of its two topics with the user", c.changes, text, want)
		}
		if c.resets == 0 {
			wantText(t, after)
		} else {
			for _, topic := range topics {
				wantText(t, after, "event: reset\ndata: {\"topic\":\""+topic+"\"}\n\nevent: snapshot\n")
			}
		}
		for _, topic := range topics[:2] {
			if got := r.topics[topic].users[1].Track; got != last.Track {
				t.Errorf("%s shows track %d, want %d", topic, got, last.Track)
			}
		}
		w.remove(1)
		w.next(tickInterval)
		wantText(t, r.read(t), "event: gone\n", "event: gone\n")
	}
}

// fillWindow lets 48 users with long names begin the track, and ticks.
func (w *streamWorld) fillWindow(track songspy.PublicID) {
	name := strings.Repeat("n", 500)
	for id := range songspy.UserID(windowSize) {
		p := newPlaying(1+id, w.now)
		p.User.NickName, p.Track.PublicID = &name, track
		w.put(p)
	}
	w.next(tickInterval)
}

func TestStream_LimitsTheFramesThatItDoesNotShare(t *testing.T) {
	w := newStreamWorld()
	w.fillWindow(1)
	open := func(a *account) *reader { return mustOpen(t, w.Board, a, "window") }
	alone := open(&account{id: 5, blocks: []songspy.UserID{1000}})
	var shared []*reader
	for range 50 {
		shared = append(shared, open(&account{}))
	}
	w.next(tickInterval)
	for _, r := range append(shared, alone) {
		r.read(t)
	}
	size := 0
	for n := range songspy.PublicID(queueTime / tickInterval) {
		w.fillWindow(2 + n)
		waiting := 0
		for _, f := range alone.queue {
			size = max(size, len(f.frame))
			waiting += len(f.frame)
		}
		if waiting > queueBytes+size {
			t.Fatalf("%d bytes wait for a reader that shares them with nobody, want at most %d and a frame", waiting, queueBytes)
		}
	}
	if size*int(queueTime/tickInterval) < 2*queueBytes {
		t.Fatalf("frames of %d bytes do not reach the limit", size)
	}
	alone.read(t)
	for _, r := range shared {
		if r.behind {
			t.Fatal("a reader that shares its frames will be reset")
		}
	}
	w.next(tickInterval)
	wantText(t, alone.read(t), "event: reset\n", "event: snapshot\n")
	if got := w.Stats().Resets; got != 1 {
		t.Errorf("%d resets, want 1: of the reader that does not share its frames", got)
	}
}

func TestStream_GivesASlowReaderABatchAtATime(t *testing.T) {
	w := newStreamWorld()
	w.fillWindow(1)
	r := mustOpen(t, w.Board, &account{}, "window")
	w.next(tickInterval)
	for n := range songspy.PublicID(8) {
		w.fillWindow(2 + n)
	}
	frames := 0
	for frames < 9 {
		batch, err := r.Next(t.Context())
		size := 0
		for _, f := range batch {
			size += len(f)
		}
		if frames += len(batch); err != nil || size > batchBytes || len(batch) < 2 && frames < 9 {
			t.Fatalf("a batch has %d frames of %d bytes, error %v, want as many as fit into %d bytes", len(batch), size, err, batchBytes)
		}
	}
	if r.bytes != 0 || len(r.queue) != 0 {
		t.Errorf("%d bytes and %d frames are left", r.bytes, len(r.queue))
	}
}

func TestStream_LimitsOpenStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startStreams(t, newFeed(), func(o *Options) { o.StreamsPerAccount, o.StreamsPerAddress = 2, 1 })
		first := mustOpen(t, b, &account{id: 5}, "window")
		mustOpen(t, b, &account{id: 5}, "window")
		mustOpen(t, b, &account{id: 6}, "window")
		mustOpen(t, b, &account{}, "window")
		for _, a := range []*account{{id: 5}, {}} {
			if _, err := openStream(t, b, a, "window"); songspy.CodeOf(err) != songspy.CodeTooMany || songspy.RetryAfterOf(err) == 0 {
				t.Errorf("one stream more of %+v: %v", a, err)
			}
		}
		first.Close()
		mustOpen(t, b, &account{id: 5}, "window")
	})
}

func TestStream_EndsSpreadOverFiveSecondsWhenTheServiceStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := New(Options{Feed: feed, Render: render, RenderLive: renderLive, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		synctest.Wait()
		const streams = 200
		ends := make(chan time.Time, streams)
		for range streams {
			r := mustOpen(t, b, &account{}, "window")
			go func() {
				for {
					if _, err := r.Next(t.Context()); err != nil {
						r.Close()
						ends <- time.Now()
						return
					}
				}
			}()
		}
		waitSecond(t)
		stop()
		stopped := time.Now()
		synctest.Wait()
		if _, err := openStream(t, b, &account{}, "window"); songspy.CodeOf(err) != songspy.CodeUnavailable {
			t.Errorf("a new stream while the service stops: %v", err)
		}
		<-done
		if took := time.Since(stopped); took > DrainTime {
			t.Errorf("the board stopped after %s", took)
		}
		early := 0
		for range streams {
			if (<-ends).Sub(stopped) < DrainTime/2 {
				early++
			}
		}
		if early < streams/4 || early > 3*streams/4 {
			t.Errorf("%d of %d streams ended in the first half", early, streams)
		}
	})
}

func TestStream_ShowsNobodyWhileTheFeedCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		r := mustOpen(t, startStreams(t, feed), &account{}, "window")
		waitSecond(t)
		r.read(t)
		feed.Fail(errDown)
		wait(StaleAfter + 2*time.Second)
		if r.read(t); len(r.ids("window")) != 0 {
			t.Errorf("the stream shows %d", r.ids("window"))
		}
		feed.Fail(nil)
		wait(5 * time.Second)
		if r.read(t); len(r.ids("window")) != 1 {
			t.Errorf("the stream shows %d after the feed is back", r.ids("window"))
		}
	})
}

func TestStream_ShowsTheStateOfARestoredDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		r := mustOpen(t, startStreams(t, feed), &account{}, "window")
		feed.put(newPlaying(1, time.Now()))
		waitSecond(t)
		r.read(t)
		feed.restore(newPlaying(2, time.Now()))
		wait(3 * time.Second)
		if r.read(t); !slices.Equal(r.ids("window"), []songspy.UserID{2}) {
			t.Errorf("the stream shows %d", r.ids("window"))
		}
	})
}

func TestWatched_ListsWhatEachViewerSeesAndWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newPlaying(1, time.Now())
		setting(&one).Now = songspy.AudienceFollowers
		b := startStreams(t, newFeed(one, newPlaying(2, time.Now())))
		mustOpen(t, b, &account{}, "window", person(1), person(2))
		mustOpen(t, b, &account{id: 5, follows: []songspy.UserID{1, 9}}, "following") // user 9 plays nothing
		mustOpen(t, b, &account{id: 6, follows: []songspy.UserID{9}}, "window")
		waitSecond(t)
		got := map[ViewerID]string{}
		for _, w := range b.Shown() {
			got[w.Viewer] = fmt.Sprint(w.Users, w.Followed)
		}
		if got[(&account{}).key()] != "[2 2] []" || got[ViewerID{Account: 5}] != "[1] [1 9]" || got[ViewerID{Account: 6}] != "[2] []" {
			t.Errorf("watched are %v", got)
		}
	})
}
