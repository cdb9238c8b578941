package visibility

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Relation is how close a viewer is to an owner. A greater relation sees more.
type Relation uint8

// The relations.
const (
	Stranger Relation = iota
	WithLink          // the viewer has the owner's share link
	Follower          // the owner approved the viewer
	Owner             // the viewer is the owner

	nobody // required for what no viewer may see; no viewer has this relation
)

// Self is the user who makes a request. Only auth.Caller.Self makes one, and
// every read of a user's own data takes it. The zero value is nobody.
type Self struct{ id songspy.UserID }

// NewSelf returns the Self of an authenticated user. Only package auth and tests
// call it; a test checks this.
func NewSelf(id songspy.UserID) Self { return Self{id} }

// ID returns the id of the user.
func (s Self) ID() songspy.UserID { return s.id }

// Relations are the relations of one user to others, as sorted ids. The zero
// value has none.
type Relations struct {
	follows   []songspy.UserID // users that have approved this user as a follower
	asked     []songspy.UserID // users that this user has asked to follow
	followers []songspy.UserID // users that follow this user, or have asked to
	blocked   []songspy.UserID // users that have blocked this user, or that this user has blocked
}

// NewRelations returns the relations of a user, by the rows that concern the
// user. Other rows are ignored.
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

// Count returns how many relations there are.
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
	link      songspy.UserID // the owner of the viewer's share link; 0 without one
	preview   songspy.UserID // the owner who looks at a preview; 0 for real viewers
	as        Relation       // the relation to preview
	operator  bool           // sees every profile
}

// Anonymous returns a viewer who is not signed in.
func Anonymous() Viewer { return Viewer{} }

// Operator returns the viewer who operates the service. An operator sees every profile,
// and otherwise what a stranger sees. Only package operator and tests call it; a test
// checks this.
func Operator() Viewer { return Viewer{operator: true} }

// SignedIn returns the viewer of a signed-in user.
func SignedIn(self Self, relations Relations) Viewer {
	return Viewer{self: self.id, relations: relations}
}

// LinkHolder returns a viewer who also has the share link of owner.
func LinkHolder(viewer Viewer, owner songspy.UserID) Viewer {
	viewer.link = owner
	return viewer
}

// PreviewOf returns a viewer who has the relation Stranger or Follower to self,
// and is a stranger to all others. It shows users what others see of them. Other
// relations count as Stranger.
func PreviewOf(self Self, as Relation) Viewer {
	if as != Follower {
		as = Stranger
	}
	return Viewer{preview: self.id, as: as}
}

// signedIn reports whether the viewer is, or stands for, a signed-in user.
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
