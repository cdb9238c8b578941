package tokens

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// refusalBelievedAfter is how long Spotify must have rejected a refresh token
	// before the user has to link again. In outages, Spotify has rejected tokens
	// that it accepted again hours later.
	refusalBelievedAfter = 6 * time.Hour
	// reasonGrantExpired is the error reason if Spotify rejects a refresh token
	// because the user's consent expired.
	reasonGrantExpired = "SPOTIFY_GRANT_EXPIRED"
)

// afterRefusal returns the state of a link whose refresh token Spotify has just
// rejected for the given reason. The first rejection makes an active link suspect. If Spotify
// still rejects the token after six hours, the user has to link again. If Spotify says that
// the consent expired, the user has to link again at once, but only if the end of the
// consent, computed from the stored time of the consent, is less than 15 days away or
// past.
func afterRefusal(l songspy.Link, reason string, now time.Time) songspy.LinkState {
	nearConsentEnd := l.ConsentEndsAt().AddDate(0, 0, -15)
	if songspy.IsAheadOfClock(l.StateSince, now) {
		return l.State // the clock was set back; Renewer.handleRefusal sets StateSince to now, so the six hours begin again
	}
	switch {
	case l.IsPendingGrant():
		return songspy.LinkReauthRequired // only a new consent helps a pending grant
	case reason == reasonGrantExpired && now.After(nearConsentEnd):
		return songspy.LinkReauthRequired
	case l.State == songspy.LinkActive:
		return songspy.LinkSuspect
	case l.State == songspy.LinkSuspect && now.Sub(l.StateSince) >= refusalBelievedAfter:
		return songspy.LinkReauthRequired
	}
	return l.State
}

// afterRefusalInOutage returns the link after a rejection during an outage. Its
// state does not change, and the time of the outage does not count towards the
// six hours after which the user has to link again.
func afterRefusalInOutage(l songspy.Link, now time.Time) songspy.Link {
	if l.State == songspy.LinkSuspect {
		l.StateSince = now
	}
	return l
}

const (
	// minRefusedWait and maxRefusedWait limit how long to wait before a rejected
	// refresh token is tried again. refusedRetryWait then adds up to a quarter of the
	// wait, which differs by user.
	minRefusedWait = 2 * time.Minute
	maxRefusedWait = time.Hour
)

// refusedRetryWait returns how long to wait before a rejected refresh token is
// tried again, or before a user whose polls are rejected is polled again. refusedFor
// is for how long Spotify has rejected the token or the polls. The wait is as long as
// refusedFor, but between two minutes and an hour. Up to a quarter is added, different
// for each user, so that not all users are tried at the same time.
func refusedRetryWait(id songspy.UserID, refusedFor time.Duration) time.Duration {
	wait := min(max(refusedFor, minRefusedWait), maxRefusedWait)
	return wait + songspy.PhaseOf(id, wait/4)
}

// withGrant returns the link with the new tokens that Spotify has issued.
// Spotify may omit the refresh token; then the old one stays valid. A suspect link
// becomes active, unless Spotify refuses its polls.
func withGrant(l songspy.Link, g songspy.Grant, now time.Time) songspy.Link {
	l.AccessToken, l.AccessExpiresAt = g.AccessToken, g.ExpiresAt
	if g.RefreshToken != "" {
		l.RefreshToken = g.RefreshToken
	}
	if g.Scope != "" {
		l.Scope = g.Scope
	}
	if l.State == songspy.LinkSuspect && l.PollsRefusedSince == nil {
		l.State, l.StateSince = songspy.LinkActive, now
	}
	return l
}

// afterPollRefusal returns the link after Spotify rejected a poll with a token
// that was renewed just before. The first rejection outside an outage makes an
// active link suspect. After six hours of rejected polls the user has to link again.
// The time of an outage does not count towards the six hours.
func afterPollRefusal(l songspy.Link, outage bool, now time.Time) songspy.Link {
	switch since := l.PollsRefusedSince; {
	case outage:
		if since != nil {
			l.PollsRefusedSince = &now
		}
	case since == nil || songspy.IsAheadOfClock(*since, now):
		l.PollsRefusedSince = &now
		if l.State == songspy.LinkActive {
			l.State, l.StateSince = songspy.LinkSuspect, now
		}
	case now.Sub(*since) >= refusalBelievedAfter:
		l.State, l.StateSince = songspy.LinkReauthRequired, now
	}
	return l
}

// afterPollAnswer returns the link after a successful poll. If Spotify had rejected
// polls (PollsRefusedSince), it clears PollsRefusedSince, and a suspect link becomes
// active again.
func afterPollAnswer(l songspy.Link, now time.Time) songspy.Link {
	if l.PollsRefusedSince == nil {
		return l
	}
	l.PollsRefusedSince = nil
	if l.State == songspy.LinkSuspect {
		l.State, l.StateSince = songspy.LinkActive, now
	}
	return l
}
