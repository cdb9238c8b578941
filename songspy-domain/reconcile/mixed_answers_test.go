package reconcile

import (
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// mixedTimeline is a timeline whose answers to polls show the new track with the final progress of
// the previous one, for the time mixedFor after each change of the track.
type mixedTimeline struct {
	timeline
	mixedFor time.Duration
}

func (m mixedTimeline) Poll(now time.Time) songspy.Observation {
	o := m.timeline.Poll(now)
	for i := 1; i < len(m.timeline)-1; i++ {
		s := m.timeline[i]
		if o.Kind == songspy.ObservedPlaying && !now.Before(s.Start) && now.Before(s.Start.Add(m.mixedFor)) {
			o.Progress = m.timeline[i-1].End.Sub(m.timeline[i-1].Start)
		}
	}
	return o
}

// If an answer has the new track and the progress of the old one, the start that is computed for the
// new track is too early, within the time of the old track. History then lists all plays. After it is
// reconciled, each play must be stored exactly once.
func TestReconcile_StoresEachListedPlayOnceAfterMixedAnswers(t *testing.T) {
	for name, plan := range map[string]planPoll{"partial plays listed": playback.NextPoll, "whole plays listed": playback.NextPollWithProof} {
		for second := 60; second <= 320; second += 20 {
			for third := 60; third <= 320; third += 20 {
				for _, leftAfter := range []int{0, 40, 90} { // in seconds; 0 if the second track is played to its end
					for _, mixedFor := range []time.Duration{1600 * time.Millisecond, 3 * time.Second, 5900 * time.Millisecond} {
						tr := playInSequence(180, second, third, 200)
						if leftAfter > 0 && leftAfter < second {
							shorten(tr, 1, time.Duration(second-leftAfter)*time.Second)
						}
						plays := pollPlanned(tr, mixedTimeline{tr, mixedFor}.Poll, plan)
						for _, byEnd := range []bool{false, true} {
							if faults := storedOnce(tr, plays, byEnd); faults != "" {
								t.Fatalf("%s, tracks of 180, %d, %d and 200 s, the second left after %d s, mixed for %v, history tells ends %t: %s",
									name, second, third, leftAfter, mixedFor, byEnd, faults)
							}
						}
					}
				}
			}
		}
	}
}

// shorten makes span i shorter by the given duration, and moves the spans after it earlier by the
// same duration.
func shorten(tr timeline, i int, by time.Duration) {
	tr[i].End = tr[i].End.Add(-by)
	for j := i + 1; j < len(tr); j++ {
		tr[j].Start, tr[j].End = tr[j].Start.Add(-by), tr[j].End.Add(-by)
	}
}

// storedOnce reconciles the plays with a history that lists all plays of the timeline. It returns a
// text that names the tracks that are not stored exactly once afterwards, or "" if there are none.
// Probable plays do not count as stored.
func storedOnce(tr timeline, plays []songspy.StoredPlay, byEnd bool) (faults string) {
	var items []songspy.HistoryItem
	for _, s := range tr[:len(tr)-1] {
		item := songspy.HistoryItem{Track: s.Track, PlayedAt: s.Start}
		if byEnd {
			item.PlayedAt = s.End
		}
		items = append(items, item)
	}
	count := map[string]int{}
	for _, k := range applyTo(plays, reconcileAll(storedPlays(plays, nil), items, tr[len(tr)-1].Start.Add(time.Hour))) {
		if !k.Play.Probable {
			count[k.Track.URI]++
		}
	}
	for i, item := range items {
		if n := count[item.Track.URI]; n != 1 {
			faults += fmt.Sprintf("track %d is stored %d times; ", i, n)
		}
	}
	return faults
}

// TestReconcile_MovesAStartToItsItem: the start of a stored play is about 200 s too early. It must move to
// the start that history shows, and the play must keep the listening time that polls observed. The
// start must stay if polls saw the track before the new start, or if no item shows a later start.
func TestReconcile_MovesAStartToItsItem(t *testing.T) {
	polled := storedPlay(songA, 100, 500, 150, false) // its true start is 300 s
	for name, tt := range map[string]struct {
		items  []songspy.HistoryItem
		starts float64
	}{
		"history tells starts":                 {[]songspy.HistoryItem{historyItem(songB, 100), historyItem(songA, 300)}, 300},
		"history tells ends":                   {[]songspy.HistoryItem{historyItem(songB, 280), historyItem(songA, 500)}, 280},
		"polls saw the track before that time": {[]songspy.HistoryItem{historyItem(songB, 440), historyItem(songA, 500)}, 100},
		"history lists no other track":         {[]songspy.HistoryItem{historyItem(songA, 500)}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			known := []songspy.StoredPlay{polled}
			for i := range 6 { // these plays show whether PlayedAt is the start or the end
				from := -5000 + 500*float64(i)
				known = append(known, storedPlay(songB, from, from+180, 180, false))
				edge := from
				if name != "history tells starts" {
					edge += 180
				}
				tt.items = append(tt.items, historyItem(songB, edge))
			}
			for _, k := range applyTo(known, reconcileAll(storedPlays(known, nil), tt.items, at(4000))) {
				if k.Play.ID != polled.Play.ID {
					continue
				}
				if got := secondsIn(k.Play.StartedAt); got != tt.starts {
					t.Errorf("the play starts at %v, want %v", got, tt.starts)
				}
				if k.Play.ListenedMS != polled.Play.ListenedMS {
					t.Errorf("the play has %d ms, want %d", k.Play.ListenedMS, polled.Play.ListenedMS)
				}
			}
		})
	}
}
