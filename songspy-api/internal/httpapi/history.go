package httpapi

import (
	"context"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) ListMyPlays(ctx context.Context, r ListMyPlaysRequestObject) (ListMyPlaysResponseObject, error) {
	at, err := parseTimeCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	plays, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.PlayWithTrack, error) {
		return s.opts.History.Plays(ctx, callerFrom(ctx).Self(), songspy.Play{StartedAt: at}, limit)
	}, func(p songspy.PlayWithTrack) string { return newCursor(p.Play.StartedAt, "") })
	return ListMyPlays200JSONResponse{Result: SUCCESS, Data: PlaysPage{Items: each(plays, s.opts.TrackIDs.myPlay), NextCursor: next}}, err
}

// DeleteMyPlay finds the play by its start: the id of a play in the contract is its start in
// microseconds, because two plays of one user never start together. Clients do not get the ids
// of the database, because these would show how many plays all users have.
func (s *server) DeleteMyPlay(ctx context.Context, r DeleteMyPlayRequestObject) (DeleteMyPlayResponseObject, error) {
	caller, start := callerFrom(ctx), time.UnixMicro(r.Id).UTC()
	plays, err := s.opts.History.Plays(ctx, caller.Self(), songspy.Play{StartedAt: start.Add(time.Microsecond)}, 1)
	if err == nil && (len(plays) == 0 || !plays[0].Play.StartedAt.Equal(start)) {
		err = &songspy.Error{Code: songspy.CodeNotFound}
	}
	if err == nil {
		err = s.opts.History.DeletePlay(ctx, caller.UserID, plays[0].Play.ID, s.opts.Now())
	}
	return DeleteMyPlay200JSONResponse{Result: SUCCESS, Data: true}, err
}

// gapReasons are all reasons of gaps in the recorded plays. The tie breaker of a cursor of gaps
// must be one of them.
var gapReasons = []songspy.GapReason{
	songspy.GapLinkBroken, songspy.GapAppBlocked, songspy.GapProviderDown, songspy.GapBatchDown, songspy.GapUnseen,
}

func (s *server) ListMyGaps(ctx context.Context, r ListMyGapsRequestObject) (ListMyGapsResponseObject, error) {
	at, tieBreaker, err := parseCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	after := songspy.Gap{BeganAt: at, Reason: songspy.GapReason(tieBreaker)}
	if !at.IsZero() && !slices.Contains(gapReasons, after.Reason) {
		return nil, newCursorError()
	}
	gaps, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.Gap, error) {
		return s.opts.History.Gaps(ctx, callerFrom(ctx).UserID, after, limit)
	}, func(g songspy.Gap) string { return newCursor(g.BeganAt, string(g.Reason)) })
	return ListMyGaps200JSONResponse{Result: SUCCESS, Data: GapsPage{Items: each(gaps, myGap), NextCursor: next}}, err
}

func myGap(g songspy.Gap) MyGap {
	return MyGap{From: Time(g.BeganAt), To: timeOrNull(g.EndedAt), Reason: MyGapReason(g.Reason)}
}
