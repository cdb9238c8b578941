package board

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// streamWorld is a board with streams whose clock and ticks a test drives.
type streamWorld struct {
	*Board
	now     time.Time
	entries map[songspy.UserID]songspy.BoardEntry
}

func newStreamWorld() *streamWorld {
	w := &streamWorld{now: noon, entries: map[songspy.UserID]songspy.BoardEntry{}}
	w.Board = New(Options{RenderList: renderList, RenderLive: renderLive, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)})
	w.caughtUp(0, w.now)
	return w
}

// put stores the entry of a user, as a change of the feed does.
func (w *streamWorld) put(p songspy.BoardEntry) {
	w.entries[p.User.ID] = p
	w.index.put(p, w.now)
	w.forgetAnswers()
}

func (w *streamWorld) remove(id songspy.UserID) {
	delete(w.entries, id)
	w.index.remove(id)
	w.forgetAnswers()
}

// next advances the time and ticks.
func (w *streamWorld) next(d time.Duration) {
	w.now = w.now.Add(d)
	w.caughtUp(0, w.now)
	w.tick(w.now)
}

// change makes a random change of one user: another track, a pause, an end, other settings. If
// the argument hidden is true, no viewer may see the user. It always draws the same number of
// random numbers, so that the next changes do not depend on the state of the board.
func (w *streamWorld) change(r *rand.Rand, id songspy.UserID, hidden bool) {
	p := newPlaying(id, w.now.Add(-time.Duration(r.IntN(60))*time.Second))
	p.Track.PublicID = songspy.PublicID(1 + r.IntN(3))
	present := setting(&p)
	present.BeganAt = noon.Add(-time.Hour)
	kind, audience, seconds, least, name := r.IntN(8), r.IntN(5), r.IntN(120), r.IntN(4), fmt.Sprint(r.IntN(2))
	switch audience {
	case 0:
		present.Now = songspy.AudienceFollowers
	case 1:
		present.HiddenUntil = new(w.now.Add(time.Duration(seconds) * time.Second))
	}
	if hidden {
		present.Now, present.HiddenUntil = songspy.AudienceNobody, nil
	}
	if least == 0 {
		present.MinSeconds = 30
	}
	p.User.NickName = &name
	switch old, known := w.entries[id]; {
	case kind == 0:
		w.remove(id)
		return
	case kind == 1 && known: // the same play, paused or resumed
		rule := p.Rule
		p = old
		p.Rule = rule
		if p.Playing.State == songspy.PlayerPlaying {
			p = paused(p, w.now)
		} else {
			p.Playing.State, p.Playing.EndsAt = songspy.PlayerPlaying, new(w.now.Add(time.Minute))
		}
	}
	w.put(p)
}

// visible returns the entries of all users that the viewer sees, playing or paused, sorted by
// their ranks in the window with the seed.
func (w *streamWorld) visible(v visibility.Viewer, seed uint64) (visible []ranked) {
	for _, p := range w.entries {
		e, ok := newEntry(p)
		if !ok || e.isExpired(w.now) {
			continue
		}
		if e.isVisible(v, w.now) {
			visible = append(visible, ranked{e.rankIn(seed), e})
		}
	}
	slices.SortFunc(visible, compareRank)
	return visible
}

func usersOf(entries []ranked) (ids []songspy.UserID) {
	for _, e := range entries {
		ids = append(ids, e.user)
	}
	slices.Sort(ids)
	return ids
}

// newAccount returns a viewer with random relations to the users.
func newAccount(r *rand.Rand, id songspy.UserID, users int) *account {
	a := &account{id: id}
	if id == 0 {
		return a
	}
	for range r.IntN(6) {
		a.follows = append(a.follows, songspy.UserID(1+r.IntN(users)))
	}
	for range r.IntN(3) * r.IntN(4) {
		a.blocks = append(a.blocks, songspy.UserID(1+r.IntN(users)))
	}
	return a
}

var tickDurations = []time.Duration{tickInterval, tickInterval, tickInterval, 10 * time.Second, time.Minute}

