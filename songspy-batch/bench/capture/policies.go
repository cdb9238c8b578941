package main

import (
	"strings"
	"time"
)

// policy is one way to decide who is asked when.
type policy struct {
	name string
	// interval is the floor, at which the tick comes too.
	interval time.Duration
	// planned has the service's planner decide; else everyone is asked at the tick.
	planned bool
	// oracle asks at the moments that tell most, by the truth.
	oracle bool
	// whole has history list only plays that reached their end; else it lists partial plays too.
	wholePlays bool
	// perDay is how many calls a listener and day the app's budget allows; 0: no bound.
	perDay int
	// quota is how many calls the provider allows each developer account in 24
	// hours. The service does not know it. Such a policy is measured with accounts
	// of five people each, after it has had time to learn; 0: no quota.
	quota int
	// population is the one that is measured; empty: the one that was chosen.
	population string
}

const (
	// onAccount is how many people link through one account that has a quota.
	usersPerAccount = 5
	// publicQuota is the quota that a public report has seen.
	reportedQuota = 1144
	// learning is how long everything runs before a policy with a quota is measured.
	quotaWarmUp = 48 * time.Hour
)

// before is how long everything runs before it is measured.
func (p policy) warmUp() time.Duration {
	if p.quota > 0 {
		return quotaWarmUp
	}
	return defaultWarmUp
}

const (
	servicePolicy = "this service"
	limitedPolicy = servicePolicy + " at 300 calls a day"
	oraclePolicy  = "oracle, looks alone"
	// whole is the service where history lists only plays that reached their end.
	wholePlaysPolicy = servicePolicy + ", whole plays listed"
	// The accounts whose quota has to be learned.
	regularQuotaPolicy = "regular people, an unknown quota"
	livelyQuotaPolicy  = "lively people, an unknown quota"
)

// policies are the table's rows.
func policies() []policy {
	return []policy{
		{name: "plain 3-minute sweep", interval: pollInterval},
		{name: "30-second poll", interval: 30 * time.Second},
		{name: servicePolicy, interval: pollInterval, planned: true},
		{name: limitedPolicy, interval: pollInterval, planned: true, perDay: 300},
		{name: wholePlaysPolicy, interval: pollInterval, planned: true, wholePlays: true},
		{name: oraclePolicy, oracle: true},
		{name: regularQuotaPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "regular"},
		{name: livelyQuotaPolicy, interval: pollInterval, planned: true, quota: reportedQuota, population: "lively"},
	}
}

// What history may list: partial plays too, only whole ones, or each in rows of its own.
const (
	listsPartial = "partial"
	listsWhole   = "whole"
	listsBoth    = "both"
)

// chosenPolicies are those whose names contain the words, or the one whose name
// they are, with the history that is chosen.
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

// serviceCalls is how many calls the service spent, 0 if it was not measured.
func serviceCalls(rows []result) int {
	for _, r := range rows {
		if r.Policy == servicePolicy {
			return r.Calls
		}
	}
	return 0
}
