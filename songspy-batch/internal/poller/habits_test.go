package poller

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
