package sweep

import (
	"log/slog"
	"slices"
	"sync/atomic"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// reason is why a look is made. It waits with the seat, in a byte, until the
// look is over and counted by it.
type reason uint8

// The reasons that a look of before gives are listening's own; the others are
// those of looks that none came before.
const (
	reasonFloor reason = iota
	reasonEnd
	reasonBetween
	reasonSkips
	reasonSilence
	reasonBudget
	reasonProof
	reasonAdvertisement
	reasonDoubt
	reasonStart    // the first of this process
	reasonTakeover // the first since this replica took the person's shard
	reasonLinked   // the first of a link that is new, or works again
	reasonRetry    // the look before failed
	reasons        // how many there are
)

var reasonNames = [reasons]string{
	reasonFloor: string(listening.ReasonFloor), reasonEnd: string(listening.ReasonEnd), reasonBetween: string(listening.ReasonBetween),
	reasonSkips: string(listening.ReasonSkips), reasonSilence: string(listening.ReasonSilence), reasonBudget: string(listening.ReasonBudget),
	reasonProof: string(listening.ReasonProof), reasonAdvertisement: string(listening.ReasonAdvertisement),
	reasonDoubt: string(listening.ReasonDoubt),
	reasonStart: "start", reasonTakeover: "takeover", reasonLinked: "linked", reasonRetry: "retry",
}

func (r reason) String() string { return reasonNames[r] }

// reasonOf is listening's reason in a byte.
func reasonOf(r listening.Reason) reason {
	return reason(max(0, slices.Index(reasonNames[:], string(r))))
}

// result is what came of a look: what was seen, or what went wrong.
type result uint8

const (
	sawPlaying result = iota
	sawPaused
	sawNothing
	sawAdvertisement
	sawUnreadable
	failedSuspended
	failedLeft
	failedRetryLater
	failedTokenRefused
	failedNeedsPerson
	failedNotRegistered
	failedRefused
	failedAppPaused
	failed
	results // how many there are
)

var resultNames = [results]string{
	sawPlaying: string(songspy.SightingPlaying), sawPaused: string(songspy.SightingPaused), sawNothing: string(songspy.SightingNothing),
	sawAdvertisement: string(songspy.SightingAdvertisement), sawUnreadable: string(songspy.SightingUnreadable),
	failedSuspended: "suspended", failedLeft: "left", failedRetryLater: "retry_later", failedTokenRefused: "token_refused",
	failedNeedsPerson: "needs_person", failedNotRegistered: "not_registered", failedRefused: "refused", failedAppPaused: "app_paused", failed: "failed",
}

func (r result) String() string { return resultNames[r] }

// resultOf is a sighting in a byte.
func resultOf(s songspy.Sighting) result {
	if i := slices.Index(resultNames[:], string(s)); i >= 0 {
		return result(i)
	}
	return sawUnreadable
}

// tally counts looks between two plans, for one line of the log instead of one a look.
type tally [results]atomic.Int64

func (t *tally) add(r result) { t[r].Add(1) }

// take gives the counts and begins anew.
func (t *tally) take() slog.Attr {
	var attrs []any
	for r := range t {
		if n := t[r].Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64(resultNames[r], n))
		}
	}
	return slog.Group("looks", attrs...)
}
