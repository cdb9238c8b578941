package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) GetSpotifySeat(ctx context.Context, _ GetSpotifySeatRequestObject) (GetSpotifySeatResponseObject, error) {
	seat, ahead, err := s.opts.Linking.Seat(ctx, callerFrom(ctx).UserID)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return GetSpotifySeat200JSONResponse{Result: SUCCESS}, nil // none was asked for
	}
	if err != nil {
		return nil, err
	}
	return GetSpotifySeat200JSONResponse{Result: SUCCESS, Data: seatAnswer(seat, ahead)}, nil
}

func (s *server) AskSpotifySeat(ctx context.Context, r AskSpotifySeatRequestObject) (AskSpotifySeatResponseObject, error) {
	seat, ahead, err := s.opts.Linking.AskSeat(ctx, callerFrom(ctx).UserID, songspy.Secret(r.Body.Email))
	if err != nil {
		return nil, userGone(err)
	}
	return AskSpotifySeat200JSONResponse{Result: SUCCESS, Data: seatAnswer(seat, ahead)}, nil
}

func (s *server) LeaveSpotifySeat(ctx context.Context, _ LeaveSpotifySeatRequestObject) (LeaveSpotifySeatResponseObject, error) {
	if err := s.opts.Linking.LeaveSeat(ctx, callerFrom(ctx).UserID); err != nil {
		return nil, err
	}
	return LeaveSpotifySeat200JSONResponse{Result: SUCCESS, Data: true}, nil
}

func seatAnswer(seat songspy.Seat, ahead int64) *Seat {
	return &Seat{State: SeatState(seat.State), StateSince: Time(seat.StateSince), AskedAt: Time(seat.AskedAt), Ahead: ahead}
}
