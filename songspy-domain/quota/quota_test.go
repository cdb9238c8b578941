package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

const (
	interval = 3 * time.Minute
	longest  = 30 * time.Minute
)

// countWithin returns how many of the calls were made less than Window+more before now.
func countWithin(calls []time.Time, now time.Time, more time.Duration) (n int64) {
	for _, at := range calls {
		if now.Sub(at) < Window+more {
			n++
		}
	}
	return n
}

func TestCalls_RollingDayWithinOneBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Calls
		var made []time.Time
		now := noon
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3*3600).Draw(t, "seconds later")) * time.Second)
			for range rapid.IntRange(0, 3).Draw(t, "calls") {
				c.Add(now, rapid.SampledFrom(endpoints[:]).Draw(t, "endpoint"))
				made = append(made, now)
			}
			exact, most := countWithin(made, now, 0), countWithin(made, now, BucketLength)
			if sum, least := c.Sum(now), c.AtLeast(now); sum < exact || sum > most || least > exact {
				t.Fatalf("at %v between %d and %d calls are counted; %d were made in the window, %d in the window and five minutes before", now, least, sum, exact, most)
			}
			leaving := int64(0)
			for _, n := range c.Leaving(now) {
				leaving += n
			}
			if sum := c.Sum(now); leaving != sum || c.ByEndpoint(now).Sum() != sum {
				t.Fatalf("%d calls leave and %d have an endpoint, want %d", leaving, c.ByEndpoint(now).Sum(), sum)
			}
		}
	})
}

// storeModel models the database's buckets of one account. The value is the count of the
// bucket, so Calls is 0 in the key.
type storeModel map[Bucket]int64

func (d storeModel) add(calls []Bucket, since time.Time) (all []Bucket) {
	for _, b := range calls {
		d[Bucket{At: b.At, Endpoint: b.Endpoint}] += b.Calls
	}
	for b, n := range d {
		if !b.At.Before(since) {
			all = append(all, Bucket{b.At, b.Endpoint, n})
		}
	}
	return all
}

func TestCalls_ProcessesCountTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, processes := storeModel{}, make([]Calls, 3)
		now, made := noon, []time.Time{}
		sync := func(c *Calls, since time.Time) {
			unsaved := c.Unsaved()
			c.Sync(now, since, unsaved, d.add(unsaved, since))
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds later")) * time.Second)
			c := &processes[rapid.IntRange(0, 2).Draw(t, "process")]
			c.Add(now, EndpointPlaying)
			made = append(made, now)
			if rapid.Bool().Draw(t, "syncs") {
				sync(c, BucketOf(now.Add(-Window)))
			}
		}
		for range 2 {
			for i := range processes {
				sync(&processes[i], BucketOf(now.Add(-Window)))
			}
		}
		for i := range processes {
			if sum := processes[i].Sum(now); sum < countWithin(made, now, 0) || sum > countWithin(made, now, BucketLength) {
				t.Fatalf("process %d counts %d calls of %d", i, sum, len(made))
			}
			if unsaved := processes[i].Unsaved(); len(unsaved) > 0 {
				t.Fatalf("process %d still has unsaved calls: %v", i, unsaved)
			}
		}
	})
}

func TestCalls_SurviveClockSetBack(t *testing.T) {
	var c Calls
	for range 10 {
		c.Add(noon.Add(9*time.Hour), EndpointPlaying)
	}
	c.Add(noon, EndpointPlaying)
	if sum := c.Sum(noon); sum != 11 {
		t.Errorf("%d calls are counted after the clock was set back, want 11", sum)
	}
	if sum := c.Sum(noon.Add(34 * time.Hour)); sum != 0 {
		t.Errorf("%d calls are counted after all have left the window", sum)
	}
}

// usedAccount returns an account that has made the given number of calls, evenly over
// the last 24 hours.
func usedAccount(calls int) *Account {
	a := &Account{CountedSince: noon.Add(-48 * time.Hour)}
	for i := range calls {
		a.Count(noon.Add(-Window+BucketLength).Add(time.Duration(i)*(Window-BucketLength)/time.Duration(calls)), EndpointPlaying)
	}
	return a
}

