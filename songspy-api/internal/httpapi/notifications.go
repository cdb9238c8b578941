package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) GetMyNotices(ctx context.Context, _ GetMyNoticesRequestObject) (GetMyNoticesResponseObject, error) {
	mail, err := s.opts.Mailboxes.Mailbox(ctx, callerFrom(ctx).UserID)
	return GetMyNotices200JSONResponse(notificationsAnswer(mail)), userGone(err)
}

func (s *server) SetMyNotices(ctx context.Context, r SetMyNoticesRequestObject) (SetMyNoticesResponseObject, error) {
	mail, err := s.opts.Mailboxes.SetMailOff(ctx, callerFrom(ctx).UserID, !r.Body.Email)
	return SetMyNotices200JSONResponse(notificationsAnswer(mail)), userGone(err)
}

// notificationsAnswer returns the answer with the e-mail address masked, so that its owner
// recognizes the address, but others cannot use it.
func notificationsAnswer(m songspy.Mailbox) MyNoticesAnswer {
	return MyNoticesAnswer{Result: SUCCESS, Data: MyNotices{Email: !m.OptedOut, Address: nullIfEmpty(songspy.MaskEmail(m.Address))}}
}
