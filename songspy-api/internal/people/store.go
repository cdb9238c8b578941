package people

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Store holds raw values, without regard to who may see them. A method with a parameter limit
// returns up to limit values of a list, and fewer only at the end of the list. They are the
// values that follow the argument after in the order of the list. If after is zero, they are the
// first values.
type Store interface {
	// Relations returns all follows and blocks that concern the user.
	Relations(ctx context.Context, id songspy.UserID) ([]songspy.Follow, []songspy.Block, error)
	// People returns the users with these ids. It leaves out ids of users who do not exist.
	People(ctx context.Context, ids []songspy.UserID) ([]songspy.Person, error)
	// PersonByPublicID and PersonByShareLink return CodeNotFound if there is none.
	PersonByPublicID(ctx context.Context, id songspy.PublicID) (songspy.Person, error)
	PersonByShareLink(ctx context.Context, hash []byte) (songspy.Person, error)
	// EmbedTokenOwner returns CodeNotFound if no token of the purpose has the SHA-256 hash.
	EmbedTokenOwner(ctx context.Context, purpose songspy.EmbedPurpose, hash []byte) (songspy.UserID, error)
	// SearchPeople returns the findable users whose nickname begins with the prefix, sorted
	// by nickname and public id. It does not sort by the internal id, because that would show
	// who signed up first.
	SearchPeople(ctx context.Context, prefix string, after songspy.User, limit int) ([]songspy.Person, error)
	// PlaysForOthers returns plays, newest start first. It leaves out probable plays (not certain
	// yet), which only their own user may see. It does not apply the sharing settings.
	PlaysForOthers(ctx context.Context, id songspy.UserID, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error)

	// RequestFollow stores a request to follow, and returns the new follow. The argument
	// follower is the user who requests it, and id is the user to follow. If there is a follow
	// already, RequestFollow returns that follow and changes nothing.
	RequestFollow(ctx context.Context, id, follower songspy.UserID) (songspy.Follow, error)
	// ApproveFollow and RemoveFollow return CodeNotFound if there is no such follow.
	ApproveFollow(ctx context.Context, id, follower songspy.UserID) (songspy.Follow, error)
	RemoveFollow(ctx context.Context, id, follower songspy.UserID) error
	// Followers, Following and Blocks return the newest first.
	Followers(ctx context.Context, id songspy.UserID, after songspy.Follow, limit int) ([]songspy.FollowingPerson, error)
	Following(ctx context.Context, id songspy.UserID, after songspy.Follow, limit int) ([]songspy.FollowingPerson, error)
	Block(ctx context.Context, id, blocked songspy.UserID) error
	// Unblock returns CodeNotFound if there is no block.
	Unblock(ctx context.Context, id, blocked songspy.UserID) error
	Blocks(ctx context.Context, id songspy.UserID, after songspy.Block, limit int) ([]songspy.BlockedPerson, error)

	Sharing(ctx context.Context, id songspy.UserID) (songspy.Sharing, error)
	ChangeSharing(ctx context.Context, id songspy.UserID, change func(*songspy.Sharing) error) (songspy.Sharing, error)
	// ShareLink and DeleteShareLink return CodeNotFound if the user has none.
	ShareLink(ctx context.Context, id songspy.UserID) (songspy.ShareLink, error)
	SaveShareLink(ctx context.Context, id songspy.UserID, hash []byte) (songspy.ShareLink, error)
	DeleteShareLink(ctx context.Context, id songspy.UserID) error
	// HiddenItems returns the items (artists and tracks) that are hidden now, sorted by URI.
	HiddenItems(ctx context.Context, id songspy.UserID, after string, limit int) ([]songspy.HiddenItem, error)
	HideItem(ctx context.Context, id songspy.UserID, uri string) (songspy.HiddenItem, error)
	// ShowItem returns CodeNotFound if the user does not hide the item.
	ShowItem(ctx context.Context, id songspy.UserID, uri string) error

	CreateReport(ctx context.Context, r songspy.Report) (songspy.Report, error)
	// AuditEvents returns events newest first. If the argument before is not 0, it is the id of
	// an event, and all of them are older.
	AuditEvents(ctx context.Context, id songspy.UserID, before int64, limit int) ([]songspy.AuditEvent, error)
}