func TestLimit_DropsAfterRefusalAndGrows(t *testing.T) {
	a := usedAccount(1145)
	a.Learn(noon, a.NewRefusal(noon, EndpointPlaying, time.Hour, false))
	for days, want := range map[float64]float64{0: 0.95, 1: 0.955, 7: 0.985, 8: 0.995, 14: 1.055, 21: 1.16} {
		got, _ := a.Limit(noon.Add(time.Duration(days * 24 * float64(time.Hour))))
		if exact := want * float64(a.LastRefusal.Quota); float64(got) < exact-1.5 || float64(got) > exact+0.5 {
			t.Errorf("%v days after a refusal at %d calls %d are planned, want %.0f", days, a.LastRefusal.Quota, got, exact)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		sooner := time.Duration(rapid.Int64Range(0, int64(90*24*time.Hour)).Draw(t, "after"))
		later := sooner + time.Duration(rapid.Int64Range(0, int64(30*24*time.Hour)).Draw(t, "later"))
		if plannedShare(later) < plannedShare(sooner) {
			t.Fatalf("%v after a refusal a share of %v is planned, %v after it only %v", sooner, plannedShare(sooner), later, plannedShare(later))
		}
	})
}

func TestLearn_CapsRefusalAheadOfClock(t *testing.T) {
	const day, ahead = 24 * time.Hour, 9 * time.Hour
	for name, learn := range map[string]func(*Account){
		"learned before the clock was set back": func(a *Account) {
			a.Learn(noon.Add(ahead), Refusal{At: noon.Add(ahead), Quota: 2000})
			a.Limit(noon)
		},
		"stored by a process whose clock runs ahead": func(a *Account) {
			a.Learn(noon, Refusal{At: noon.Add(ahead), Quota: 2000})
		},
	} {
		a := &Account{}
		learn(a)
		if limit, _ := a.Limit(noon.Add(day)); limit != 1910 {
			t.Errorf("%s: after a day %d calls are planned, want 95.5 %% of 2000", name, limit)
		}
		a.Learn(noon.Add(time.Hour), Refusal{At: noon.Add(time.Hour), Quota: 1000})
		if limit, _ := a.Limit(noon.Add(time.Hour)); limit != 950 {
			t.Errorf("%s: after the next refusal %d calls are planned, want 950", name, limit)
		}
	}
}

func TestUncount_RemovesUnsentCall(t *testing.T) {
	for _, single := range []bool{true, false} {
		for name, saved := range map[string]bool{"unsaved call": false, "saved call": true} {
			a := &Account{Calls: Calls{SingleProcess: single}}
			a.Count(noon, EndpointPlaying)
			a.Count(noon, EndpointPlaying)
			if saved && !single {
				a.Calls.Sync(noon, noon, a.Calls.Unsaved(), []Bucket{{At: BucketOf(noon), Endpoint: EndpointPlaying, Calls: 2}})
			}
			a.Uncount(noon, EndpointPlaying)
			if sum := a.Calls.Sum(noon); sum != 1 {
				t.Errorf("%s, single process: %v: %d calls are counted, want 1", name, single, sum)
			}
			var unsaved int64
			for _, b := range a.Calls.Unsaved() {
				unsaved += b.Calls
			}
			if want := map[bool]int64{false: 1, true: -1}[saved]; !single && unsaved != want {
				t.Errorf("%s: %d calls are unsaved, want %d", name, unsaved, want)
			}
		}
	}
}

