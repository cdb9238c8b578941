package poller

import (
	"log/slog"
	"slices"
	"sync/atomic"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// reason is why a look is made. It waits with the seat, in a byte, until the
// look is over and counted by it.
type pollReason uint8

// The reasons that a look of before gives are listening's own; the others are
// those of looks that none came before.
const (
	reasonInterval pollReason = iota
	reasonTrackEnd
	reasonMidTrack
	reasonSkipping
	reasonIdleCheck
	reasonQuota
	reasonProof
	reasonAdvertisement
	reasonDoubtful
	reasonStart    // the first of this process
	reasonTakeover // the first since this replica took the person's shard
	reasonLinked   // the first of a link that is new, or works again
	reasonRetry    // the look before failed
	reasonCount    // how many there are
)

var reasonNames = [reasonCount]string{
	reasonInterval: string(playback.PollInterval), reasonTrackEnd: string(playback.PollTrackEnd), reasonMidTrack: string(playback.PollMidTrack),
	reasonSkipping: string(playback.PollSkipping), reasonIdleCheck: string(playback.PollIdleCheck), reasonQuota: string(playback.PollQuota),
	reasonProof: string(playback.PollProof), reasonAdvertisement: string(playback.PollAdvertisement),
	reasonDoubtful: string(playback.PollDoubtful),
	reasonStart:    "start", reasonTakeover: "takeover", reasonLinked: "linked", reasonRetry: "retry",
}

func (r pollReason) String() string { return reasonNames[r] }

// reasonOf is listening's reason in a byte.
func reasonOf(r playback.PollReason) pollReason {
	return pollReason(max(0, slices.Index(reasonNames[:], string(r))))
}

// result is what came of a look: what was seen, or what went wrong.
type pollOutcome uint8

const (
	outcomePlaying pollOutcome = iota
	outcomePaused
	outcomeIdle
	outcomeAdvertisement
	outcomeUnreadable
	outcomeRenewalPending
	outcomeUnlinked
	outcomeRetryLater
	outcomeTokenRefused
	outcomeNeedsUser
	outcomeNotRegistered
	outcomeRefused
	outcomeAppBlocked
	outcomeFailed
	outcomeCount // how many there are
)

var outcomeNames = [outcomeCount]string{
	outcomePlaying: string(songspy.ObservedPlaying), outcomePaused: string(songspy.ObservedPaused), outcomeIdle: string(songspy.ObservedIdle),
	outcomeAdvertisement: string(songspy.ObservedAdvertisement), outcomeUnreadable: string(songspy.ObservedUnreadable),
	outcomeRenewalPending: "suspended", outcomeUnlinked: "left", outcomeRetryLater: "retry_later", outcomeTokenRefused: "token_refused",
	outcomeNeedsUser: "needs_person", outcomeNotRegistered: "not_registered", outcomeRefused: "refused", outcomeAppBlocked: "app_paused", outcomeFailed: "failed",
}

func (r pollOutcome) String() string { return outcomeNames[r] }

// resultOf is a sighting in a byte.
func outcomeOf(s songspy.ObservationKind) pollOutcome {
	if i := slices.Index(outcomeNames[:], string(s)); i >= 0 {
		return pollOutcome(i)
	}
	return outcomeUnreadable
}

// tally counts looks between two plans, for one line of the log instead of one a look.
type outcomeCounts [outcomeCount]atomic.Int64

func (t *outcomeCounts) add(r pollOutcome) { t[r].Add(1) }

// take gives the counts and begins anew.
func (t *outcomeCounts) drain() slog.Attr {
	var attrs []any
	for r := range t {
		if n := t[r].Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64(outcomeNames[r], n))
		}
	}
	return slog.Group("looks", attrs...)
}
