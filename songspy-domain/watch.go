package songspy

import "time"

// ViewerHash identifies a viewer. It is a keyed hash of the id of a signed-in user, or of
// the network from which a viewer reads without signing in.
type ViewerHash [16]byte

// Watch is the set of users that one viewer watches now. The batch makes additional polls
// of these users.
type Watch struct {
	Viewer ViewerHash
	// Source is the process that reports the watch. Several processes may report watches
	// of the same viewer.
	Source   string
	SignedIn bool // the viewer is signed in
	// Own says that the viewer has asked for a poll of their own player.
	Own bool
	// Users are the watched users. The viewer may see all of them. If there are none, and
	// the store adds no user of Followed, the viewer watches nobody any more.
	Users []UserID
	// Followed are users whose approved follower the viewer is. The viewer waits until they
	// start to play. When the store writes the watch, it adds those of them to Users who
	// play nothing now and do not hide from their followers.
	Followed []UserID
	// OpenedAt is when the viewer last opened a page, or last asked for a poll.
	OpenedAt time.Time
	// Until is when the watch ends, unless Source renews it before.
	Until time.Time
}
