package visibility

import songspy "github.com/songspy/songspy/songspy-domain"

// Follows returns the users who approved the viewer as a follower.
func (v Viewer) Follows() []songspy.UserID { return v.relations.follows }

// FollowState returns FollowApproved if the viewer follows the owner, FollowRequested if
// the viewer has asked to, and "" otherwise.
func (v Viewer) FollowState(owner songspy.UserID) songspy.FollowState {
	switch {
	case contains(v.relations.follows, owner):
		return songspy.FollowApproved
	case contains(v.relations.asked, owner):
		return songspy.FollowRequested
	}
	return ""
}

// Known returns the users whose plays the viewer may see although strangers do not: the
// viewer, the followed users, and the owner of the share link or of the preview. All other
// users show the viewer the same plays as strangers, or none because of a block. The
// result may contain a user twice.
func (v Viewer) Known() []songspy.UserID {
	known := append([]songspy.UserID{}, v.relations.follows...)
	for _, id := range []songspy.UserID{v.self, v.link, v.preview} {
		if id != 0 {
			known = append(known, id)
		}
	}
	return known
}

// HasBlocks reports whether the viewer has blocked a user or was blocked by one. If so,
// there may be users that strangers see and the viewer does not.
func (v Viewer) HasBlocks() bool { return len(v.relations.blocked) > 0 }
