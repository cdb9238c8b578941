package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) GetMyNotices(ctx context.Context, _ GetMyNoticesRequestObject) (GetMyNoticesResponseObject, error) {
	mail, err := s.o.Mail.Mailbox(ctx, callerOf(ctx).UserID)
	if err != nil {
		return nil, personGone(err)
	}
	return GetMyNotices200JSONResponse(noticesAnswer(mail)), nil
}

func (s *server) SetMyNotices(ctx context.Context, r SetMyNoticesRequestObject) (SetMyNoticesResponseObject, error) {
	mail, err := s.o.Mail.SwitchMail(ctx, callerOf(ctx).UserID, !r.Body.Email)
	if err != nil {
		return nil, personGone(err)
	}
	return SetMyNotices200JSONResponse(noticesAnswer(mail)), nil
}

// noticesAnswer shows of the address only what its owner needs to recognise it.
func noticesAnswer(m songspy.Mailbox) MyNoticesAnswer {
	return MyNoticesAnswer{Result: SUCCESS, Data: MyNotices{Email: !m.Off, Address: nullIfEmpty(songspy.MaskAddress(m.Address))}}
}