// After a tick, each client must have what its viewer sees on the whole board. Some clients
// read only at some ticks.
func TestStreams_ConvergeToWhatTheViewerSees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		w, users := newStreamWorld(), rapid.SampledFrom([]int{6, 40}).Draw(t, "users")
		accounts := []*account{newAccount(r, 0, users), newAccount(r, 2, users), newAccount(r, 1000, users), {link: 3}}
		readers := make([]*reader, len(accounts))
		topics := []string{"window", person(3), "track:" + songspy.Handle(1), "following"}
		open := func(i int) {
			of := topics
			if accounts[i].id == 0 {
				of = topics[:3]
			}
			var err error
			if readers[i], err = openStream(t, w.Board, accounts[i], of...); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(10, 60).Draw(t, "steps") {
			for range r.IntN(1 + users/2) {
				w.change(r, songspy.UserID(1+r.IntN(users)), false)
			}
			switch i := r.IntN(len(accounts)); r.IntN(4) {
			case 0:
				if readers[i] != nil {
					readers[i].Close()
				}
				open(i)
			case 1:
				if a := accounts[i]; a.id != 0 {
					*a = *newAccount(r, a.id, users)
					if readers[i] != nil {
						if err := w.readViewer(context.Background(), readers[i].Stream); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			w.next(tickDurations[r.IntN(len(tickDurations))])
			for i, reader := range readers {
				if reader == nil || r.IntN(3) == 0 { // a slow client does not read at this tick
					continue
				}
				reader.read(t)
				w.next(tickInterval) // a reader that was too slow gets its snapshots
				reader.read(t)
				w.check(t, reader, accounts[i].viewer())
			}
		}
	})
}

// check fails unless the reader holds, in each topic, the users that the viewer sees there, and
// unless the list of listening users shows the same users as the window.
func (w *streamWorld) check(t *rapid.T, r *reader, v visibility.Viewer) {
	for _, topic := range r.opts.Topics {
		var want []ranked
		for _, e := range w.visible(v, 1) {
			if topic.shows(e.entry) && (topic.Kind != TopicFollowing || slices.Contains(v.Follows(), e.user)) {
				want = append(want, e)
			}
		}
		if got := r.ids(topic.Name); !slices.Equal(got, usersOf(want)) {
			t.Fatalf("%s shows %d, want %d", topic.Name, got, usersOf(want))
		}
		for _, e := range want {
			got := r.topics[topic.Name].users[e.user]
			if got.Track != e.track.PublicID || got.State != e.state() || got.Started != e.startedAt.time().UnixMilli() || got.Name != e.name {
				t.Fatalf("%s shows %+v, want %+v of %s", topic.Name, got, e.playing(), e.name)
			}
		}
	}
	listening, _, err := w.Listening(v, AllVisible, nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	playing := slices.Sorted(maps.Keys(maps.Collect(func(yield func(songspy.UserID, bool) bool) {
		for id, u := range r.topics["window"].users {
			if u.State == songspy.PlayerPlaying && !yield(id, true) {
				return
			}
		}
	})))
	want := ids(listening)
	if slices.Sort(want); !slices.Equal(playing, want) {
		t.Fatalf("the window has the listeners %d, and GET /listening has %d", playing, want)
	}
	first, next, err := w.Listening(v, AllVisible, nil, ListSize)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := renderList(first, next)
	if page, shown, err := w.ListeningAnswer(v); err != nil || !bytes.Equal(page.Body, body) || page.ETag != ETag(body) || !slices.Equal(ids(shown), ids(first)) {
		t.Fatalf("the list is %s, error %v, want %s", page.Body, err, body)
	}
}

// renderList renders each user with the song, and then the position next if it is not nil.
func renderList(listening []visibility.Seen[songspy.BoardEntry], next *Position) (body []byte, err error) {
	for _, seen := range listening {
		body = append(append(body, renderLive(seen)...), ' ')
	}
	if next != nil {
		body = fmt.Append(body, *next)
	}
	return body, nil
}

// A window must show the 48 visible users with the smallest ranks. One exception is allowed: a
// user who is shown may stay until another track begins. A user must keep the slot.
func TestStreams_AWindowShowsTheSmallestRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		w, users := newStreamWorld(), rapid.SampledFrom([]int{60, 120, 700}).Draw(t, "users")
		for id := range users {
			w.change(r, songspy.UserID(1+id), false)
		}
		a := newAccount(r, rapid.SampledFrom([]songspy.UserID{0, 5000}).Draw(t, "viewer"), users)
		if a.id != 0 && rapid.Bool().Draw(t, "blocks many") {
			for id := range users * 3 / 4 {
				a.blocks = append(a.blocks, songspy.UserID(1+id))
			}
		}
		reader, err := openStream(t, w.Board, a, "window")
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		v, seed := a.viewer(), a.key().window()
		before := map[songspy.UserID]shownUser{}
		for step := range 40 {
			for range r.IntN(1 + users/8) {
				w.change(r, songspy.UserID(1+r.IntN(users)), false)
			}
			w.next(tickDurations[r.IntN(3)])
			reader.read(t)
			now, visible := maps.Clone(reader.topics["window"].users), w.visible(v, seed)
			best := usersOf(visible[:min(windowSize, len(visible))])
			if len(now) != len(best) {
				t.Fatalf("the window has %d users, want %d", len(now), len(best))
			}
			slots := map[int]bool{}
			for id, u := range now {
				slots[*u.Slot] = true
				old, stayed := before[id]
				if stayed && *old.Slot != *u.Slot {
					t.Fatalf("%d has moved from slot %d to %d", id, *old.Slot, *u.Slot)
				}
				isNew := !stayed || old.Track != u.Track || old.Started != u.Started
				if stayed && isNew && time.Duration(u.Started-old.Started).Abs()*time.Millisecond > restartTolerance && !slices.Contains(best, id) {
					t.Fatalf("%d stays with a new track, and is not among the best", id)
				}
				if !stayed && step > 0 && slices.ContainsFunc(visible, func(e ranked) bool {
					_, shown := now[e.user]
					return !shown && compareRank(e, find(visible, id)) < 0
				}) {
					t.Fatalf("%d is new, although a smaller rank waits", id)
				}
			}
			if len(slots) != len(now) || len(now) > windowSize {
				t.Fatalf("%d users have %d slots", len(now), len(slots))
			}
			before = now
		}
		// When all users begin another track, the window must show the smallest ranks again,
		// and a new replica must show the same users.
		for id := range w.entries {
			p := newPlaying(id, w.now.Add(time.Minute))
			p.Track.PublicID = 99
			w.put(p)
		}
		w.next(time.Minute)
		reader.read(t)
		visible := w.visible(v, seed)
		if got, want := reader.ids("window"), usersOf(visible[:min(windowSize, len(visible))]); !slices.Equal(got, want) {
			t.Fatalf("the window shows %d, want the smallest ranks %d", got, want)
		}
		other := newStreamWorld()
		other.now = w.now
		for _, p := range w.entries {
			other.put(p)
		}
		other.next(0)
		again, err := openStream(t, other.Board, a, "window")
		if err != nil {
			t.Fatal(err)
		}
		other.next(0)
		again.read(t)
		if !slices.Equal(again.ids("window"), reader.ids("window")) {
			t.Fatalf("a new replica shows %d, want %d", again.ids("window"), reader.ids("window"))
		}
	})
}

