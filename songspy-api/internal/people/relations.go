package people

import (
	"context"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// Follow is a follow in which the caller is the follower or the followed user, and the profile
// of the other user.
type Follow struct {
	songspy.Follow
	Person visibility.Seen[songspy.User]
}

// Follow requests to follow the user with the handle (public id). The follow becomes approved
// once that user approves it.
func (s *Service) Follow(ctx context.Context, self visibility.Self, handle string) (Follow, error) {
	p, seen, err := s.other(ctx, self, handle)
	if err != nil {
		return Follow{}, err
	}
	f, err := s.store.RequestFollow(ctx, p.User.ID, self.ID())
	return Follow{f, seen}, err
}

// other returns the user with the handle. It returns CodeNotFound if the caller may not see that
// user, or is that user.
func (s *Service) other(ctx context.Context, self visibility.Self, handle string) (songspy.Person, visibility.Seen[songspy.User], error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return songspy.Person{}, visibility.Seen[songspy.User]{}, err
	}
	p, seen, err := s.person(ctx, v, handle)
	if err == nil && p.User.ID == self.ID() {
		err = errNotFound
	}
	return p, seen, err
}

// idOf returns the id of the user with the handle, even if the caller may not see that user.
// Call it only where the answer is CodeNotFound unless there is a follow or a block between the
// two: then the answer does not reveal whether the user exists.
func (s *Service) idOf(ctx context.Context, self visibility.Self, handle string) (songspy.UserID, error) {
	id, _ := songspy.ParseHandle(handle)
	p, err := s.store.PersonByPublicID(ctx, id)
	if err == nil && p.User.ID == self.ID() {
		err = errNotFound
	}
	return p.User.ID, err
}

// Unfollow deletes the caller's follow of the user with the handle, or the request for it. It
// returns CodeNotFound if there is none.
func (s *Service) Unfollow(ctx context.Context, self visibility.Self, handle string) error {
	user, err := s.idOf(ctx, self, handle)
	if err != nil {
		return err
	}
	return s.store.RemoveFollow(ctx, user, self.ID())
}

// Approve approves the request of the user with the handle to follow the caller. It returns
// CodeNotFound if there is no such request.
func (s *Service) Approve(ctx context.Context, self visibility.Self, handle string) (Follow, error) {
	// The caller sees this user even if the user hides from strangers: a user who requests a
	// follow shows their profile to the followed user.
	p, seen, err := s.other(ctx, self, handle)
	if err != nil {
		return Follow{}, err
	}
	f, err := s.store.ApproveFollow(ctx, self.ID(), p.User.ID)
	return Follow{f, seen}, err
}

// RemoveFollower rejects the request of the user with the handle, or ends their follow of the
// caller. It returns CodeNotFound if there is none.
func (s *Service) RemoveFollower(ctx context.Context, self visibility.Self, handle string) error {
	follower, err := s.idOf(ctx, self, handle)
	if err != nil {
		return err
	}
	return s.store.RemoveFollow(ctx, self.ID(), follower)
}

// Following returns up to limit users that the caller follows or has requested to follow, newest
// first. They come after the given position; the zero Position begins the list. Following also
// returns the position of the last user if more follow, else nil.
func (s *Service) Following(ctx context.Context, self visibility.Self, after Position, limit int) ([]Follow, *Position, error) {
	return s.follows(ctx, self, after, limit, s.store.Following)
}

// Followers returns up to limit users who follow the caller or have requested it. Its parameters
// and results are those of Following.
func (s *Service) Followers(ctx context.Context, self visibility.Self, after Position, limit int) ([]Follow, *Position, error) {
	return s.follows(ctx, self, after, limit, s.store.Followers)
}

