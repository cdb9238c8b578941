package board

import (
	"cmp"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// windowSize is how many users a window (the part of all listeners that one viewer sees) or
	// the topic of a track shows at most.
	windowSize = 48
	// windowCount is how many windows there are. Two viewers of different windows see
	// different users if more than windowSize are listening.
	windowCount = 64
)

// TopicKind says which users a topic shows.
type TopicKind uint8

// The kinds of topics.
const (
	TopicWindow    TopicKind = iota + 1 // users that the viewer may see, at most windowSize
	TopicFollowing                      // the users that the viewer follows
	TopicPerson                         // one user
	TopicTrack                          // users who play one track, at most windowSize
)

// OwnerTopic is the name of the topic that shows the owner of an overlay's token.
const OwnerTopic = "owner"

// Topic is a part of a stream: a set of users that the viewer may see.
type Topic struct {
	// Name is the topic as the client writes it.
	Name string
	Kind TopicKind
	// Handle is the handle (public id) of a person or a track; 0 if the name holds none.
	Handle songspy.PublicID
	// User is the one user that a topic of kind TopicPerson shows; 0 if there is none.
	User songspy.UserID
}

// ParseTopic returns the topic with the name. It returns false if the name is that of no topic.
// A handle that does not exist makes a topic that shows nobody.
func ParseTopic(name string) (Topic, bool) {
	t := Topic{Name: name}
	kind, handle, hasHandle := strings.Cut(name, ":")
	t.Handle, _ = songspy.ParseHandle(handle) // an invalid handle gives 0, which is the id of no user and no track
	switch {
	case name == "window":
		t.Kind = TopicWindow
	case name == "following":
		t.Kind = TopicFollowing
	case name == OwnerTopic:
		t.Kind = TopicPerson
	case kind == "person" && hasHandle:
		t.Kind = TopicPerson
	case kind == "track" && hasHandle:
		t.Kind = TopicTrack
	}
	return t, t.Kind != 0
}

// shows reports whether the topic may show the entry to some viewer.
func (t *Topic) shows(e *entry) bool {
	switch t.Kind {
	case TopicTrack:
		return e.track.PublicID == t.Handle
	case TopicPerson:
		return e.user == t.User
	}
	return true
}

// size returns how many users the topic shows at most; 0 if there is no limit.
func (t *Topic) size() int {
	switch t.Kind {
	case TopicWindow, TopicTrack:
		return windowSize
	}
	return 0
}

// ranked is an entry and its rank in a topic: the users with the smallest ranks are
// shown.
type ranked struct {
	rank uint64
	*entry
}

func compareRank(a, b ranked) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.publicID, b.publicID))
}

// hourSeed returns the number from which the ranks of an entry are computed: a hash of the
// user and of the hour in which the track started. So a user's rank changes only when a
// track starts. Each user's hours begin at another second, so that the ranks of all users
// do not change at once.
func hourSeed(p *songspy.BoardEntry) uint64 {
	const hour = 3600
	user := mix(uint64(p.User.PublicID))
	return mix(user ^ uint64(p.Playing.StartedAt.Unix()+int64(user%hour))/hour)
}

// rankIn returns the rank of the entry in the topics with the seed. All replicas compute
// the same rank.
func (e *entry) rankIn(seed uint64) uint64 { return mix(e.seed ^ seed) }

// mix is the output function of the generator SplitMix64: it changes about half of the
// bits if one bit of x changes.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