func find(entries []ranked, id songspy.UserID) ranked {
	i := slices.IndexFunc(entries, func(e ranked) bool { return e.user == id })
	return entries[i]
}

// Two boards that differ only in users that the viewer may not see must give the viewer the
// same frames at the same times.
func TestStreams_FramesDoNotDependOnWhatIsHidden(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		users := rapid.SampledFrom([]int{8, 70, 400}).Draw(t, "users")
		id := rapid.SampledFrom([]songspy.UserID{0, 5000}).Draw(t, "viewer")
		steps := rapid.IntRange(5, 40).Draw(t, "steps")
		transcript := func(secret uint64) string {
			r, hidden := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, secret))
			w := newStreamWorld()
			a := newAccount(r, id, users)
			// The viewer may not see user 1 and every seventh user. If the viewer has an
			// account, the viewer blocks those with an odd number: strangers still see these.
			isHidden := func(user songspy.UserID) bool { return user == 1 || user%7 == 0 }
			for user := songspy.UserID(1); user <= songspy.UserID(users); user++ {
				if isHidden(user) && user%2 == 1 && id != 0 {
					a.blocks = append(a.blocks, user)
				}
			}
			a.follows = slices.DeleteFunc(a.follows, isHidden)
			change := func(user songspy.UserID) {
				switch {
				case !isHidden(user):
					w.change(r, user, false)
				case hidden.IntN(2) == 0:
					w.change(hidden, user, id == 0 || user%2 == 0)
				}
			}
			for user := songspy.UserID(1); user <= songspy.UserID(users); user++ {
				change(user)
			}
			other := &account{id: 6000, follows: []songspy.UserID{1, 7, 14}}
			stranger, err := openStream(t, w.Board, other, "window", "following")
			if err != nil {
				t.Fatal(err)
			}
			topics := []string{"window", person(1), person(2), "track:" + songspy.Handle(1)}
			if id != 0 {
				topics = append(topics, "following")
			}
			var reader *reader
			var text strings.Builder
			for step := range steps {
				for range 1 + r.IntN(1+users/4) {
					change(songspy.UserID(1 + r.IntN(users)))
				}
				for range hidden.IntN(4) {
					change(cmp.Or(songspy.UserID(7*hidden.IntN(1+users/7)), 1))
				}
				if step%10 == 0 {
					if reader != nil {
						reader.Close()
					}
					if reader, err = openStream(t, w.Board, a, topics...); err != nil {
						t.Fatal(err)
					}
				}
				w.next(tickDurations[r.IntN(len(tickDurations))])
				fmt.Fprintf(&text, "%s\n%s\n", w.now, reader.read(t))
				stranger.read(t)
			}
			return text.String()
		}
		if one, two := transcript(1), transcript(2); one != two {
			t.Fatalf("the frames differ:\n%s\n\n%s", one, two)
		}
	})
}