func (s *Service) follows(
	ctx context.Context, self visibility.Self, after Position, limit int,
	read func(context.Context, songspy.UserID, songspy.Follow, int) ([]songspy.FollowingPerson, error),
) ([]Follow, *Position, error) {
	v, err := s.viewer(ctx, self, "")
	if err != nil {
		return nil, nil, err
	}
	from := songspy.FollowingPerson{Follow: songspy.Follow{AskedAt: after.At}}
	if after.User != 0 {
		id, err := s.idAt(ctx, v, after)
		if err != nil {
			return nil, nil, err
		}
		// The function read compares only one of these two fields: the one that is not the
		// caller.
		from.Follow.UserID, from.Follow.FollowerID = id, id
	}
	follows, more, err := fill(limit, from,
		func(after songspy.FollowingPerson, n int) ([]songspy.FollowingPerson, error) {
			return read(ctx, self.ID(), after.Follow, n)
		},
		func(f songspy.FollowingPerson) (Follow, bool) {
			seen, ok := s.reveal(f.Person, visibility.Profile(), v)
			return Follow{f.Follow, seen}, ok
		})
	if err != nil || !more {
		return follows, nil, err
	}
	last := follows[limit-1]
	return follows, &Position{At: last.AskedAt, User: last.Person.Value().PublicID}, nil
}

// Block blocks the user with the handle.
func (s *Service) Block(ctx context.Context, self visibility.Self, handle string) error {
	p, _, err := s.other(ctx, self, handle)
	if err != nil {
		return err
	}
	return s.store.Block(ctx, self.ID(), p.User.ID)
}

// Unblock unblocks the user with the handle. It returns CodeNotFound if the caller does not
// block them.
func (s *Service) Unblock(ctx context.Context, self visibility.Self, handle string) error {
	user, err := s.idOf(ctx, self, handle)
	if err != nil {
		return err
	}
	return s.store.Unblock(ctx, self.ID(), user)
}

// Block is a user that the caller blocks.
type Block struct {
	// User is the public id of the blocked user. The caller knows it already: it is in the
	// handle that the caller blocked.
	User songspy.PublicID
	At   time.Time
	// Person is the profile of the blocked user; nil if a stranger does not see it.
	Person *visibility.Seen[songspy.User]
}

// Blocks returns up to limit users that the caller blocks, newest first. They come after the
// given position; the zero Position begins the list. Blocks also returns the position of the
// last user if more follow, else nil. A block hides the two users from each other. So the list
// shows the profiles that a stranger without the block would see.
func (s *Service) Blocks(ctx context.Context, self visibility.Self, after Position, limit int) ([]Block, *Position, error) {
	stranger := visibility.SignedIn(self, visibility.Relations{})
	from := songspy.BlockedPerson{Block: songspy.Block{At: after.At}}
	if after.User != 0 {
		id, err := s.idAt(ctx, stranger, after)
		if err != nil {
			return nil, nil, err
		}
		from.Block.BlockedID = id
	}
	blocks, more, err := fill(limit, from,
		func(after songspy.BlockedPerson, n int) ([]songspy.BlockedPerson, error) {
			return s.store.Blocks(ctx, self.ID(), after.Block, n)
		},
		func(b songspy.BlockedPerson) (Block, bool) {
			block := Block{User: b.Person.User.PublicID, At: b.Block.At}
			if seen, ok := s.reveal(b.Person, visibility.Profile(), stranger); ok {
				block.Person = &seen
			}
			return block, true
		})
	if err != nil || !more {
		return blocks, nil, err
	}
	return blocks, &Position{At: blocks[limit-1].At, User: blocks[limit-1].User}, nil
}

// Report reports the user with the handle to the operator.
func (s *Service) Report(ctx context.Context, self visibility.Self, handle string, reason songspy.ReportReason, text string) error {
	p, _, err := s.other(ctx, self, handle)
	if err != nil {
		return err
	}
	reporter := self.ID()
	_, err = s.store.CreateReport(ctx, songspy.Report{UserID: p.User.ID, ReporterID: &reporter, Reason: reason, Text: text})
	return err
}
