package poller

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// recordAnswer counts a poll that Spotify has answered, and records that Spotify now
// refuses neither the app nor the user.
func (p *Poller) recordAnswer(ctx context.Context, state *userState, kind songspy.ObservationKind) {
	p.countPoll(ctx, state, outcomeOf(kind), nil)
	p.refusals.recordAnswer(state.access.App, state.user)
	if !state.pollsRefused {
		p.opt.Renewer.PollAnswered(ctx, state.access.App, state.user)
		return
	}
	if err := p.opt.Renewer.PollRecovered(ctx, state.user, state.generation); err != nil {
		p.opt.Logger.ErrorContext(ctx, "storing a link's state failed", logkey.UserID, int64(state.user), logkey.Error, err)
	}
}

// handleFailure counts a failed poll, records what the failure says about the link and
// the app, and returns the user's next poll.
func (p *Poller) handleFailure(ctx context.Context, state *userState, err error) plannedPoll {
	id := state.user
	p.countPoll(ctx, state, outcomeOfError(err), err)
	p.registry.recordFailure(state.entryRef, gapReasonOf(err))
	wait := songspy.RetryAfterOf(err)
	var storeErr error
	switch {
	case errors.Is(err, errRenewedTokenRefused):
		wait, storeErr = p.opt.Renewer.PollRefused(ctx, id, state.generation)
	case songspy.DispositionOf(err) == songspy.DispositionNotRegistered:
		storeErr = p.markNotRegistered(ctx, state)
	case songspy.DispositionOf(err) == songspy.DispositionRefused:
		switch p.refusals.record(state.access.App, id, p.opt.Now()) {
		case scopeUser:
			storeErr = p.markNotRegistered(ctx, state)
		case scopeApp:
			if p.opt.TripForbidden != nil {
				p.opt.TripForbidden(ctx, state.access.App)
			}
		}
	}
	if storeErr != nil {
		p.opt.Logger.ErrorContext(ctx, "storing a link's state failed", logkey.UserID, int64(id), logkey.Error, storeErr)
	}
	return plannedPoll{at: p.planner.atPhase(id, wait), reason: reasonRetry}
}

// markNotRegistered sets the link's state to not_registered and removes the user:
// the app's owner must register the user first. Users who link again are polled again.
func (p *Poller) markNotRegistered(ctx context.Context, state *userState) error {
	generation := state.generation // if the function below captured state, every userState would escape to the heap
	_, err := p.opt.Store.UpdateLink(ctx, state.user, func(l *songspy.Link) error {
		if l.Generation != generation {
			return errUnlinked
		}
		l.State, l.StateSince, l.PollsRefusedSince = songspy.LinkNotRegistered, p.opt.Now(), nil
		return nil
	})
	if err != nil && !errors.Is(err, errUnlinked) && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	p.registry.remove(state.entryRef)
	return nil
}

// countPoll counts a poll. It logs a failure at level debug.
func (p *Poller) countPoll(ctx context.Context, state *userState, outcome pollOutcome, err error) {
	p.opt.Metrics.polls[state.pollReason][outcome].Inc()
	p.outcomes.add(outcome)
	if err != nil {
		p.opt.Logger.DebugContext(ctx, "poll failed", logkey.UserID, int64(state.user), "reason", state.pollReason.String(), "outcome", outcome.String(), logkey.Error, err)
	}
}

// gapReasonOf returns the reason of the gap (time without recorded plays) that a failed poll
// leaves.
func gapReasonOf(err error) songspy.GapReason {
	if errors.Is(err, errRenewalPending) || errors.Is(err, errUnlinked) {
		return songspy.GapLinkBroken
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionAppBlocked:
		return songspy.GapAppBlocked
	case songspy.DispositionNeedsUser, songspy.DispositionNotRegistered, songspy.DispositionRenewToken:
		return songspy.GapLinkBroken
	default:
		return songspy.GapProviderDown
	}
}

// pollOutcome is the result of a poll: the kind of observation, or the kind of failure.
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
	outcomeCount // the number of outcomes
)

var outcomeNames = [outcomeCount]string{
	outcomePlaying: string(songspy.ObservedPlaying), outcomePaused: string(songspy.ObservedPaused), outcomeIdle: string(songspy.ObservedIdle),
	outcomeAdvertisement: string(songspy.ObservedAdvertisement), outcomeUnreadable: string(songspy.ObservedUnreadable),
	outcomeRenewalPending: "renewal_pending", outcomeUnlinked: "unlinked", outcomeRetryLater: "retry_later", outcomeTokenRefused: "token_refused",
	outcomeNeedsUser: "needs_user", outcomeNotRegistered: "not_registered", outcomeRefused: "refused", outcomeAppBlocked: "app_blocked", outcomeFailed: "failed",
}

func (r pollOutcome) String() string { return outcomeNames[r] }

// outcomeOf returns the outcome of a poll that returned an observation of this kind.
func outcomeOf(kind songspy.ObservationKind) pollOutcome {
	if i := slices.Index(outcomeNames[:], string(kind)); i >= 0 {
		return pollOutcome(i)
	}
	return outcomeUnreadable
}

// outcomeOfError returns the outcome of a poll that failed with err.
func outcomeOfError(err error) pollOutcome {
	switch {
	case errors.Is(err, errRenewalPending):
		return outcomeRenewalPending
	case errors.Is(err, errUnlinked):
		return outcomeUnlinked
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionRetryLater:
		return outcomeRetryLater
	case songspy.DispositionRenewToken:
		return outcomeTokenRefused
	case songspy.DispositionNeedsUser:
		return outcomeNeedsUser
	case songspy.DispositionNotRegistered:
		return outcomeNotRegistered
	case songspy.DispositionRefused:
		return outcomeRefused
	case songspy.DispositionAppBlocked:
		return outcomeAppBlocked
	}
	return outcomeFailed
}

// outcomeCounts counts polls between two runs of Plan, so that Plan logs one line
// instead of one for each poll.
type outcomeCounts [outcomeCount]atomic.Int64

func (c *outcomeCounts) add(outcome pollOutcome) { c[outcome].Add(1) }

// drain returns the counts as a log group and resets them.
func (c *outcomeCounts) drain() slog.Attr {
	var attrs []any
	for outcome := range c {
		if n := c[outcome].Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64(outcomeNames[outcome], n))
		}
	}
	return slog.Group(logkey.Polls, attrs...)
}
