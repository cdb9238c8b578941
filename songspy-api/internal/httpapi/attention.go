package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/board"
)

// reads reports that the viewer of the request reads a page. The page shows the users in seen,
// and the viewer waits there for the users in followed to play something. The string name
// identifies the page: when the viewer reads it again, the new report replaces this one.
func (s *server) reads(ctx context.Context, name string, followed []songspy.UserID, seen ...visibility.Seen[songspy.BoardEntry]) {
	viewer := board.ViewerID{Account: callerFrom(ctx).UserID}
	if viewer.Account == 0 {
		viewer.Address = addressFrom(ctx)
	}
	users := make([]songspy.UserID, len(seen))
	for i, entry := range seen {
		users[i] = entry.Value().User.ID
	}
	s.opts.Attention.Read(viewer, name, users, followed)
}

func (s *server) PollMe(ctx context.Context, _ PollMeRequestObject) (PollMeResponseObject, error) {
	caller := callerFrom(ctx)
	if _, err := s.opts.Links.Link(ctx, caller.UserID); err != nil {
		return nil, asNotLinked(err)
	}
	return PollMe200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Attention.PollSelf(ctx, caller.UserID)
}
