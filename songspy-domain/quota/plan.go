package quota

import "time"

const (
	// reserve is the part of the limit that idle users leave free: how much
	// listening will cost is an estimate.
	idleReserve = 0.05
	// fewest is the part of their polls that listening users always keep.
	keepMin = 0.1
)

// Demand is what a plan is asked for.
type Demand struct {
	// Listening is how many polls of users who are listening are worth a call in
	// each of the next 24 hours.
	Listening [24]float64
	// Fixed is how many calls are made in an hour whatever the plan, such as
	// those for history.
	Fixed float64
	// Idle is how many users are idle.
	Idle int
}

// Plan is how calls are divided until the next plan.
type Plan struct {
	// Wait is the time between two polls of an idle user.
	IdleWait time.Duration
	// Keep is the part of the polls of listening users that is made, above 0; 1: all.
	KeepRatio float64
}

// Unbounded is the plan where nothing bounds calls.
func UnboundedPlan(interval time.Duration) Plan { return Plan{IdleWait: interval, KeepRatio: 1} }

// Plan divides the calls that there is room for. Users who are listening come
// first. Idle users share what they leave, evenly: at least a poll in longest
// each, at most one in interval. Where even that is too much, polls of listening
// users are thinned out.
//
// Both hold for each of the next 24 hours: calls that leave the window later
// are not spent now, so that no hour is left dark.
func (r Headroom) Plan(d Demand, interval, longest time.Duration) Plan {
	longest = max(longest, interval)
	if !r.Bounded || interval <= 0 {
		return UnboundedPlan(interval)
	}
	idle := float64(max(d.Idle, 1))
	slowest, fastest := idle*float64(time.Hour)/float64(longest), idle*float64(time.Hour)/float64(interval)
	free := float64(r.Limit)*(1-idleReserve) - float64(r.Calls)
	most := float64(r.Limit+r.Ceiling)/2 - float64(r.Calls)
	rate, keep, listening := fastest, 1.0, 0.0
	for i, leaving := range r.Leaving {
		hours := float64(i + 1)
		free, most = free+float64(leaving), most+float64(leaving)
		listening += d.Listening[i]
		rate = min(rate, (free-listening)/hours-d.Fixed)
		if listening > 0 {
			keep = min(keep, (most-(slowest+d.Fixed)*hours)/listening)
		}
	}
	rate = max(rate, slowest)
	return Plan{
		IdleWait:  min(longest, max(interval, time.Duration(idle*float64(time.Hour)/rate))),
		KeepRatio: max(keep, keepMin),
	}
}