func TestLearn_QuotaFromRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		counted time.Time // the time since which calls are counted
		earlier int64     // the quota that an earlier refusal showed; 0 if none did
		probe   bool
		calls   int
		want    int64
	}{
		"first refusal":                         {counted: noon.Add(-48 * time.Hour), calls: 1145, want: 1144},
		"lower count":                           {counted: noon.Add(-48 * time.Hour), earlier: 1144, calls: 901, want: 900},
		"refused probe":                         {counted: noon.Add(-48 * time.Hour), earlier: 1144, probe: true, calls: 901, want: 1144},
		"less than a day counted":               {counted: noon.Add(-11 * time.Hour), calls: 1145, want: 1144},
		"less than a day counted, lower count":  {counted: noon.Add(-11 * time.Hour), earlier: 1144, calls: 901, want: 1144},
		"less than a day counted, higher count": {counted: noon.Add(-11 * time.Hour), earlier: 1144, calls: 1301, want: 1300},
		"calls were made by another program":    {counted: noon.Add(-48 * time.Hour), calls: 1, want: 1},
	} {
		a := usedAccount(c.calls)
		a.CountedSince, a.LastRefusal = c.counted, Refusal{Quota: c.earlier}
		r := a.NewRefusal(noon, EndpointHistory, 90*time.Second, c.probe)
		a.Learn(noon, r)
		if a.LastRefusal.Quota != c.want {
			t.Errorf("%s: learned a quota of %d, want %d", name, a.LastRefusal.Quota, c.want)
		}
		if r.Endpoint != EndpointHistory || r.RetryAfterMS != 90_000 || r.Calls[EndpointPlaying] != int64(c.calls) {
			t.Errorf("%s: the refusal is %+v", name, r)
		}
		if limit, bounded := a.Limit(noon); !bounded || limit < plannedMin {
			t.Errorf("%s: %d calls are planned, want at least %d", name, limit, plannedMin)
		}
	}
}

func TestLimit_OperatorMaximumHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Account{DailyMax: rapid.Int64Range(1, 5000).Draw(t, "most"), CountedSince: noon}
		if rapid.Bool().Draw(t, "refused") {
			a.LastRefusal = Refusal{At: noon, Quota: rapid.Int64Range(1, 5000).Draw(t, "quota")}
		}
		now, made := noon, []time.Time{}
		for range rapid.IntRange(1, 2000).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "seconds")) * time.Second)
			wait := a.Wait(now, 1)
			if wait < 0 {
				t.Fatalf("wait %v", wait)
			}
			if wait == 0 {
				a.Count(now, EndpointPlaying)
				made = append(made, now)
			}
			if n := countWithin(made, now, 0); n > a.DailyMax {
				t.Fatalf("%d calls in 24 hours, %d are allowed", n, a.DailyMax)
			}
		}
		if _, bounded := a.Limit(now); !bounded {
			t.Fatal("the account has no limit")
		}
	})
}

func TestWait_CallMayLeaveAfterwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Account{LastRefusal: Refusal{At: noon, Quota: rapid.Int64Range(1, 1000).Draw(t, "quota")}, CountedSince: noon}
		now := noon
		for range rapid.IntRange(1, 1500).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			if a.Wait(now, 1) == 0 {
				a.Count(now, EndpointPlaying)
			}
		}
		for range 5 {
			if wait := a.Wait(now, 1); wait > 0 {
				now = now.Add(wait)
			}
		}
		if wait := a.Wait(now, 1); wait > 0 {
			t.Fatalf("a call that waited five times as required has to wait %v more", wait)
		}
	})
}

func TestPlan_UnboundedIsTheInterval(t *testing.T) {
	var a Account
	for range 10_000 {
		a.Count(noon, EndpointPlaying)
	}
	if wait := a.Wait(noon, 1); wait > 0 {
		t.Errorf("a call waits %v without a limit", wait)
	}
	plan := a.Headroom(noon).Plan(Demand{Idle: 5, Fixed: 1e6}, interval, longest)
	if plan != (Plan{interval, 1}) {
		t.Errorf("the plan is %+v, want the interval and all polls", plan)
	}
}

