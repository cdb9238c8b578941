package httpapi

import (
	"cmp"
	"context"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

func (s *server) GetSpotifyLink(ctx context.Context, _ GetSpotifyLinkRequestObject) (GetSpotifyLinkResponseObject, error) {
	link, err := s.opts.Links.Link(ctx, callerFrom(ctx).UserID)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return GetSpotifyLink200JSONResponse{Result: SUCCESS}, nil // not linked
	}
	var calls breaker.Stored
	if err == nil {
		calls, err = s.opts.Links.Breakers(ctx, link.App)
	}
	clientID, isUserApp := songspy.UserAppClientID(link.App)
	return GetSpotifyLink200JSONResponse{Result: SUCCESS, Data: &Link{
		ClientId: clientID, UserApp: isUserApp,
		State: LinkState(link.State), StateSince: Time(link.StateSince),
		Task: LinkTask(link.Task(s.opts.Now())), RemindFrom: Time(link.RemindAt()),
		Scopes:   append([]string{}, strings.Fields(link.Scope)...),
		LinkedAt: Time(link.CreatedAt), ConsentEndsAt: Time(link.ConsentEndsAt()),
		Blocked: linkBlock(calls.Shared.API, s.opts.Now()),
	}}, err
}

// linkBlock returns why, and until when, calls of a Spotify app are blocked, or nil if they are
// not blocked. While calls are blocked, the service cannot know what the users of the app play.
func linkBlock(calls breaker.SharedBreaker, now time.Time) *LinkBlock {
	if !calls.IsOpen(now) {
		return nil
	}
	reason := LinkBlockReasonAppRefused
	switch calls.Cause {
	case breaker.CauseQuota:
		reason = LinkBlockReasonQuotaExceeded
	case breaker.CauseRateLimited:
		reason = LinkBlockReasonRateLimited
	}
	return &LinkBlock{reason, Time(calls.OpenUntil)}
}

func (s *server) GetSpotifyAuthorization(ctx context.Context, r GetSpotifyAuthorizationRequestObject) (GetSpotifyAuthorizationResponseObject, error) {
	a, err := s.opts.Linking.Authorization(ctx, callerFrom(ctx).UserID, deref(r.Params.ClientId), deref(r.Params.RedirectUri))
	return GetSpotifyAuthorization200JSONResponse{Result: SUCCESS, Data: Authorization{
		Url: a.URL, State: a.State.Reveal(), CodeVerifier: a.CodeVerifier.Reveal(), RedirectUri: a.RedirectURI, Registered: a.Registered,
	}}, err
}

func (s *server) LinkSpotify(ctx context.Context, r LinkSpotifyRequestObject) (LinkSpotifyResponseObject, error) {
	body := deref(r.JSONBody) // a form has the same fields and is decoded into JSONBody too
	_, err := s.opts.Linking.Link(ctx, callerFrom(ctx).UserID, songspy.AuthorizationCode{
		Code:        songspy.Secret(cmp.Or(deref(body.Code), deref(r.Params.Code))),
		RedirectURI: deref(body.RedirectUri),
		Verifier:    songspy.Secret(deref(body.CodeVerifier)),
		State:       songspy.Secret(deref(body.State)),
	}, deref(body.Move))
	return LinkSpotify200JSONResponse{Result: SUCCESS, Data: true}, userGone(err)
}

func (s *server) UnlinkSpotify(ctx context.Context, _ UnlinkSpotifyRequestObject) (UnlinkSpotifyResponseObject, error) {
	erased, err := s.opts.Links.Unlink(ctx, callerFrom(ctx).UserID)
	if err == nil && !erased.Link {
		err = &songspy.Error{Code: songspy.CodeNotFound}
	}
	return UnlinkSpotify200JSONResponse(erasedAnswer(erased)), asNotLinked(err)
}

// asNotLinked turns CodeNotFound into SPOTIFY_NOT_LINKED.
func asNotLinked(err error) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return &songspy.Error{Code: songspy.CodeNotFound, Reason: "SPOTIFY_NOT_LINKED"}
	}
	return err
}

// deref returns *p, or the zero value if p is nil.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (s *server) GetSpotifySeat(ctx context.Context, _ GetSpotifySeatRequestObject) (GetSpotifySeatResponseObject, error) {
	seat, ahead, err := s.opts.Linking.Seat(ctx, callerFrom(ctx).UserID)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return GetSpotifySeat200JSONResponse{Result: SUCCESS}, nil // the user has requested no seat
	}
	return GetSpotifySeat200JSONResponse{Result: SUCCESS, Data: seatAnswer(seat, ahead)}, err
}

func (s *server) AskSpotifySeat(ctx context.Context, r AskSpotifySeatRequestObject) (AskSpotifySeatResponseObject, error) {
	seat, ahead, err := s.opts.Linking.AskSeat(ctx, callerFrom(ctx).UserID, songspy.Secret(r.Body.Email))
	return AskSpotifySeat200JSONResponse{Result: SUCCESS, Data: seatAnswer(seat, ahead)}, userGone(err)
}

func (s *server) LeaveSpotifySeat(ctx context.Context, _ LeaveSpotifySeatRequestObject) (LeaveSpotifySeatResponseObject, error) {
	return LeaveSpotifySeat200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Linking.LeaveSeat(ctx, callerFrom(ctx).UserID)
}

func seatAnswer(seat songspy.Seat, ahead int64) *Seat {
	return &Seat{State: SeatState(seat.State), StateSince: Time(seat.StateSince), AskedAt: Time(seat.AskedAt), Ahead: ahead}
}
