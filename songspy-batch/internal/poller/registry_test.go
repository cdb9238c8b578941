package poller

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
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
		arrival  mergeResult
		token    songspy.Secret
		observed time.Time
	}{
		{"an older sighting and token", storedUser(2, 4, now.Add(-time.Minute)), alreadyKnown, "5", now},
		{"a newer token", storedUser(2, 6, now.Add(-time.Minute)), alreadyKnown, "6", now},
		{"a newer sighting", storedUser(2, 5, now.Add(time.Minute)), alreadyKnown, "5", now.Add(time.Minute)},
		{"a new link that was not looked at", storedUser(3, 1, time.Time{}), relinked, "1", time.Time{}},
		{"a former link", storedUser(1, 9, now.Add(time.Minute)), alreadyKnown, "5", now},
	}
	for _, tt := range tests {
		r := newRegistry(func(songspy.UserID) {})
		if got := r.merge(storedUser(2, 5, now), coverage{}); got != added {
			t.Fatalf("the first reading is %d", got)
		}
		if got := r.merge(tt.read, coverage{}); got != tt.arrival {
			t.Errorf("%s: arrival %d, want %d", tt.name, got, tt.arrival)
		}
		_, l, _ := r.beginPoll(1)
		if l.access.Token != tt.token || !l.playing.ObservedAt.Equal(tt.observed) {
			t.Errorf("%s: token %s observed %s, want %s and %s", tt.name, l.access.Token.Reveal(), l.playing.ObservedAt, tt.token.Reveal(), tt.observed)
		}
	}
}

func TestUsersMissingFromAFullReadAreRemovedAndNewOnesStay(t *testing.T) {
	var left []songspy.UserID
	r := newRegistry(func(id songspy.UserID) { left = append(left, id) })
	listener := func(id songspy.UserID) songspy.PolledUser {
		return songspy.PolledUser{Link: songspy.Link{UserID: id, Generation: 1}}
	}
	r.beginRead()
	r.merge(listener(1), coverage{})
	r.merge(listener(2), coverage{})
	round := r.beginRead()
	r.merge(listener(2), coverage{})
	r.merge(listener(3), coverage{}) // told by the feed while the reading went on
	r.removeUnread(round)
	if len(left) != 1 || left[0] != 1 || r.len() != 2 {
		t.Errorf("%v left and %d stayed; want 1 to leave", left, r.len())
	}
}

func TestAMillionUsersStayUnderHalfAGibibyte(t *testing.T) {
	const users = 100_000
	before := heapBytes()
	r, queue := registryOf(users)
	// The collector lets the heap grow to twice what lives on it.
	each := float64(heapBytes()-before) / users
	t.Logf("%.0f bytes a listener", each)
	if most := float64(1<<29) / 1e6; each > most {
		t.Errorf("%.0f bytes a listener, want %.0f at the most", each, most)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(queue)
}

// crowd is a roster of so many people, a tenth of whom hear something, and the
// queue of their looks.
func registryOf(users songspy.UserID) (*registry, *delayqueue.Queue[songspy.UserID]) {
	queue := delayqueue.New[songspy.UserID](time.Now)
	r := newRegistry(queue.Remove)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for id := range users {
		l := songspy.PolledUser{
			Link: songspy.Link{
				UserID: id, State: songspy.LinkActive, Generation: 1, Version: 1, AccessExpiresAt: now, CreatedAt: now,
				AccessToken:  songspy.Secret(strings.Clone(strings.Repeat("a", 250))), // as long as Spotify's
				RefreshToken: songspy.Secret(strings.Repeat("r", 130)), Scope: strings.Repeat("s", 60),
			},
			Playing: songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: now, OtherSeenAt: now},
		}
		if id%10 == 0 {
			ends := now.Add(time.Minute)
			l.Playing = songspy.NowPlaying{
				State: songspy.PlayerPlaying, TrackURI: fmt.Sprintf("spotify:track:%022d", id), ObservedAt: now, EndsAt: &ends,
			}
		}
		r.merge(l, coverage{watchedUntil: now, history: playback.HistoryState{FetchedAt: now}})
		queue.Plan(id, time.UnixMicro(int64(id)))
	}
	return r, queue
}

// BenchmarkCollect measures what one round of the collector costs for a
// million listeners: a look among so many pays for a part of one.
func BenchmarkCollect(b *testing.B) {
	r, queue := registryOf(1_000_000)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(queue)
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestPartialPlayHabitIsTheAccountsOwnElseTheMajoritys(t *testing.T) {
	lists, omits := songspy.PartialPlayCounts{Listed: 5}, songspy.PartialPlayCounts{Unlisted: 5}
	once, missed := songspy.PartialPlayCounts{Listed: 1}, songspy.PartialPlayCounts{Unlisted: 1}
	for name, tt := range map[string]struct {
		others []songspy.PartialPlayCounts
		own    songspy.PartialPlayCounts
		want   bool
	}{
		"nobody has shown anything":             {nil, songspy.PartialPlayCounts{}, false},
		"two are not enough":                    {[]songspy.PartialPlayCounts{lists, lists, once}, songspy.PartialPlayCounts{}, false},
		"three that list them":                  {[]songspy.PartialPlayCounts{lists, lists, lists}, songspy.PartialPlayCounts{}, true},
		"most list them":                        {[]songspy.PartialPlayCounts{lists, lists, lists, omits}, songspy.PartialPlayCounts{}, true},
		"one play each is not enough":           {[]songspy.PartialPlayCounts{once, once, once, once}, songspy.PartialPlayCounts{}, false},
		"one play outvotes nobody":              {[]songspy.PartialPlayCounts{lists, lists, lists, missed, missed, missed}, songspy.PartialPlayCounts{}, true},
		"half of them list them":                {[]songspy.PartialPlayCounts{lists, lists, omits, omits}, songspy.PartialPlayCounts{}, false},
		"it lists them itself":                  {[]songspy.PartialPlayCounts{omits, omits, omits}, lists, true},
		"it leaves them out itself":             {[]songspy.PartialPlayCounts{lists, lists, lists}, omits, false},
		"one play of its own does not decide":   {[]songspy.PartialPlayCounts{omits, omits, omits}, once, false},
		"accounts that have left do not decide": {[]songspy.PartialPlayCounts{lists, lists, lists}, songspy.PartialPlayCounts{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(func(songspy.UserID) {})
			add := func(id songspy.UserID, h songspy.PartialPlayCounts) {
				r.merge(songspy.PolledUser{Link: songspy.Link{UserID: id, Generation: 1}, PartialPlays: h}, coverage{})
			}
			for i, h := range tt.others {
				add(songspy.UserID(i+2), h)
			}
			if name == "accounts that have left do not decide" {
				r.remove(2, nil)
			}
			add(1, tt.own)
			if _, l, _ := r.beginPoll(1); l.listsPartial != tt.want {
				t.Errorf("partial plays are taken to be listed: %t", l.listsPartial)
			}
		})
	}
}

func TestALearnedHabitCountsAtOnce(t *testing.T) {
	r := newRegistry(func(songspy.UserID) {})
	r.merge(songspy.PolledUser{Link: songspy.Link{UserID: 1, Generation: 1}}, coverage{})
	entry, _, _ := r.lookup(1)
	for range 3 {
		r.recordHistoryFetch(1, entry, time.Now(), 0, songspy.PartialPlayCounts{Listed: 1})
	}
	if _, l, _ := r.beginPoll(1); !l.listsPartial || l.habit != (songspy.PartialPlayCounts{Listed: 3}) {
		t.Errorf("after three answers: %+v, partial %t", l.habit, l.listsPartial)
	}
}
