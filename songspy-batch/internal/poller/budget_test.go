package poller

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/quota"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fullShare is the QuotaOptions.Share of a replica that polls all users.
func fullShare() float64 { return 1 }

func sameAccount(app string) string { return app }

func TestWithoutAQuotaNoListeningHoursAreKept(t *testing.T) {
	for name, all := range map[string]*budgets{
		"no quota":        newBudgets(nil),
		"unlimited quota": newBudgets(&QuotaOptions{Account: sameAccount, Share: fullShare, Headroom: func(string, time.Time) quota.Headroom { return quota.Headroom{} }}),
	} {
		all.update(noon, 3*time.Minute, map[string]userCounts{"app": {7, 1}})
		b := all.forApp("app")
		if b != nil || len(all.all()) > 0 || all.longestIdleWait(time.Minute) != time.Minute || all.keptRatio() != 1 {
			t.Fatalf("%s: calls are not limited, but there is a budget", name)
		}
		all.forget(1)
		b.countFixed(noon, 1)
		poll := playback.Poll{At: noon.Add(time.Minute), Reason: playback.PollInterval}
		if got := b.limit(1, poll, songspy.NowPlaying{}, &songspy.Observation{Kind: songspy.ObservedPlaying, At: noon}, noon); got != poll || b.maxPollInterval(time.Minute) != time.Minute {
			t.Errorf("%s: %+v became %+v", name, poll, got)
		}
	}
}

// evenRoom returns the headroom of an account that may make limit calls in 24 hours, and has made
// the given number of calls, evenly over the last 24 hours.
func evenRoom(limit, calls int64) (r quota.Headroom) {
	r = quota.Headroom{Bounded: true, Limit: limit, Ceiling: limit, Calls: calls}
	for i := range r.Leaving {
		r.Leaving[i] = calls / 24
	}
	return r
}

func TestIdleUsersShareTheQuotaThatListeningUsersLeave(t *testing.T) {
	const users, interval = 100, 3 * time.Minute
	calls, share := int64(users*270), 1.0
	all := newBudgets(&QuotaOptions{
		Account: sameAccount, Share: func() float64 { return share },
		Headroom: func(account string, _ time.Time) quota.Headroom {
			return map[string]quota.Headroom{"app": evenRoom(users*300, calls), "other": evenRoom(users*300, 0)}[account]
		},
	})
	perAccount := map[string]userCounts{"app": {users, 0}, "other": {users / 4, 0}, "unlimited": {1, 0}}
	wait := func() time.Duration {
		all.update(noon, interval, perAccount)
		return all.forApp("app").currentPlan().IdleWait
	}
	usual := wait()
	if usual <= interval || usual > 10*time.Minute {
		t.Fatalf("with three fifths of the calls that the interval needs, idle users wait %v", usual)
	}
	b := all.forApp("app")
	for range users * 10 { // a busy hour
		b.countFixed(noon.Add(-time.Hour), 1)
	}
	if wait() <= usual {
		t.Errorf("after a busy hour idle users wait %v, want longer than %v", wait(), usual)
	}
	if notes := strings.Join(all.notes(interval), ""); !strings.HasPrefix(notes, "The 30000 calls that are planned for 24 hours for app app do not allow a poll every 3m0s") {
		t.Errorf("the notes say %q", notes)
	}
	if other := all.forApp("other").currentPlan().IdleWait; other != interval || all.forApp("unlimited") != nil || all.longestIdleWait(interval) != b.currentPlan().IdleWait {
		t.Errorf("idle users of another app wait %v, and the app without a limit has budget %v", other, all.forApp("unlimited"))
	}
	// A replica with a quarter of all users must plan with a quarter of the calls, so its idle
	// users must wait as long.
	quarter := newBudget("app", interval)
	quarter.update(noon, evenRoom(users*300, calls), userCounts{users / 4, 0}, 0.25)
	if got := quarter.currentPlan().IdleWait; got != usual {
		t.Errorf("a quarter of the users wait %v, all users %v", got, usual)
	}
}

