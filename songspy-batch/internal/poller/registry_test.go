package poller

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

func storedUser(generation, version int64, observed time.Time) songspy.PolledUser {
	return songspy.PolledUser{
		Link:    songspy.Link{UserID: 1, State: songspy.LinkActive, Generation: generation, Version: version, AccessToken: songspy.Secret(fmt.Sprint(version))},
		Playing: songspy.NowPlaying{UserID: 1, ObservedAt: observed, Generation: generation},
	}
}

func TestMergeTakesOverOnlyNewerStoreData(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		read     songspy.PolledUser
		result   mergeResult
		token    songspy.Secret
		observed time.Time
	}{
		{"an older state and token", storedUser(2, 4, now.Add(-time.Minute)), alreadyKnown, "5", now},
		{"a newer token", storedUser(2, 6, now.Add(-time.Minute)), alreadyKnown, "6", now},
		{"a newer state", storedUser(2, 5, now.Add(time.Minute)), alreadyKnown, "5", now.Add(time.Minute)},
		{"a new link that was not polled", storedUser(3, 1, time.Time{}), relinked, "1", time.Time{}},
		{"an older link", storedUser(1, 9, now.Add(time.Minute)), alreadyKnown, "5", now},
	}
	for _, tt := range tests {
		r := NewRegistry(time.Now, nil)
		if got := r.merge(storedUser(2, 5, now), coverage{}); got != added {
			t.Fatalf("the first merge returned %d", got)
		}
		if got := r.merge(tt.read, coverage{}); got != tt.result {
			t.Errorf("%s: merge returned %d, want %d", tt.name, got, tt.result)
		}
		state, _ := r.beginPoll(1)
		if state.access.Token != tt.token || !state.playing.ObservedAt.Equal(tt.observed) {
			t.Errorf("%s: token %s observed %s, want %s and %s", tt.name, state.access.Token.Reveal(), state.playing.ObservedAt, tt.token.Reveal(), tt.observed)
		}
	}
}

func TestAnEarlierEntryOfAUserChangesNothing(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, replace := range map[string]func(*Registry){
		"linked again":      func(r *Registry) { r.merge(storedUser(3, 1, now), coverage{}) },
		"removed and added": func(r *Registry) { r.removeUser(1); r.merge(storedUser(2, 5, now), coverage{}) },
		"removed":           func(r *Registry) { r.removeUser(1) },
		"removed, and another user added": func(r *Registry) {
			r.removeUser(1)
			u := storedUser(2, 5, now)
			u.Link.UserID = 2
			r.merge(u, coverage{})
		},
	} {
		r := NewRegistry(time.Now, nil)
		r.merge(storedUser(2, 5, now), coverage{})
		state, _ := r.beginPoll(1)
		replace(r)
		states := func() (all [2]userState) {
			all[0], _ = r.lookup(1)
			all[1], _ = r.lookup(2)
			return all
		}
		before := states()
		playing := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:1", ObservedAt: now.Add(time.Minute)}
		if _, ok := r.update(state.entryRef, stateUpdate{playing: playing, mustSave: true}); ok {
			t.Errorf("%s: the old poll was stored", name)
		}
		r.recordFailure(state.entryRef, songspy.GapUnseen)
		r.recordHistoryFetch(state.entryRef, now, 7, songspy.PartialPlayCounts{Listed: 1})
		r.written(state.entryRef, "", songspy.PlaybackUpdateResult{TrackID: 7})
		r.correctClock(state, now.AddDate(-1, 0, 0))
		if _, newer := r.takeUnsavedIdle(state.entryRef); newer {
			t.Errorf("%s: the old poll's state was taken", name)
		}
		if r.endPoll(state.entryRef, plannedPoll{at: now, reason: reasonRetry}); r.polls.Pending(1) {
			t.Errorf("%s: the old poll was planned again", name)
		}
		r.remove(state.entryRef)
		if after := states(); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: the old poll changed %+v to %+v", name, before, after)
		}
	}
}

