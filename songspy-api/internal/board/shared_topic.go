package board

import (
	"maps"
	"math"
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// rankedTarget is how many entries a shared topic ranks, if there are so many. These are more
// than the topic shows, so that some can leave before the topic has to rank all users again.
const rankedTarget = 128

type sharedKey struct {
	kind TopicKind
	seed uint64
	name string
}

// sharedTopic is a topic (a window or the users who play a track) that looks the same to
// strangers and to many other viewers: their streams share its view and its frames. The streams
// of viewers who see other users have own views, and share only the ranks.
type sharedTopic struct {
	key                         sharedKey
	view                        view
	withOwnView, withoutOwnView map[*subscription]struct{}

	// ranked holds the entries that strangers see and whose rank is less than the field below,
	// in the order of their ranks. It may hold entries with greater ranks too: those of users
	// that a view shows, or whose previous entry it held.
	ranked []ranked
	below  uint64
	target int // how many entries ranked should hold
	most   int // if ranked holds more, a window ranks all entries again

	isChanged bool   // whether the view may have changed since the last tick
	frame     []byte // the frame of this tick; nil if the view has not changed
	snapshot  []byte // the snapshot of this tick; nil until a stream needs it
}

// rank fills the slice ranked again from all entries. It doubles the field below until ranked
// holds at least target entries or all. Users that strangers see and a view of the topic shows
// are in ranked whatever their rank is.
func (s *sharedTopic) rank(x *index) {
	held := map[songspy.UserID]bool{}
	hold(held, &s.view)
	for sub := range s.withOwnView {
		hold(held, sub.own)
	}
	for s.below = s.firstBound(len(x.byUser)); ; s.below = double(s.below) {
		s.ranked = s.ranked[:0]
		for e := range s.entries(x) {
			if rank := e.rankIn(s.key.seed); e.isPublic && (rank < s.below || held[e.user]) {
				s.ranked = append(s.ranked, ranked{rank, e})
			}
		}
		if len(s.ranked) >= s.target || s.below == math.MaxUint64 {
			break
		}
	}
	slices.SortFunc(s.ranked, compareRank)
	s.most = 4 * max(len(s.ranked), s.target)
}

// hold adds the users that the view shows to the set held.
func hold(held map[songspy.UserID]bool, v *view) {
	for _, e := range v.slots {
		if e != nil {
			held[e.user] = true
		}
	}
}

// firstBound returns the first value that rank gives the field below. For a window, it is that
// of boundOf. For the topic of a track, all entries have a smaller rank.
func (s *sharedTopic) firstBound(entries int) uint64 {
	if s.key.kind != TopicWindow {
		return math.MaxUint64
	}
	return boundOf(entries, s.target)
}

// boundOf returns a bound for ranks. Of the given number of entries, about target have a
// smaller rank, because ranks are hashes. Of 2*target entries or fewer, all have a
// smaller rank.
func boundOf(entries, target int) uint64 {
	if entries <= 2*target {
		return math.MaxUint64
	}
	return math.MaxUint64 / uint64(entries) * uint64(target)
}

func double(bound uint64) uint64 {
	if bound > math.MaxUint64/2 {
		return math.MaxUint64
	}
	return 2 * bound
}

// limitRanks ranks all entries again if ranked holds less than half of target, although
// there are more entries, or, for a window, more than the field most.
func (s *sharedTopic) limitRanks(x *index) {
	if len(s.ranked) < s.target/2 && s.below != math.MaxUint64 || len(s.ranked) > s.most && s.key.kind == TopicWindow {
		s.rank(x)
	}
}

// apply replaces the previous entry of a user in the slice ranked by the new one. The argument
// before is the previous entry, or nil if the user had none. The argument after is the new
// entry, or nil if the user has none any more.
func (s *sharedTopic) apply(before, after *entry) {
	wasRanked := false
	if before != nil {
		if i, found := slices.BinarySearchFunc(s.ranked, ranked{before.rankIn(s.key.seed), before}, compareRank); found {
			s.ranked = slices.Delete(s.ranked, i, i+1)
			wasRanked = true
		}
	}
	isRanked := false
	if after != nil && after.isPublic && s.view.topic.shows(after) {
		r := ranked{after.rankIn(s.key.seed), after}
		if isRanked = r.rank < s.below || wasRanked; isRanked {
			if i, found := slices.BinarySearchFunc(s.ranked, r, compareRank); !found {
				s.ranked = slices.Insert(s.ranked, i, r)
			} else {
				s.ranked[i] = r
			}
		}
	}
	s.isChanged = s.isChanged || wasRanked || isRanked
}

// entries returns the entries among which the topic chooses: for a track, the entries that play
// it and that strangers see; for a window, all entries.
func (s *sharedTopic) entries(x *index) func(func(*entry) bool) {
	if s.key.kind != TopicTrack {
		return maps.Values(x.byUser)
	}
	from := beginning.entry()
	from.track.PublicID = s.view.topic.Handle
	return untilOtherTrack(after(x.byTrack, from), s.view.topic.Handle)
}
