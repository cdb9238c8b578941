package main

import (
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// watches returns what viewers watch now, as the batch reads it.
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
