package visibility

import songspy "github.com/songspy/songspy/songspy-domain"

// Follows returns the users who approved the viewer as a follower.
func (v Viewer) Follows() []songspy.UserID { return v.relations.follows }

// FollowState returns the state of the viewer's follow of owner; empty if there is none.
func (v Viewer) FollowState(owner songspy.UserID) songspy.FollowState {
	switch {
	case contains(v.relations.follows, owner):
		return songspy.FollowApproved
	case contains(v.relations.asked, owner):
		return songspy.FollowRequested
	}
	return ""
}

// Known returns the users that may show the viewer more than they show strangers. All
// other users show the viewer the same as strangers, or less. A user may be listed twice.
func (v Viewer) Known() []songspy.UserID {
	known := append([]songspy.UserID{}, v.relations.follows...)
	for _, id := range []songspy.UserID{v.self, v.link, v.preview} {
		if id != 0 {
			known = append(known, id)
		}
	}
	return known
}

// HasBlocks reports whether there may be users that strangers see and the viewer does
// not, because one of the two has blocked the other.
func (v Viewer) HasBlocks() bool { return len(v.relations.blocked) > 0 }
