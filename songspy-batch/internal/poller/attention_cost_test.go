package poller

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// playerChange is what a user's player shows from the time at until the next change.
type playerChange struct {
	at       time.Time
	kind     songspy.ObservationKind
	track    songspy.Track
	progress time.Duration // at the time at
}

// listeningDays returns random changes of a user's player in the given days: sessions of songs,
// some of them skipped or paused, with breaks between the sessions.
func listeningDays(rng *rand.Rand, from time.Time, days int) (changes []playerChange) {
	seconds := func(low, high int) time.Duration { return time.Duration(low+rng.IntN(high-low)) * time.Second }
	at := from
	add := func(c playerChange, lasts time.Duration) {
		c.at = at
		changes, at = append(changes, c), at.Add(lasts)
	}
	for at.Before(from.AddDate(0, 0, days)) {
		add(playerChange{kind: songspy.ObservedIdle}, seconds(30, 5*3600))
		for range 1 + rng.IntN(20) {
			length := seconds(90, 420)
			song := playerChange{kind: songspy.ObservedPlaying, track: songspy.Track{
				URI: fmt.Sprintf("spotify:track:%d", rng.Uint64()), Kind: songspy.KindTrack, Title: "a song", DurationMS: length.Milliseconds(),
			}}
			plays := length
			if rng.Float64() < 0.25 { // a skip
				plays = time.Duration(rng.Float64() * rng.Float64() * float64(length))
			}
			if rng.Float64() < 0.1 { // a pause
				before := time.Duration(rng.Float64() * float64(plays))
				add(song, before)
				song.progress, song.kind, plays = before, songspy.ObservedPaused, plays-before
				add(song, seconds(5, 900))
				song.kind = songspy.ObservedPlaying
			}
			add(song, plays)
		}
	}
	return changes
}

// observe returns what a poll at the given time shows.
func observe(changes []playerChange, at time.Time) songspy.Observation {
	i := sort.Search(len(changes), func(i int) bool { return changes[i].at.After(at) })
	c := changes[max(0, i-1)]
	o := songspy.Observation{Kind: c.kind, Track: c.track, Progress: c.progress, At: at}
	if c.kind == songspy.ObservedPlaying {
		o.Progress += at.Sub(c.at)
	}
	return o
}

// This test runs the same days with and without viewers. The difference of the two numbers of
// calls is what the viewers cost. The allowance must count at least that many calls, because
// otherwise it would not limit what viewers cost, and at most 6 % more.
func TestAttention_CountsTheCallsThatViewersCost(t *testing.T) {
	const users, share = 20, 0.15
	days, seeds := 2, uint64(3)
	if testing.Short() {
		days, seeds = 1, 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			plain, _ := callsOfDays(t, seed, users, days, share, false)
			watched, counted := callsOfDays(t, seed, users, days, share, true)
			additional := float64(watched - plain)
			t.Logf("%d calls, with viewers %.0f more, counted %.0f", plain, additional, counted)
			if counted < additional || counted > 1.06*additional {
				t.Errorf("viewers cost %.0f calls, and the allowance counted %.0f", additional, counted)
			}
			if used := additional / (users * 480 * share * float64(1+days)); used > 1 || used < 0.85 { // 1+days, because the allowance is full at the start: it then holds the calls of one day
				t.Errorf("viewers cost %.0f calls, %.2f of the allowance", additional, used)
			}
		})
	}
}

// callsOfDays runs a poller for the given days of the users' listening. It returns how many polls
// were made, and how many calls the allowance counted for viewers. If the parameter viewers is
// true, four viewers, who each watch a quarter of the users, watch during every other 20 minutes.
func callsOfDays(t *testing.T, seed uint64, users, days int, share float64, viewers bool) (calls int, counted float64) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeWatches{}
		h := newHarness(t, users, func(o *Options) { o.Attention = &AttentionOptions{Share: share, Store: f} })
		listening := map[string][]playerChange{}
		for user := range users {
			token := fmt.Sprintf("%d/1", user+1)
			listening[token] = listeningDays(rand.New(rand.NewPCG(seed, uint64(user))), time.Now(), days)
		}
		h.player.answer = func(token string) (songspy.Observation, error) { return observe(listening[token], time.Now()), nil }
		stop := runPoller(t, h.Poller)
		<-time.After(time.Minute)
		for minute := range days*24*60 - 1 {
			if viewers && minute/20%2 == 0 {
				for viewer := range byte(4) {
					ids := make([]songspy.UserID, 0, users/4)
					for id := int(viewer); id < users; id += 4 {
						ids = append(ids, songspy.UserID(id+1))
					}
					f.write(watching(viewer, ids...))
				}
				f.forgetAllBut(20)
			}
			<-time.After(time.Minute)
		}
		_, left := h.attention.stats()
		stop()
		counted = share*float64(users*480)*(1+(float64(days)*24*60-1)/(24*60)) - left
		for _, polls := range h.player.polls {
			calls += len(polls)
		}
	})
	return calls, counted
}
