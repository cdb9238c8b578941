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
		h := newHarness(t, 1200, func(o *Options) { o.Spread = false })
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, h.Poller)
		<-time.After(2 * writeBatchAge)
		updates, batches := h.store.writes()
		if n := len(updates); n != 1200 {
			t.Errorf("%d of 1200 updates were written within %s", n, 2*writeBatchAge)
		}
		for _, n := range batches {
			if n > writeBatchSize {
				t.Errorf("a batch of %d updates", n)
			}
		}
		if n := len(batches); n > 4 {
			t.Errorf("%d batches for 1200 updates", n)
		}
		stop()
	})
}

func TestRefusedWritesAreRetriedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 5, func(o *Options) { o.Interval = 30 * time.Second })
		began := time.Now()
		h.store.writeFault = func() error {
			if time.Since(began) < 10*time.Minute {
				return errors.New("the database is unavailable")
			}
			return nil
		}
		h.player.answer = func(string) (songspy.Observation, error) {
			round := time.Since(began) / (210 * time.Second)
			return song(string(rune('a'+round)), began.Add(round*210*time.Second))
		}
		stop := runPoller(t, h.Poller)
		<-time.After(5 * time.Minute)
		if err := h.Ready(t.Context()); err == nil {
			t.Error("the poller is ready while the database is unavailable")
		}
		<-time.After(15 * time.Minute)
		if err := h.Ready(t.Context()); err != nil {
			t.Errorf("the poller is not ready although the database works again: %v", err)
		}
		stop()
		last := map[songspy.UserID]time.Time{}
		plays := map[songspy.UserID]int{}
		for _, u := range h.store.updates {
			id := u.Playing.UserID
			if u.Playing.ObservedAt.Before(last[id]) {
				t.Fatalf("the updates of user %d are out of order", id)
			}
			last[id] = u.Playing.ObservedAt
			plays[id] += len(u.Plays)
		}
		for id, n := range plays {
			if n < 4 {
				t.Errorf("user %d: %d plays of five songs were written", id, n)
			}
		}
		if len(plays) != 5 {
			t.Errorf("plays of %d users, want 5", len(plays))
		}
	})
}

func TestAnUnavailableDatabaseDoesNotDelayShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 2000, func(o *Options) { o.Spread = false })
		began := time.Now()
		h.store.writeFault = func() error { return errors.New("the database is unavailable") }
		h.player.answer = func(string) (songspy.Observation, error) { return song("one", began) }
		stop := runPoller(t, h.Poller)
		<-time.After(time.Minute)
		stopping := time.Now()
		stop()
		if took := time.Since(stopping); took > 10*time.Second {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestARejectedRowAffectsNoOtherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 10)
		h.store.rejected = map[songspy.UserID]error{3: errors.New("the database rejects this title")}
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) {
			number := time.Since(began) / (200 * time.Second) // one song after another
			return song(fmt.Sprint("song-", int(number)), began.Add(number*200*time.Second))
		}
		stop := runPoller(t, h.Poller)
		<-time.After(h.opt.Interval)
		written := map[songspy.UserID]bool{}
		updates, _ := h.store.writes()
		for _, u := range updates {
			written[u.Playing.UserID] = true
		}
		if len(written) != 9 || written[3] {
			t.Errorf("updates were written for %v, want the other nine users", written)
		}
		// When the database accepts the title, the poller must read the user
		// from the store again, and an update of the user must be written.
		h.store.mu.Lock()
		h.store.rejected = nil
		h.store.mu.Unlock()
		<-time.After(3 * h.opt.Interval)
		stop()
		if got := h.store.users[3].Playing.TrackURI; got == "" {
			t.Error("no update of the user was written afterwards")
		}
	})
}

func TestTheStoresTrackIDIsKeptWithTheOpenPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) {
			if time.Since(began) > 200*time.Second {
				return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: time.Second, At: time.Now()}, nil
			}
			return song("one", began)
		}
		stop := runPoller(t, h.Poller)
		<-time.After(10 * time.Minute)
		stop()
		var plays []songspy.Play
		for _, u := range h.store.updates {
			plays = append(plays, u.Plays...)
		}
		if len(plays) != 1 || plays[0].TrackID != 7 {
			t.Errorf("the play was written as %+v, want one with the store's track id", plays)
		}
	})
}
