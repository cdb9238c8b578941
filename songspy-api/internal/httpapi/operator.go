package httpapi

import (
	"context"
	"strconv"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/operator"
)

// This file has the routes that only operators may use; see x-operator in openapi.yaml.

func (s *server) GetOperatorStatus(ctx context.Context, _ GetOperatorStatusRequestObject) (GetOperatorStatusResponseObject, error) {
	status, err := s.opts.Status(ctx)
	if err != nil {
		return nil, err
	}
	var failed error
	status.Checks, failed = s.checkReadiness(ctx)
	status.Ready = failed == nil
	return GetOperatorStatus200JSONResponse{Result: SUCCESS, Data: status}, nil
}

func (s *server) ListSeats(ctx context.Context, _ ListSeatsRequestObject) (ListSeatsResponseObject, error) {
	seats, err := s.opts.Operator.Seats(ctx)
	if err != nil {
		return nil, err
	}
	data := OperatorSeats{
		ToRegister: each(seats.ToRegister, operatorSeat), Rejected: each(seats.Rejected, operatorSeat),
		Entered: each(seats.Entered, operatorSeat), Waiting: each(seats.Waiting, operatorSeat),
	}
	data.Apps = each(seats.Apps, func(use songspy.AppUse) AppUse {
		app := AppUse{App: use.App, Configured: use.IsConfigured, Linked: use.Linked, Reserved: use.Reserved}
		if use.Seats > 0 {
			app.Seats, app.Free = &use.Seats, &use.Free
		}
		return app
	})
	return ListSeats200JSONResponse{Result: SUCCESS, Data: data}, nil
}

func (s *server) EnterSeat(ctx context.Context, r EnterSeatRequestObject) (EnterSeatResponseObject, error) {
	user, err := s.opts.Operator.UserID(ctx, r.Handle)
	if err != nil {
		return nil, err
	}
	retried, err := s.opts.Operator.EnterSeat(ctx, user)
	return EnterSeat200JSONResponse{Result: SUCCESS, Data: SeatEntered{Retried: retried}}, err
}

func (s *server) DropSeat(ctx context.Context, r DropSeatRequestObject) (DropSeatResponseObject, error) {
	user, err := s.opts.Operator.UserID(ctx, r.Handle)
	if err != nil {
		return nil, err
	}
	return DropSeat200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Operator.DropSeat(ctx, user)
}

func (s *server) ListReports(ctx context.Context, r ListReportsRequestObject) (ListReportsResponseObject, error) {
	after, err := parseIDCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	reports, next, err := s.opts.Operator.Reports(ctx, after, pageSize(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data := ReportsPage{Items: each(reports, report)}
	if next != 0 {
		data.NextCursor = new(newTextCursor(strconv.FormatInt(next, 10)))
	}
	return ListReports200JSONResponse{Result: SUCCESS, Data: data}, nil
}

func (s *server) HandleReport(ctx context.Context, r HandleReportRequestObject) (HandleReportResponseObject, error) {
	var err error
	switch detail := deref(r.Body.Detail); r.Body.Action {
	case ReportHandlingActionHide:
		err = s.opts.Operator.HideReported(ctx, r.Id, detail)
	case ReportHandlingActionRename:
		err = s.opts.Operator.RenameReported(ctx, r.Id, deref(r.Body.NickName), detail)
	case ReportHandlingActionDismiss:
		err = s.opts.Operator.Dismiss(ctx, r.Id)
	default:
		err = &songspy.Error{Code: songspy.CodeInvalid} // the contract has no other action
	}
	return HandleReport200JSONResponse{Result: SUCCESS, Data: true}, err
}

func (s *server) ListHiddenPeople(ctx context.Context, r ListHiddenPeopleRequestObject) (ListHiddenPeopleResponseObject, error) {
	after, err := parseIDCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	hidden, next, err := readPage(r.Params.Limit,
		func(limit int) ([]operator.Hidden, error) {
			return s.opts.Operator.Hidden(ctx, songspy.PublicID(after), limit)
		},
		func(h operator.Hidden) string {
			return newTextCursor(strconv.FormatInt(int64(h.User.Value().PublicID), 10))
		})
	return ListHiddenPeople200JSONResponse{Result: SUCCESS, Data: HiddenPeoplePage{Items: each(hidden, hiddenPerson), NextCursor: next}}, err
}

func (s *server) ModeratePerson(ctx context.Context, r ModeratePersonRequestObject) (ModeratePersonResponseObject, error) {
	user, err := s.opts.Operator.UserID(ctx, r.Handle)
	if err != nil {
		return nil, err
	}
	switch detail := deref(r.Body.Detail); r.Body.Action {
	case ModerationActionHide, ModerationActionShow:
		err = s.opts.Operator.SetHidden(ctx, user, r.Body.Action == ModerationActionHide, detail)
	case ModerationActionRename:
		_, err = s.opts.Operator.Rename(ctx, user, deref(r.Body.NickName), detail)
	default:
		err = &songspy.Error{Code: songspy.CodeInvalid} // the contract has no other action
	}
	return ModeratePerson200JSONResponse{Result: SUCCESS, Data: true}, err
}