func TestExpectedDemandRepeatsTheDayBefore(t *testing.T) {
	b := newBudget("app", time.Minute)
	midnight := noon.Add(-12 * time.Hour)
	playing := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", TrackID: 1}
	for hour := range 24 {
		for range 10 + 100*(hour/20) { // 110 polls in each hour from 20:00 on, otherwise 10
			now := midnight.Add(time.Duration(hour) * time.Hour)
			b.limit(1, playback.Poll{At: now.Add(100 * time.Second)}, playing, &songspy.Observation{}, now)
		}
	}
	d := b.expectedDemand(midnight.Add(24*time.Hour+18*time.Hour), 0, 0)
	sum := 0.0
	for _, polls := range d.Listening[:6] {
		sum += polls
	}
	if sum < 459 || sum > 461 || d.Fixed != 0 {
		t.Errorf("%.1f polls are expected for the evening, want 2 × 10 and 4 × 110", sum)
	}
	if d := b.expectedDemand(midnight.Add(24*time.Hour+18*time.Hour), 0, 10); d.Listening[0] < 350 || d.Listening[2] > 115 {
		t.Errorf("with ten listening users %.1f polls are expected", d.Listening)
	}
}

func TestThinnedPollsCountAsUnthinned(t *testing.T) {
	b := newBudget("app", 3*time.Minute)
	room := evenRoom(288, 288)
	b.update(noon, room, userCounts{0, 5}, 1)
	if keep := b.currentPlan().KeepRatio; keep >= 0.5 {
		t.Fatalf("%v of the polls of five listening users are kept with 288 calls", keep)
	}
	playing := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", TrackID: 1}
	poll := b.limit(1, playback.Poll{At: noon.Add(assumedMeanInterval), Reason: playback.PollTrackEnd}, playing, &songspy.Observation{}, noon)
	if poll.Reason != playback.PollQuota || b.currentCost.polls < 2 {
		t.Errorf("%+v counts as %v polls", poll, b.currentCost.polls)
	}
	if all := (&budgets{}); all.keptRatio() != 1 {
		t.Error("polls are thinned without a plan")
	}
}

func TestAFewIdleUsersOfAnAccountArePolledInTurn(t *testing.T) {
	if longest := longestGap(500, func(int) bool { return false }); longest > 12*time.Minute {
		t.Errorf("the account of five idle users, polled every half hour each, was not polled for %v", longest)
	}
}

func TestAnAccountIsPolledAlsoAfterViewersPolledAllItsUsersAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.IntRange(1, 40).Draw(t, "polls between two openings of a page")
		if longest := longestGap(500, func(poll int) bool { return poll%every == 0 }); longest > 12*time.Minute {
			t.Fatalf("the account was not polled for %v", longest)
		}
	})
}

// longestGap polls an account of five idle users, and returns the longest time without a poll of
// the account. Each user is polled every half hour. At the start all users are polled at once. If
// the function viewerFollows returns true for the number of a poll, a viewer causes polls of all
// users at once again, directly after the previous poll.
func longestGap(polls int, viewerFollows func(poll int) bool) (longest time.Duration) {
	b := newBudget("app", 3*time.Minute)
	b.update(noon, evenRoom(288, 288), userCounts{5, 0}, 1)
	next := map[songspy.UserID]time.Time{}
	last := noon
	for poll := range polls {
		now, ids := last, []songspy.UserID{1, 2, 3, 4, 5}
		if poll > 0 && !viewerFollows(poll) {
			slices.SortFunc(ids, func(a, b songspy.UserID) int { return cmp.Or(next[a].Compare(next[b]), cmp.Compare(a, b)) })
			ids = ids[:1]
			now = next[ids[0]]
		}
		longest, last = max(longest, now.Sub(last)), now
		for _, id := range ids {
			atInterval := playback.Poll{At: now.Add(3 * time.Minute), Reason: playback.PollInterval}
			next[id] = b.limit(id, atInterval, songspy.NowPlaying{State: songspy.PlayerIdle}, &songspy.Observation{}, now).At
		}
	}
	return longest
}

func TestAUserSuppliedAppIsNotNamed(t *testing.T) {
	app := songspy.UserApp("0123456789abcdef0123456789abcdef")
	all := newBudgets(&QuotaOptions{Account: sameAccount, Share: fullShare, Headroom: func(string, time.Time) quota.Headroom { return evenRoom(288, 288) }})
	all.update(noon, 3*time.Minute, map[string]userCounts{app: {5, 5}})
	notes := strings.Join(all.notes(3*time.Minute), "\n")
	if strings.Contains(notes, "0123456789abcdef") || !strings.Contains(notes, "1 user-supplied apps") {
		t.Errorf("the notes say %q", notes)
	}
}