func TestPlan_MoreHeadroomNeverMeansFewerPolls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Headroom{Bounded: true, Limit: rapid.Int64Range(0, 5000).Draw(t, "limit"), Calls: rapid.Int64Range(0, 5000).Draw(t, "calls")}
		r.Ceiling = r.Limit + rapid.Int64Range(0, 100).Draw(t, "over")
		d := Demand{Idle: rapid.IntRange(0, 1000).Draw(t, "idle"), Fixed: rapid.Float64Range(0, 100).Draw(t, "fixed")}
		for i := range d.Listening {
			d.Listening[i] = rapid.Float64Range(0, 200).Draw(t, "listening")
			r.Leaving[i] = rapid.Int64Range(0, 200).Draw(t, "leaving")
		}
		plan := r.Plan(d, interval, longest)
		if plan.IdleWait < interval || plan.IdleWait > longest || plan.KeepRatio < keepMin || plan.KeepRatio > 1 {
			t.Fatalf("plan %+v for %+v is out of range", plan, r)
		}
		if plan.KeepRatio < 1 && plan.IdleWait < longest {
			t.Fatalf("%+v: polls of listening users are left out before those of idle users", plan)
		}
		more := r
		more.Limit, more.Ceiling = more.Limit+100, more.Ceiling+100
		if better := more.Plan(d, interval, longest); better.IdleWait > plan.IdleWait || better.KeepRatio < plan.KeepRatio {
			t.Fatalf("with 100 more calls %+v became %+v", plan, better)
		}
	})
}

// The test simulates nine days of an account whose quota must be learned. A plan is made
// once per interval, as the poller does. After the first two days, at most one call may be
// refused, and there must never be more than 20 minutes without a successful call. In the
// last 24 hours, the account must make at least 85 % of the calls that the quota allows, or
// of the calls that its users need if these are fewer.
func TestQuota_LearnedThenNeitherExceededNorWasted(t *testing.T) {
	for name, c := range map[string]struct {
		quota, idle int
		listening   func(hour int) float64 // how many polls listening users need in that hour of the day
	}{
		"evenings":              {1144, 5, func(hour int) float64 { return map[bool]float64{true: 90, false: 5}[hour >= 18] }},
		"all the time":          {1144, 1, func(int) float64 { return 150 }},
		"seldom":                {1144, 5, func(hour int) float64 { return map[bool]float64{true: 20, false: 0}[hour == 7] }},
		"a larger quota":        {20_000, 100, func(hour int) float64 { return 300 + 20*float64(hour) }},
		"a quota never reached": {100_000, 5, func(int) float64 { return 30 }},
	} {
		t.Run(name, func(t *testing.T) {
			var a Account
			var made []time.Time
			refusals, closed, owed, last := 0, time.Time{}, 0.0, noon
			for now := noon; now.Before(noon.Add(9 * 24 * time.Hour)); now = now.Add(interval) {
				learned := now.After(noon.Add(48 * time.Hour))
				d := Demand{Idle: c.idle}
				for i := range d.Listening {
					d.Listening[i] = c.listening(now.Add(time.Duration(i) * time.Hour).Hour())
				}
				plan := a.Headroom(now).Plan(d, interval, longest)
				owed += (c.listening(now.Hour())*plan.KeepRatio)*interval.Hours() + float64(c.idle)*float64(interval)/float64(plan.IdleWait)
				for part := owed; owed >= 1; owed-- {
					at := now.Add(time.Duration(float64(interval) * (part - owed) / part))
					for len(made) > 0 && at.Sub(made[0]) >= Window {
						made = made[1:]
					}
					if at.Before(closed) || a.Wait(at, 1) > 0 {
						continue
					}
					a.Count(at, EndpointPlaying)
					if len(made) < c.quota {
						made, last = append(made, at), at
						continue
					}
					closed = made[0].Add(Window)
					a.Learn(at, a.NewRefusal(at, EndpointPlaying, closed.Sub(at), false))
					if learned {
						refusals++
					}
				}
				if dark := now.Sub(last); learned && dark > 20*time.Minute {
					t.Fatalf("%v after the start no call has succeeded for %v", now.Sub(noon), dark)
				}
			}
			if refusals > 1 {
				t.Errorf("%d calls were refused in the week after the quota was learned", refusals)
			}
			want := 0.0
			for hour := range 24 {
				want += c.listening(hour) + float64(c.idle)*20
			}
			if got := float64(len(made)); got < 0.85*min(float64(c.quota), want) {
				t.Errorf("%.0f calls were made in the last 24 hours; %d are allowed, and %.0f were wanted", got, c.quota, want)
			}
		})
	}
}
