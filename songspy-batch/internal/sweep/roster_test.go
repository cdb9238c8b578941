package sweep

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

func reading(generation, version int64, observed time.Time) songspy.Listener {
	return songspy.Listener{
		Link:    songspy.Link{UserID: 1, State: songspy.LinkActive, Generation: generation, Version: version, AccessToken: songspy.Secret(fmt.Sprint(version))},
		Playing: songspy.NowPlaying{UserID: 1, ObservedAt: observed, Generation: generation},
	}
}

func TestAReadingOfTheStoreTakesOverOnlyWhatIsNewer(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		read     songspy.Listener
		arrival  arrival
		token    songspy.Secret
		observed time.Time
	}{
		{"an older sighting and token", reading(2, 4, now.Add(-time.Minute)), known, "5", now},
		{"a newer token", reading(2, 6, now.Add(-time.Minute)), known, "6", now},
		{"a newer sighting", reading(2, 5, now.Add(time.Minute)), known, "5", now.Add(time.Minute)},
		{"a new link that was not looked at", reading(3, 1, time.Time{}), relinked, "1", time.Time{}},
		{"a former link", reading(1, 9, now.Add(time.Minute)), known, "5", now},
	}
	for _, tt := range tests {
		r := newRoster(func(songspy.UserID) {})
		if got := r.merge(reading(2, 5, now), past{}); got != fresh {
			t.Fatalf("the first reading is %d", got)
		}
		if got := r.merge(tt.read, past{}); got != tt.arrival {
			t.Errorf("%s: arrival %d, want %d", tt.name, got, tt.arrival)
		}
		_, l, _ := r.begin(1)
		if l.access.Token != tt.token || !l.playing.ObservedAt.Equal(tt.observed) {
			t.Errorf("%s: token %s observed %s, want %s and %s", tt.name, l.access.Token.Reveal(), l.playing.ObservedAt, tt.token.Reveal(), tt.observed)
		}
	}
}

func TestWhoIsMissingFromAWholeReadingLeavesWhoCameMeanwhileStays(t *testing.T) {
	var left []songspy.UserID
	r := newRoster(func(id songspy.UserID) { left = append(left, id) })
	listener := func(id songspy.UserID) songspy.Listener {
		return songspy.Listener{Link: songspy.Link{UserID: id, Generation: 1}}
	}
	r.nextRound()
	r.merge(listener(1), past{})
	r.merge(listener(2), past{})
	round := r.nextRound()
	r.merge(listener(2), past{})
	r.merge(listener(3), past{}) // told by the feed while the reading went on
	r.removeAbsent(round)
	if len(left) != 1 || left[0] != 1 || r.len() != 2 {
		t.Errorf("%v left and %d stayed; want 1 to leave", left, r.len())
	}
}

func TestAMillionListenersStayUnderHalfAGibibyte(t *testing.T) {
	const people = 100_000
	before := heap()
	r, queue := crowd(people)
	// The collector lets the heap grow to twice what lives on it.
	each := float64(heap()-before) / people
	t.Logf("%.0f bytes a listener", each)
	if most := float64(1<<29) / 1e6; each > most {
		t.Errorf("%.0f bytes a listener, want %.0f at the most", each, most)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(queue)
}

// crowd is a roster of so many people, a tenth of whom hear something, and the
// queue of their looks.
func crowd(people songspy.UserID) (*roster, *due.Queue[songspy.UserID]) {
	queue := due.New[songspy.UserID]()
	r := newRoster(queue.Drop)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for id := range people {
		l := songspy.Listener{
			Link: songspy.Link{
				UserID: id, State: songspy.LinkActive, Generation: 1, Version: 1, AccessExpiresAt: now, CreatedAt: now,
				AccessToken:  songspy.Secret(strings.Clone(strings.Repeat("a", 250))), // as long as Spotify's
				RefreshToken: songspy.Secret(strings.Repeat("r", 130)), Scope: strings.Repeat("s", 60),
			},
			Playing: songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: now, ElsewhereAt: now},
		}
		if id%10 == 0 {
			ends := now.Add(time.Minute)
			l.Playing = songspy.NowPlaying{
				State: songspy.PlayerPlaying, TrackURI: fmt.Sprintf("spotify:track:%022d", id), ObservedAt: now, EndsAt: &ends,
			}
		}
		r.merge(l, past{watched: now, untold: listening.Untold{AskedAt: now}})
		queue.Plan(id, time.UnixMicro(int64(id)))
	}
	return r, queue
}

// BenchmarkCollect measures what one round of the collector costs for a
// million listeners: a look among so many pays for a part of one.
func BenchmarkCollect(b *testing.B) {
	r, queue := crowd(1_000_000)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(queue)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
