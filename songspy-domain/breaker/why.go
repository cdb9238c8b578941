package breaker

import "strings"

// Why says what keeps a call outside. It is fit for a metric's label.
type Cause string

// The reasons. The first four close a door; the others hold back one call.
const (
	CauseRateLimited     Cause = "throttled"        // 429
	CauseQuota           Cause = "quota_exceeded"   // 429 with QUOTA_EXCEEDED: the developer's daily quota
	CausePremiumRequired Cause = "premium_required" // 403: the app's owner has no Premium subscription
	CauseForbidden       Cause = "forbidden"        // 403 to several users, in words that are not known
	CauseProbing         Cause = "probing"          // the probe is out
	CauseRampUp          Cause = "ramping_up"       // opened lately, and calls are still paced
	CauseDailyCalls      Cause = "budget_spent"     // the calls that the quota or the operator allows in 24 hours are made
)

// Words say why, for people to read.
func (w Cause) Description() string {
	if w == CausePremiumRequired {
		return "the app's owner needs Spotify Premium"
	}
	if w == CauseForbidden {
		return "Spotify forbids the calls of several users; look at the app in the Spotify dashboard"
	}
	return strings.ReplaceAll(string(w), "_", " ")
}
