package songspy

import "time"

// ViewerHash identifies a viewer: a keyed hash of the user's id, or of the network of a
// viewer who is not signed in.
type ViewerHash [16]byte

// Watch is a set of users that one viewer watches now. The batch polls these users more
// often.
type Watch struct {
	Viewer ViewerHash
	// Source is the process that reports the watch. Several processes may report watches
	// of the same viewer.
	Source   string
	SignedIn bool
	// Own says that the viewer has asked for a poll of themselves.
	Own bool
	// Users are the watched users. The viewer may see all of them. Empty: the viewer
	// watches nobody any more.
	Users []UserID
	// Followed are users that the viewer follows with approval and whose start the viewer
	// waits for. When the store writes the watch, it adds the followed users to Users that
	// play nothing now and do not hide from their followers.
	Followed []UserID
	// OpenedAt is when the viewer last opened a page, or last asked for a poll.
	OpenedAt time.Time
	// Until is when the watch ends unless the viewer renews it.
	Until time.Time
}
