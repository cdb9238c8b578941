package tokens

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// believedAfter is how long a refresh token must have been refused before
	// the refusal is believed: Spotify has revoked in an outage what it
	// honoured again hours later.
	refusalBelievedAfter = 6 * time.Hour
	// grantExpired is the reason of a refusal that says that the token's time is over.
	reasonGrantExpired = "SPOTIFY_GRANT_EXPIRED"
)

// afterRefusal is the state of a link whose refresh token was just refused,
// for that reason. The first refusal makes it suspect; only one that comes
// when it has been suspect for six hours needs the person. That the token is
// too old is believed at once where the consent's end is near.
func afterRefusal(l songspy.Link, reason string, now time.Time) songspy.LinkState {
	old := l.ConsentEndsAt().AddDate(0, 0, -15)
	if songspy.IsAheadOfClock(l.StateSince, now) {
		return l.State // counts from now on; see Renewer.refused
	}
	switch {
	case l.IsPendingGrant():
		return songspy.LinkReauthRequired // a kept grant: only a new consent helps
	case reason == reasonGrantExpired && now.After(old):
		return songspy.LinkReauthRequired
	case l.State == songspy.LinkActive:
		return songspy.LinkSuspect
	case l.State == songspy.LinkSuspect && now.Sub(l.StateSince) >= refusalBelievedAfter:
		return songspy.LinkReauthRequired
	}
	return l.State
}

// afterRefusalInOutage is the state of a link that was refused with everybody
// else: it stays what it was, and the time does not count for its refusal.
func afterRefusalInOutage(l songspy.Link, now time.Time) songspy.Link {
	if l.State == songspy.LinkSuspect {
		l.StateSince = now
	}
	return l
}

const (
	// soonestTry and latestTry bound the wait between two tries of a refused token.
	minRefusedWait = 2 * time.Minute
	maxRefusedWait = time.Hour
)

// nextTry is how long a refused token is left alone, that has been refused for
// so long: as long again, from minutes up to an hour, and a little more for
// each link than for another, so that nobody comes into step.
func refusedRetryWait(id songspy.UserID, refusedFor time.Duration) time.Duration {
	wait := min(max(refusedFor, minRefusedWait), maxRefusedWait)
	return wait + songspy.PhaseOf(id, wait/4)
}

// renewed is the link with what the provider granted.
func withGrant(l songspy.Link, g songspy.Grant, now time.Time) songspy.Link {
	l.AccessToken, l.AccessExpiresAt = g.AccessToken, g.ExpiresAt
	if g.RefreshToken != "" { // rotated
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

// afterPollRefusal is the link after a poll was refused with a token that was
// renewed just before. The first one makes it suspect; one that comes when
// polls have been refused for six hours needs the user. In an outage, which
// refuses everybody, the time does not count.
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

// afterPollAnswer is the link after a poll was answered.
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
