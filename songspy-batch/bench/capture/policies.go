package main

import (
	"strings"
	"time"
)

// policy is a polling policy: it decides when each user is polled.
type policy struct {
	name string
	// interval is the longest time between two polls, and the interval of the planning
	// job.
	interval time.Duration
	// planned uses the service's planner. Otherwise all users are polled at each interval.
	planned bool
	// oracle polls at the best times, because it knows the real plays.
	oracle bool
	// wholePlays makes history list only plays to the end of the track. Otherwise it also
	// lists partial plays.
	wholePlays bool
	// perDay limits the calls per user and day (DailyCalls of the app); 0 means no limit.
	perDay int
	// quota is the number of calls that Spotify allows each developer account in 24
	// hours; 0 means no quota. The service must learn the number. A policy with a
	// quota simulates accounts of five users each, and a warm-up in which the
	// service learns.
	quota int
	// viewers simulates viewers, and measures what they see. attention is the ratio of the calls that may be
	// made for viewers to the planned calls; 0 means that none are made. hostile is the
	// number of viewers who watch all day without being signed in.
	viewers   bool
	attention float64
	hostile   int
	// population names the population to simulate. If it is empty, the flag
	// -population chooses.
	population string
}

const (
	// usersPerAccount is the number of users of one developer account with a quota.
	usersPerAccount = 5
	// reportedQuota is the quota that a public report observed: calls in 24 hours.
	reportedQuota = 1144
	// quotaWarmUp is how long a policy with a quota runs before the measurement
	// starts.
	quotaWarmUp = 48 * time.Hour
)

// warmUp returns how long the policy runs before the measurement starts.
func (p policy) warmUp() time.Duration {
	if p.quota > 0 {
		return quotaWarmUp
	}
	return defaultWarmUp
}

const (
	plainPolicy   = "plain 3-minute poll"
	servicePolicy = "this service"
	limitedPolicy = servicePolicy + " at 300 calls a day"
	oraclePolicy  = "oracle, polls alone"
	// wholePlaysPolicy is the service if history lists only plays to the end of the track.
	wholePlaysPolicy = servicePolicy + ", whole plays listed"
	// regularQuotaPolicy and livelyQuotaPolicy have a quota that the service has to learn.
	regularQuotaPolicy = "regular people, an unknown quota"
	livelyQuotaPolicy  = "lively people, an unknown quota"
)

// The names of the policies with viewers.
const (
	watchedPolicy      = "viewers, allowance 0 %"
	attentionPolicy    = "viewers, allowance 15 %"
	smallPolicy        = "viewers, allowance 8 %"
	openTabPolicy      = "viewers and one tab open all day"
	hostilePolicy      = "viewers and 10,000 hostile streams"
	watchedQuotaPolicy = "viewers under an unknown quota, allowance 0 %"
	quotaViewersPolicy = "viewers under an unknown quota, allowance 15 %"
)

// withoutAttention returns the name of the policy that has the same viewers as the named
// policy, but makes no calls for them.
func withoutAttention(name string) string {
	if name == watchedQuotaPolicy || name == quotaViewersPolicy {
		return watchedQuotaPolicy
	}
	return watchedPolicy
}

// policies returns all polling policies, in the order of the rows of the report's table.
func policies() []policy {
	return []policy{
		{name: plainPolicy, interval: pollInterval},
		{name: "30-second poll", interval: 30 * time.Second},
		{name: servicePolicy, interval: pollInterval, planned: true},
		{name: limitedPolicy, interval: pollInterval, planned: true, perDay: 300},
		{name: wholePlaysPolicy, interval: pollInterval, planned: true, wholePlays: true},
		{name: oraclePolicy, oracle: true},
		{name: regularQuotaPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "regular"},
		{name: livelyQuotaPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "lively"},
		{name: watchedPolicy, interval: pollInterval, planned: true, viewers: true},
		{name: attentionPolicy, interval: pollInterval, planned: true, viewers: true, attention: 0.15},
		{name: smallPolicy, interval: pollInterval, planned: true, viewers: true, attention: 0.08},
		{name: openTabPolicy, interval: pollInterval, planned: true, viewers: true, attention: 0.15, hostile: 1},
		{name: hostilePolicy, interval: pollInterval, planned: true, viewers: true, attention: 0.15, hostile: hostileStreams},
		{name: watchedQuotaPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "regular", viewers: true},
		{name: quotaViewersPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "regular", viewers: true, attention: 0.15},
	}
}

// The values of the flag -history.
const (
	listsPartial = "partial"
	listsWhole   = "whole"
	listsBoth    = "both"
)

// chosenPolicies returns the policy whose name equals the argument only. If there is no such
// policy, it returns all policies whose names contain this text. It leaves out the policies
// that -history excludes.
func chosenPolicies(only, history string) (chosen []policy) {
	for _, p := range policies() {
		if history == listsPartial && p.wholePlays || history == listsWhole && p.planned && !p.wholePlays {
			continue
		}
		if p.name == only {
			return []policy{p}
		}
		if strings.Contains(p.name, only) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// serviceCalls returns how many calls Songspy made to Spotify, or 0 if that was not
// measured.
func serviceCalls(rows []result) int {
	for _, r := range rows {
		if r.Policy == servicePolicy {
			return r.Calls
		}
	}
	return 0
}
