package visibility

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Relation is how close a viewer is to an owner. A viewer with a greater Relation sees
// more.
type Relation uint8

// The relations, from the least close to the closest.
const (
	Stranger Relation = iota
	WithLink          // the viewer has the owner's share link
	Follower          // the owner approved the viewer
	Owner             // the viewer is the owner

	nobody // no viewer has it; if it is required, only the owner sees the thing, and the operator the profile, but not even users that the owner follows
)

// Self is the authenticated user who makes a request. Only auth.Caller.Self makes one.
// Every function that reads a user's own data takes a Self, so it cannot be called for
// another user. The zero value is no user.
type Self struct{ id songspy.UserID }

// NewSelf returns the Self of an authenticated user. Only package auth and tests
// call it; a test checks this.
func NewSelf(id songspy.UserID) Self { return Self{id} }

// ID returns the id of the user.
func (s Self) ID() songspy.UserID { return s.id }

// Relations holds the follows and blocks between one user and others, as sorted ids of
// the others. The zero value has none.
type Relations struct {
	follows   []songspy.UserID // users that have approved this user as a follower
	asked     []songspy.UserID // users that this user has asked to follow
	followers []songspy.UserID // users that follow this user, or have asked to
	blocked   []songspy.UserID // users that have blocked this user, or that this user has blocked
}

// NewRelations returns the relations of a user, from rows in any order. It ignores rows
// that do not concern the user.
func NewRelations(of Self, follows []songspy.Follow, blocks []songspy.Block) (r Relations) {
	for _, f := range follows {
		switch {
		case f.UserID == of.id:
			r.followers = append(r.followers, f.FollowerID)
		case f.FollowerID == of.id && f.State == songspy.FollowApproved:
			r.follows = append(r.follows, f.UserID)
		case f.FollowerID == of.id:
			r.asked = append(r.asked, f.UserID)
		}
	}
	for _, b := range blocks {
		switch of.id {
		case b.UserID:
			r.blocked = append(r.blocked, b.BlockedID)
		case b.BlockedID:
			r.blocked = append(r.blocked, b.UserID)
		}
	}
	slices.Sort(r.follows)
	slices.Sort(r.asked)
	slices.Sort(r.followers)
	slices.Sort(r.blocked)
	return r
}

// Count returns the number of relations. Another user counts once for each relation.
func (r Relations) Count() int {
	return len(r.follows) + len(r.asked) + len(r.followers) + len(r.blocked)
}

func contains(ids []songspy.UserID, id songspy.UserID) bool {
	_, found := slices.BinarySearch(ids, id)
	return found
}

// Viewer is the person who gets an answer. The zero value is Anonymous.
type Viewer struct {
	self      songspy.UserID // 0 if not signed in
	relations Relations
	link      songspy.UserID // the owner of the share link that the viewer has; 0 if there is none
	preview   songspy.UserID // the user who looks at a preview of themselves; 0 for real viewers
	as        Relation       // the relation that the preview imitates
	operator  bool           // the viewer operates the service and sees every profile
}

// Anonymous returns a viewer who is not signed in.
func Anonymous() Viewer { return Viewer{} }

// Operator returns the viewer who operates the service. An operator sees every profile,
// and otherwise what a stranger sees. Only package operator and tests call it; a test
// checks this.
func Operator() Viewer { return Viewer{operator: true} }

// SignedIn returns the viewer who is signed in as self and has the given relations.
func SignedIn(self Self, relations Relations) Viewer {
	return Viewer{self: self.id, relations: relations}
}

// LinkHolder returns a copy of the viewer that also has the share link of the owner.
func LinkHolder(viewer Viewer, owner songspy.UserID) Viewer {
	viewer.link = owner
	return viewer
}

// PreviewOf returns the viewer of a preview, which shows a user what others see of that
// user. The viewer has the given relation to the user, and is a stranger to all others.
// Any relation except Stranger and Follower counts as Stranger.
func PreviewOf(self Self, as Relation) Viewer {
	if as != Follower {
		as = Stranger
	}
	return Viewer{preview: self.id, as: as}
}

// signedIn reports whether the viewer is a signed-in user, or imitates one in a preview.
func (v *Viewer) signedIn() bool { return v.self != 0 || v.preview != 0 }

// relation returns the viewer's relation to owner.
func (v *Viewer) relation(owner songspy.UserID) Relation {
	switch {
	case owner == v.self && owner != 0:
		return Owner
	case owner == v.preview && v.as == Follower, contains(v.relations.follows, owner):
		return Follower
	case owner == v.link:
		return WithLink
	}
	return Stranger
}
