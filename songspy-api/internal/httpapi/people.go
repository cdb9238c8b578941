package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/rivo/uniseg"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/people"
)

func (s *server) SearchPeople(ctx context.Context, r SearchPeopleRequestObject) (SearchPeopleResponseObject, error) {
	after, err := parseHandleCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, more, err := s.opts.People.Search(ctx, callerFrom(ctx).Self(), r.Params.Q, after, pageSize(r.Params.Limit))
	if errors.Is(err, people.ErrPosition) {
		err = newCursorError()
	}
	if err != nil {
		return nil, err
	}
	data := PeoplePage{Items: each(found, person)}
	if more {
		data.NextCursor = new(newTextCursor(data.Items[len(found)-1].Handle))
	}
	return SearchPeople200JSONResponse{Result: SUCCESS, Data: data}, nil
}

func (s *server) GetPerson(ctx context.Context, r GetPersonRequestObject) (GetPersonResponseObject, error) {
	p, err := s.opts.People.Profile(ctx, callerFrom(ctx).Self(), r.Handle, deref(r.Params.Link))
	if err != nil {
		return nil, err
	}
	var playing []visibility.Seen[songspy.BoardEntry]
	if p.Playing != nil {
		playing = append(playing, *p.Playing)
	}
	s.reads(ctx, "person", nil, playing...)
	return GetPerson200JSONResponse{Result: SUCCESS, Data: profile(p)}, nil
}

func (s *server) ListPersonPlays(ctx context.Context, r ListPersonPlaysRequestObject) (ListPersonPlaysResponseObject, error) {
	before, err := parseTimeCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	plays, more, err := s.opts.People.Plays(ctx, callerFrom(ctx).Self(), r.Handle, deref(r.Params.Link), before, pageSize(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data := PersonPlaysPage{Items: each(plays, personPlay)}
	if more {
		data.NextCursor = new(newCursor(time.Time(data.Items[len(plays)-1].StartedAt), ""))
	}
	return ListPersonPlays200JSONResponse{Result: SUCCESS, Data: data}, nil
}

func (s *server) Follow(ctx context.Context, r FollowRequestObject) (FollowResponseObject, error) {
	f, err := s.opts.People.Follow(ctx, callerFrom(ctx).Self(), r.Handle)
	if err != nil {
		return nil, err
	}
	return Follow200JSONResponse{Result: SUCCESS, Data: follow(f)}, nil
}

func (s *server) Unfollow(ctx context.Context, r UnfollowRequestObject) (UnfollowResponseObject, error) {
	return Unfollow200JSONResponse{Result: SUCCESS, Data: true}, s.opts.People.Unfollow(ctx, callerFrom(ctx).Self(), r.Handle)
}

func (s *server) Block(ctx context.Context, r BlockRequestObject) (BlockResponseObject, error) {
	return Block200JSONResponse{Result: SUCCESS, Data: true}, s.opts.People.Block(ctx, callerFrom(ctx).Self(), r.Handle)
}

func (s *server) Unblock(ctx context.Context, r UnblockRequestObject) (UnblockResponseObject, error) {
	return Unblock200JSONResponse{Result: SUCCESS, Data: true}, s.opts.People.Unblock(ctx, callerFrom(ctx).Self(), r.Handle)
}

func (s *server) ReportPerson(ctx context.Context, r ReportPersonRequestObject) (ReportPersonResponseObject, error) {
	text := sanitize.Line(deref(r.Body.Text))
	if uniseg.GraphemeClusterCount(text) > songspy.ReportTextMax {
		return nil, newFieldError("text", problemTooLong)
	}
	err := s.opts.People.Report(ctx, callerFrom(ctx).Self(), r.Handle, songspy.ReportReason(r.Body.Reason), text)
	return ReportPerson200JSONResponse{Result: SUCCESS, Data: true}, err
}

func (s *server) ListMyFollowing(ctx context.Context, r ListMyFollowingRequestObject) (ListMyFollowingResponseObject, error) {
	data, err := followsPage(ctx, r.Params.Cursor, r.Params.Limit, s.opts.People.Following)
	return ListMyFollowing200JSONResponse{Result: SUCCESS, Data: data}, err
}

func (s *server) ListMyFollowers(ctx context.Context, r ListMyFollowersRequestObject) (ListMyFollowersResponseObject, error) {
	data, err := followsPage(ctx, r.Params.Cursor, r.Params.Limit, s.opts.People.Followers)
	return ListMyFollowers200JSONResponse{Result: SUCCESS, Data: data}, err
}

func followsPage(
	ctx context.Context, cursor *string, limit *int,
	read func(context.Context, visibility.Self, people.Position, int) ([]people.Follow, *people.Position, error),
) (FollowsPage, error) {
	after, err := parsePosition(cursor)
	if err != nil {
		return FollowsPage{}, err
	}
	follows, next, err := read(ctx, callerFrom(ctx).Self(), after, pageSize(limit))
	return FollowsPage{Items: each(follows, follow), NextCursor: positionCursor(next)}, err
}

func (s *server) ApproveFollower(ctx context.Context, r ApproveFollowerRequestObject) (ApproveFollowerResponseObject, error) {
	f, err := s.opts.People.Approve(ctx, callerFrom(ctx).Self(), r.Handle)
	if err != nil {
		return nil, err
	}
	return ApproveFollower200JSONResponse{Result: SUCCESS, Data: follow(f)}, nil
}

func (s *server) RemoveFollower(ctx context.Context, r RemoveFollowerRequestObject) (RemoveFollowerResponseObject, error) {
	return RemoveFollower200JSONResponse{Result: SUCCESS, Data: true}, s.opts.People.RemoveFollower(ctx, callerFrom(ctx).Self(), r.Handle)
}

func (s *server) ListMyBlocks(ctx context.Context, r ListMyBlocksRequestObject) (ListMyBlocksResponseObject, error) {
	after, err := parsePosition(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	blocks, next, err := s.opts.People.Blocks(ctx, callerFrom(ctx).Self(), after, pageSize(r.Params.Limit))
	return ListMyBlocks200JSONResponse{Result: SUCCESS, Data: BlocksPage{Items: each(blocks, block), NextCursor: positionCursor(next)}}, err
}
