package sweep

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestHistoryIsTakenToListPartialPlaysByTheAccountItselfElseByMost(t *testing.T) {
	lists, leavesOut := songspy.HistoryHabit{Listed: 5}, songspy.HistoryHabit{Unlisted: 5}
	once, missed := songspy.HistoryHabit{Listed: 1}, songspy.HistoryHabit{Unlisted: 1}
	for name, tt := range map[string]struct {
		others []songspy.HistoryHabit
		own    songspy.HistoryHabit
		want   bool
		whole  bool // it is known to list only whole plays
	}{
		"nobody has shown anything":             {nil, songspy.HistoryHabit{}, false, false},
		"two are not enough":                    {[]songspy.HistoryHabit{lists, lists, once}, songspy.HistoryHabit{}, false, false},
		"three that list them":                  {[]songspy.HistoryHabit{lists, lists, lists}, songspy.HistoryHabit{}, true, false},
		"most list them":                        {[]songspy.HistoryHabit{lists, lists, lists, leavesOut}, songspy.HistoryHabit{}, true, false},
		"one play each is not enough":           {[]songspy.HistoryHabit{once, once, once, once}, songspy.HistoryHabit{}, false, false},
		"one play outvotes nobody":              {[]songspy.HistoryHabit{lists, lists, lists, missed, missed, missed}, songspy.HistoryHabit{}, true, false},
		"half of them list them":                {[]songspy.HistoryHabit{lists, lists, leavesOut, leavesOut}, songspy.HistoryHabit{}, false, false},
		"it lists them itself":                  {[]songspy.HistoryHabit{leavesOut, leavesOut, leavesOut}, lists, true, false},
		"it leaves them out itself":             {[]songspy.HistoryHabit{lists, lists, lists}, leavesOut, false, true},
		"one play of its own does not decide":   {[]songspy.HistoryHabit{leavesOut, leavesOut, leavesOut}, once, false, true},
		"accounts that have left do not decide": {[]songspy.HistoryHabit{lists, lists, lists}, songspy.HistoryHabit{}, false, false},
		"most leave them out":                   {[]songspy.HistoryHabit{lists, leavesOut, leavesOut, leavesOut}, songspy.HistoryHabit{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoster(func(songspy.UserID) {})
			add := func(id songspy.UserID, h songspy.HistoryHabit) {
				r.merge(songspy.Listener{Link: songspy.Link{UserID: id, Generation: 1}, Habit: h}, past{})
			}
			for i, h := range tt.others {
				add(songspy.UserID(i+2), h)
			}
			if name == "accounts that have left do not decide" {
				r.remove(2, nil)
			}
			add(1, tt.own)
			_, l, _ := r.begin(1)
			if l.partial != tt.want {
				t.Errorf("partial plays are taken to be listed: %t", l.partial)
			}
			if l.wholeOnly != tt.whole {
				t.Errorf("only whole plays are known to be listed: %t", l.wholeOnly)
			}
		})
	}
}

func TestWhatAnAnswerShowsCountsAtOnce(t *testing.T) {
	r := newRoster(func(songspy.UserID) {})
	r.merge(songspy.Listener{Link: songspy.Link{UserID: 1, Generation: 1}}, past{})
	who, _, _ := r.get(1)
	for range 3 {
		r.recalled(1, who, time.Now(), 0, songspy.HistoryHabit{Listed: 1})
	}
	if _, l, _ := r.begin(1); !l.partial || l.habit != (songspy.HistoryHabit{Listed: 3}) {
		t.Errorf("after three answers: %+v, partial %t", l.habit, l.partial)
	}
}
