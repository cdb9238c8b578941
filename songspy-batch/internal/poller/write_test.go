package poller

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestUpdatesAreWrittenInFullBatchesOrSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1200, func(o *Options) { o.Spread = false })
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, th.Poller)
		<-time.After(2 * writeBatchAge)
		heard, batches := th.store.writes()
		if n := len(heard); n != 1200 {
			t.Errorf("%d of 1200 written within %s", n, 2*writeBatchAge)
		}
		for _, n := range batches {
			if n > writeBatchSize {
				t.Errorf("a batch of %d rows", n)
			}
		}
		if n := len(batches); n > 4 {
			t.Errorf("%d batches for 1200 rows", n)
		}
		stop()
	})
}

func TestRefusedWritesAreRetriedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 5, func(o *Options) { o.Interval = 30 * time.Second })
		began := time.Now()
		th.store.writeFault = func() error {
			if time.Since(began) < 10*time.Minute {
				return errors.New("the database is away")
			}
			return nil
		}
		th.player.answer = func(string) (songspy.Observation, error) {
			round := time.Since(began) / (210 * time.Second)
			return song(string(rune('a'+round)), began.Add(round*210*time.Second))
		}
		stop := runPoller(t, th.Poller)
		<-time.After(5 * time.Minute)
		if err := th.Ready(t.Context()); err == nil {
			t.Error("the sweep says that it is ready while the database is away")
		}
		<-time.After(15 * time.Minute)
		if err := th.Ready(t.Context()); err != nil {
			t.Errorf("the database is back: %v", err)
		}
		stop()
		last := map[songspy.UserID]time.Time{}
		plays := map[songspy.UserID]int{}
		for _, h := range th.store.updates {
			id := h.Playing.UserID
			if h.Playing.ObservedAt.Before(last[id]) {
				t.Fatalf("%d's writes are out of order", id)
			}
			last[id] = h.Playing.ObservedAt
			plays[id] += len(h.Plays)
		}
		for id, n := range plays {
			if n < 4 {
				t.Errorf("%d: %d plays of five songs were written", id, n)
			}
		}
		if len(plays) != 5 {
			t.Errorf("plays of %d people, want 5", len(plays))
		}
	})
}

func TestAnUnavailableDatabaseDoesNotDelayShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 2000, func(o *Options) { o.Spread = false })
		began := time.Now()
		th.store.writeFault = func() error { return errors.New("the database is away") }
		th.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, th.Poller)
		<-time.After(time.Minute)
		hash := time.Now()
		stop()
		if took := time.Since(hash); took > 10*time.Second {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestARejectedRowAffectsNoOtherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 10)
		th.store.rejected = map[songspy.UserID]error{3: errors.New("a title that no database takes")}
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) {
			over := time.Since(began) / (200 * time.Second) // one song after another
			return song(fmt.Sprint("song-", int(over)), began.Add(over*200*time.Second))
		}
		stop := runPoller(t, th.Poller)
		<-time.After(th.Interval)
		written := map[songspy.UserID]bool{}
		heard, _ := th.store.writes()
		for _, h := range heard {
			written[h.Playing.UserID] = true
		}
		if len(written) != 9 || written[3] {
			t.Errorf("written for %v, want the other nine", written)
		}
		// The person comes back with what is stored, and is tried again.
		th.store.mu.Lock()
		th.store.rejected = nil
		th.store.mu.Unlock()
		<-time.After(3 * th.Interval)
		stop()
		if got := th.store.users[3].Playing.TrackURI; got == "" {
			t.Error("the person was never written again")
		}
	})
}

func TestTheStoresTrackIDIsKeptWithTheOpenPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) {
			if time.Since(began) > 200*time.Second {
				return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: time.Second, At: time.Now()}, nil
			}
			return song("one", began)
		}
		stop := runPoller(t, th.Poller)
		<-time.After(10 * time.Minute)
		stop()
		var plays []songspy.Play
		for _, h := range th.store.updates {
			plays = append(plays, h.Plays...)
		}
		if len(plays) != 1 || plays[0].TrackID != 7 {
			t.Errorf("the play was written as %+v; want one, of the track that the store numbered", plays)
		}
	})
}