func TestAHistoryFetchThatEndsDuringAPollStaysRecorded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := NewRegistry(time.Now, nil)
	uncovered := playback.HistoryState{FetchedAt: now.Add(-time.Hour), UncoveredUntil: now.Add(-30 * time.Minute), Reason: playback.HistoryUncovered}
	r.merge(storedUser(2, 5, now.Add(-time.Minute)), coverage{history: uncovered})
	before, _ := r.beginPoll(1)
	r.recordHistoryFetch(before.entryRef, now, 1, songspy.PartialPlayCounts{})
	during := before.history
	during.PlaysSince++ // the poll has ended a play
	kept, ok := r.update(before.entryRef, stateUpdate{songspy.NowPlaying{UserID: 1, Generation: 2, ObservedAt: now}, during, false})
	after, _ := r.lookup(1)
	if want := uncovered.AfterFetch(now); after.history != want || kept != want || !ok {
		t.Errorf("after the poll the history state is %+v, and update returns %+v, %t; want that of the fetch: %+v", after.history, kept, ok, want)
	}
}

func TestUsersMissingFromAFullReadAreRemovedAndNewOnesStay(t *testing.T) {
	r := NewRegistry(time.Now, nil)
	user := func(id songspy.UserID) songspy.PolledUser {
		r.polls.Schedule(id, time.Now())
		return songspy.PolledUser{Link: songspy.Link{UserID: id, Generation: 1}}
	}
	r.beginRead()
	r.merge(user(1), coverage{})
	r.merge(user(2), coverage{})
	round := r.beginRead()
	r.merge(user(2), coverage{})
	r.merge(user(3), coverage{}) // the feed reports user 3 during the read
	r.removeUnread(round)
	if r.entries.get(1) != nil || r.polls.Pending(1) || !r.polls.Pending(2) || !r.polls.Pending(3) || r.len() != 2 {
		t.Errorf("%d users and %d polls remain, want users 2 and 3", r.len(), r.polls.Len())
	}
}

// registryOf returns a registry of users with planned polls.
func registryOf(users songspy.UserID) *Registry {
	r := NewRegistry(time.Now, nil)
	fill(r, users)
	return r
}

// fill adds users with planned polls. A tenth of the users are listening.
func fill(r *Registry, users songspy.UserID) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for id := range users {
		u := songspy.PolledUser{
			Link: songspy.Link{
				UserID: id, State: songspy.LinkActive, Generation: 1, Version: 1, AccessExpiresAt: now, CreatedAt: now,
				AccessToken:  songspy.Secret(strings.Clone(strings.Repeat("a", 250))), // as long as Spotify's access tokens
				RefreshToken: songspy.Secret(strings.Repeat("r", 130)), Scope: strings.Repeat("s", 60),
			},
			Playing: songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: now, OtherSeenAt: now},
		}
		if id%10 == 0 {
			ends := now.Add(time.Minute)
			u.Playing = songspy.NowPlaying{
				State: songspy.PlayerPlaying, TrackURI: fmt.Sprintf("spotify:track:%022d", id), ObservedAt: now, EndsAt: &ends,
			}
		}
		r.merge(u, coverage{answeredUntil: now, history: playback.HistoryState{FetchedAt: now}})
		r.polls.Schedule(id, time.UnixMicro(int64(id)))
	}
}

// BenchmarkCollect measures one garbage collection with a million users, because
// collections are part of the cost of polls. It compares the registry with a slice of
// pointers to structs, which hold their tokens and open plays by pointers too.
func BenchmarkCollect(b *testing.B) {
	const users = 1_000_000
	b.Run("registry", func(b *testing.B) {
		r := registryOf(users)
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(r)
	})
	b.Run("pointers", func(b *testing.B) {
		type user struct {
			entry
			token   songspy.Secret
			playing *songspy.NowPlaying
		}
		r, all := registryOf(10), make([]*user, users)
		for i := range all {
			state, _ := r.lookup(songspy.UserID(i % 10))
			all[i] = &user{entry: entry{generation: 1}, token: state.access.Token}
			if playing := state.playing; playing.IsOpen() {
				all[i].playing = &playing
			}
		}
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(all)
	})
}

