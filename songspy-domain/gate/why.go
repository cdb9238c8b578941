package gate

import "strings"

// Why says what keeps a call outside. It is fit for a metric's label.
type Why string

// The reasons. The first four close a door; the others hold back one call.
const (
	WhyThrottled Why = "throttled"        // 429
	WhyQuota     Why = "quota_exceeded"   // 429 with QUOTA_EXCEEDED: the developer's daily quota
	WhyPremium   Why = "premium_required" // 403: the app's owner has no Premium subscription
	WhyForbidden Why = "forbidden"        // 403 to several users, in words that are not known
	WhyProbing   Why = "probing"          // the probe is out
	WhyRamping   Why = "ramping_up"       // opened lately, and calls are still paced
	WhyBudget    Why = "budget_spent"     // the calls that the quota or the operator allows in 24 hours are made
)

// Words say why, for people to read.
func (w Why) Words() string {
	if w == WhyPremium {
		return "the app's owner needs Spotify Premium"
	}
	if w == WhyForbidden {
		return "Spotify forbids the calls of several users; look at the app in the Spotify dashboard"
	}
	return strings.ReplaceAll(string(w), "_", " ")
}
