package songspy

import "time"

// LinkGroup is how many links are in a state whose people consented on the
// same day.
type LinkGroup struct {
	State LinkState
	// Consented is the midnight (UTC) that began the day.
	ConsentedOn time.Time
	Count       int64
}

// ConsentLeft is how long the group's consent still lasts, to within a day and
// never more than it does; it is negative once it is over.
func (g LinkGroup) ConsentLeft(now time.Time) time.Duration {
	return Link{AuthorizedAt: g.ConsentedOn}.ConsentEndsAt().Sub(now)
}

// LinkStates lists the states of a link.
func LinkStates() []LinkState {
	return []LinkState{LinkActive, LinkSuspect, LinkReauthRequired, LinkNotRegistered}
}

// Asked reports whether a link in that state is asked what its person hears.
func (s LinkState) IsPolled() bool { return s == LinkActive || s == LinkSuspect }
