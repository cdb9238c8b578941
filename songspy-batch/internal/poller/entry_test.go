package poller

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

func TestAnEntryHoldsTheWholeState(t *testing.T) {
	at := rapid.Custom(func(rt *rapid.T) time.Time {
		if rapid.Bool().Draw(rt, "unknown") {
			return time.Time{}
		}
		return time.UnixMicro(1_790_000_000_000_000 + rapid.Int64Range(0, 3).Draw(rt, "micros")).UTC()
	})
	uri := rapid.SampledFrom([]string{"", "", "spotify:track:1", "spotify:track:2", "spotify:local:" + strings.Repeat("a", 70)})
	// The generator draws a state in which every field may be set. It finds the fields by
	// reflection, so that it also sets fields that songspy.NowPlaying gains later.
	playing := rapid.Custom(func(rt *rapid.T) (n songspy.NowPlaying) {
		v := reflect.ValueOf(&n).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch f := v.Field(i).Addr().Interface().(type) {
			case *time.Time:
				*f = at.Draw(rt, name)
			case **time.Time:
				if value := at.Draw(rt, name); !value.IsZero() {
					*f = &value
				}
			case *string:
				*f = uri.Draw(rt, name)
			case *songspy.PlayerState:
				*f = rapid.SampledFrom([]songspy.PlayerState{"", songspy.PlayerIdle, songspy.PlayerPlaying}).Draw(rt, name)
			case *bool:
				*f = rapid.Bool().Draw(rt, name)
			default:
				v.Field(i).SetInt(rapid.Int64Range(-1, 1).Draw(rt, name))
			}
		}
		n.UserID, n.Generation = 7, 3
		if rapid.Bool().Draw(rt, "idle") {
			n = songspy.NowPlaying{UserID: 7, Generation: 3, State: n.State, ObservedAt: n.ObservedAt, OtherSeenAt: n.OtherSeenAt}
		}
		return n
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := newEntries()
		e := s.add(7)
		e.generation = 3
		for range rapid.IntRange(1, 4).Draw(rt, "times") { // earlier states must leave no trace
			n := playing.Draw(rt, "playing")
			history := playback.HistoryState{
				FetchedAt: at.Draw(rt, "fetched"), UncoveredUntil: at.Draw(rt, "until"), PlaysSince: rapid.IntRange(0, 50).Draw(rt, "plays"),
				Reason: rapid.SampledFrom([]playback.HistoryReason{"", playback.HistorySessionEnd}).Draw(rt, "reason"),
			}
			s.setPlaying(e, n)
			s.setHistoryState(e, history)
			if got := s.state(7, e); !reflect.DeepEqual(got.playing, n) || got.history != history {
				rt.Fatalf("%+v %+v became %+v %+v", n, history, got.playing, got.history)
			}
			if s.isOpen(e) != n.IsOpen() {
				rt.Fatalf("%+v is open: %t", n, s.isOpen(e))
			}
		}
	})
}

func TestAnIdleEntryAllocatesNothing(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := newEntries()
	e := s.add(1)
	s.setHistoryState(e, playback.HistoryState{FetchedAt: now, PlaysSince: 3})
	for _, n := range []songspy.NowPlaying{{}, {State: songspy.PlayerIdle, ObservedAt: now, OtherSeenAt: now}} {
		s.setPlaying(e, n)
		if e.open != 0 {
			t.Errorf("%+v was allocated", n)
		}
	}
}

func TestTheCollectorReadsNoEntry(t *testing.T) {
	for _, row := range []any{entry{}, openPlay{}} {
		if pointer := pointerIn(reflect.TypeOf(row)); pointer != "" {
			t.Errorf("%T has the pointer %s", row, pointer)
		}
	}
	if size := unsafe.Sizeof(entry{}); size > 128 {
		t.Errorf("an entry has %d bytes, more than two cache lines", size)
	}
}

// pointerIn returns the path of a field that holds a pointer, or an empty text if there is none.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if inner := pointerIn(f.Type); inner != "" {
				return f.Name + " " + inner
			}
		}
		return ""
	case reflect.Array:
		return pointerIn(t.Elem())
	}
	if t.Kind() >= reflect.Bool && t.Kind() <= reflect.Complex128 && t.Kind() != reflect.Uintptr {
		return ""
	}
	return t.String()
}