func TestPartialPlayHabitIsTheAccountsOwnElseTheMajoritys(t *testing.T) {
	lists, omits := songspy.PartialPlayCounts{Listed: 5}, songspy.PartialPlayCounts{Unlisted: 5}
	once, missed := songspy.PartialPlayCounts{Listed: 1}, songspy.PartialPlayCounts{Unlisted: 1}
	for name, tt := range map[string]struct {
		others []songspy.PartialPlayCounts
		own    songspy.PartialPlayCounts
		want   bool
		whole  bool // whether the history is known to list whole plays only
	}{
		"no account has a known habit":        {nil, songspy.PartialPlayCounts{}, false, false},
		"two are not enough":                  {[]songspy.PartialPlayCounts{lists, lists, once}, songspy.PartialPlayCounts{}, false, false},
		"three that list them":                {[]songspy.PartialPlayCounts{lists, lists, lists}, songspy.PartialPlayCounts{}, true, false},
		"most list them":                      {[]songspy.PartialPlayCounts{lists, lists, lists, omits}, songspy.PartialPlayCounts{}, true, false},
		"one play each is not enough":         {[]songspy.PartialPlayCounts{once, once, once, once}, songspy.PartialPlayCounts{}, false, false},
		"one play does not count":             {[]songspy.PartialPlayCounts{lists, lists, lists, missed, missed, missed}, songspy.PartialPlayCounts{}, true, false},
		"half of them list them":              {[]songspy.PartialPlayCounts{lists, lists, omits, omits}, songspy.PartialPlayCounts{}, false, false},
		"its own history lists them":          {[]songspy.PartialPlayCounts{omits, omits, omits}, lists, true, false},
		"its own history omits them":          {[]songspy.PartialPlayCounts{lists, lists, lists}, omits, false, true},
		"one play of its own does not decide": {[]songspy.PartialPlayCounts{omits, omits, omits}, once, false, true},
		"removed accounts do not decide":      {[]songspy.PartialPlayCounts{lists, lists, lists}, songspy.PartialPlayCounts{}, false, false},
		"most omit them":                      {[]songspy.PartialPlayCounts{lists, omits, omits, omits}, songspy.PartialPlayCounts{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRegistry(time.Now, nil)
			add := func(id songspy.UserID, h songspy.PartialPlayCounts) {
				r.merge(songspy.PolledUser{Link: songspy.Link{UserID: id, Generation: 1}, PartialPlays: h}, coverage{})
			}
			for i, h := range tt.others {
				add(songspy.UserID(i+2), h)
			}
			if name == "removed accounts do not decide" {
				r.removeUser(2)
			}
			add(1, tt.own)
			state, _ := r.beginPoll(1)
			if lists := state.habit == listsPartialPlays; lists != tt.want {
				t.Errorf("partial plays are assumed to be listed: %t, want %t", lists, tt.want)
			}
			if whole := state.habit == omitsPartialPlays; whole != tt.whole {
				t.Errorf("known to list whole plays only: %t, want %t", whole, tt.whole)
			}
		})
	}
}

func TestALearnedHabitCountsAtOnce(t *testing.T) {
	r := NewRegistry(time.Now, nil)
	r.merge(songspy.PolledUser{Link: songspy.Link{UserID: 1, Generation: 1}}, coverage{})
	state, _ := r.lookup(1)
	for range 3 {
		r.recordHistoryFetch(state.entryRef, time.Now(), 0, songspy.PartialPlayCounts{Listed: 1})
	}
	if state, _ := r.beginPoll(1); state.habit != listsPartialPlays || state.partialPlays != (songspy.PartialPlayCounts{Listed: 3}) {
		t.Errorf("after three answers the counts are %+v, the habit is %d", state.partialPlays, state.habit)
	}
}
