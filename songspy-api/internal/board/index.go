package board

import (
	"cmp"
	"container/heap"
	"iter"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/tidwall/btree"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// index holds the users who are listening, and users who have paused. The listening users that
// strangers see are sorted as the board shows them. The others are found by their id, for the
// few viewers who may see them. An index is not safe for concurrent use. It does not read the
// clock: its methods get the time as an argument.
type index struct {
	byUser    map[songspy.UserID]*entry
	tracks    map[songspy.PublicID]*sharedTrack
	public    *btree.BTreeG[*entry] // listening users that strangers see, newest start first
	byTrack   *btree.BTreeG[*entry] // listening and paused users that strangers see, by track, newest start first
	pending   *btree.BTreeG[*entry] // entries that strangers will see later without another change, the soonest first
	deadlines deadlines             // all entries, by their field deadline
	// changed holds the users whose entry has changed since the last call of takeChanged. The
	// value is the entry that the user had at that call, or nil if the user had none.
	changed map[songspy.UserID]*entry
}

func newIndex() *index {
	unlocked := btree.Options{NoLocks: true}
	return &index{
		byUser:  map[songspy.UserID]*entry{},
		tracks:  map[songspy.PublicID]*sharedTrack{},
		public:  btree.NewBTreeGOptions(isBefore, unlocked),
		byTrack: btree.NewBTreeGOptions(isBeforeByTrack, unlocked),
		pending: btree.NewBTreeGOptions(isShownSooner, unlocked),
		changed: map[songspy.UserID]*entry{},
	}
}

// put replaces the entry of the user of p. If there is nothing to show, because the user has
// no open play or the play is over, put only removes the entry.
func (x *index) put(p songspy.BoardEntry, now time.Time) {
	x.remove(p.User.ID)
	p.Playing = p.Playing.CorrectClock(now)
	e, ok := newEntry(p)
	if !ok || e.isExpired(now) {
		return
	}
	x.markChanged(p.User.ID, nil)
	x.byUser[p.User.ID] = e
	x.share(e)
	e.deadline = e.nextDeadline(now)
	heap.Push(&x.deadlines, e)
	x.file(e, now)
}

// file adds the entry to byTrack and, unless its user has paused, to public if strangers see it
// now, or to pending if they will see it later without another change.
func (x *index) file(e *entry, now time.Time) {
	if e.isVisible(visibility.Anonymous(), now) {
		e.isPublic = true
		x.byTrack.Set(e)
		if !e.isPaused {
			x.public.Set(e)
		}
	} else if e.shownFrom = instantOf(e.visibleFrom(now)); e.shownFrom != 0 {
		x.pending.Set(e)
	}
}

// remove removes the entry of a user.
func (x *index) remove(id songspy.UserID) {
	if e, ok := x.byUser[id]; ok {
		x.markChanged(id, e)
		delete(x.byUser, id)
		x.unshare(e.track.PublicID)
		x.public.Delete(e)
		x.byTrack.Delete(e)
		x.pending.Delete(e)
		heap.Remove(&x.deadlines, e.deadlineIndex)
	}
}

// sharedTrack is a track, and how many entries have its public id.
type sharedTrack struct {
	track   *songspy.Track
	entries int
}

// share makes the entry point to the same track in memory as the other entries with that
// track, and counts the entry.
func (x *index) share(e *entry) {
	t := x.tracks[e.track.PublicID]
	switch {
	case t == nil:
		t = &sharedTrack{track: e.track}
		x.tracks[e.track.PublicID] = t
	case reflect.DeepEqual(t.track, e.track):
		e.track = t.track
	default: // the catalogue has changed the track: new entries share the new data
		t.track = e.track
	}
	t.entries++
}

func (x *index) unshare(id songspy.PublicID) {
	t := x.tracks[id]
	if t.entries--; t.entries == 0 {
		delete(x.tracks, id)
	}
}

func (x *index) markChanged(id songspy.UserID, before *entry) {
	if _, known := x.changed[id]; !known {
		x.changed[id] = before
	}
}

// takeChanged returns the users whose entry has changed since its last call. The value is the
// entry that the user had at that call, or nil if the user had none.
func (x *index) takeChanged() map[songspy.UserID]*entry {
	taken := x.changed
	x.changed = map[songspy.UserID]*entry{}
	return taken
}

// advance applies what time alone changes: it removes the entries that have expired, adds those
// that strangers see from now on to public and byTrack, and marks those as changed that other
// viewers may see from now on.
func (x *index) advance(now time.Time) {
	for len(x.deadlines) > 0 && x.deadlines[0].deadline <= instantOf(now) {
		e := x.deadlines[0]
		if e.isExpired(now) {
			x.remove(e.user)
			continue
		}
		x.markChanged(e.user, e)
		if !e.isPublic {
			x.pending.Delete(e)
			x.file(e, now)
		}
		e.deadline = e.nextDeadline(now)
		heap.Fix(&x.deadlines, 0)
	}
}

// top returns the first n entries as strangers see them, and the time at which this result
// becomes invalid. The time is zero if only a change makes the result invalid.
func (x *index) top(n int, now time.Time) ([]visibility.Seen[songspy.BoardEntry], time.Time) {
	x.advance(now)
	var until time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	top := make([]visibility.Seen[songspy.BoardEntry], 0, n)
	x.public.Scan(func(e *entry) bool {
		if e.isExpired(now) {
			return true
		}
		if seen, ok := e.reveal(visibility.Anonymous(), now); ok {
			top = append(top, seen)
			sooner(e.expiresAt.time())
		} else { // not visible any more, because the clock was set back
			sooner(e.visibleFrom(now))
		}
		return len(top) < n
	})
	if e, ok := x.pending.Min(); ok {
		sooner(e.shownFrom.time())
	}
	return top, until
}

// listening returns up to n entries that the viewer sees and the filter f admits, beginning
// after the position. The result next is the position of the last returned entry if more
// entries follow, and nil otherwise.
func (x *index) listening(v visibility.Viewer, f Filter, position Position, n int, now time.Time) (seen []visibility.Seen[songspy.BoardEntry], next *Position) {
	x.advance(now)
	from := position.entry()
	if f == OnlyFollowed {
		return page(slices.Values(x.of(v.Follows(), from)), v, n, now)
	}
	return page(withPublic(x.of(v.Known(), from), after(x.public, from)), v, n, now)
}

// window returns the entries of a window, newest start first: of the entries that the viewer
// sees, the windowSize with the smallest ranks (hashes; see rankIn). It leaves out paused users.
// The seed identifies the window.
func (x *index) window(v visibility.Viewer, seed uint64, now time.Time) (seen []visibility.Seen[songspy.BoardEntry]) {
	x.advance(now)
	from := beginning.entry()
	known := x.of(v.Known(), from)
	for below := boundOf(x.public.Len(), rankedTarget); ; below = double(below) {
		var candidates []ranked
		for e := range withPublic(known, after(x.public, from)) {
			if rank := e.rankIn(seed); rank < below {
				candidates = append(candidates, ranked{rank, e})
			}
		}
		slices.SortFunc(candidates, compareRank)
		var shown []*entry
		for _, c := range candidates {
			if c.isVisible(v, now) && !c.isExpired(now) && len(shown) < windowSize {
				shown = append(shown, c.entry)
			}
		}
		if len(shown) < windowSize && below != math.MaxUint64 {
			continue
		}
		slices.SortFunc(shown, compare)
		seen, _ = page(slices.Values(shown), v, windowSize, now)
		return seen
	}
}

// listeners returns the first n entries that play the track and that the viewer sees.
func (x *index) listeners(v visibility.Viewer, track songspy.PublicID, n int, now time.Time) []visibility.Seen[songspy.BoardEntry] {
	x.advance(now)
	from := beginning.entry()
	from.track.PublicID = track
	known := slices.DeleteFunc(x.of(v.Known(), from), func(e *entry) bool { return e.track.PublicID != track })
	seen, _ := page(withPublic(known, untilOtherTrack(after(x.byTrack, from), track)), v, n, now)
	return seen
}

// page returns the first n of the entries that the viewer sees. It skips users who have paused.
// The result next is the position of the last returned entry if more entries follow, and nil
// otherwise.
func page(entries iter.Seq[*entry], v visibility.Viewer, n int, now time.Time) (seen []visibility.Seen[songspy.BoardEntry], next *Position) {
	var last *entry
	for e := range entries {
		if e.isExpired(now) || e.isPaused {
			continue
		}
		s, ok := e.reveal(v, now)
		switch {
		case !ok:
		case len(seen) == n:
			return seen, &Position{last.startedAt.time(), last.publicID}
		default:
			seen, last = append(seen, s), e
		}
	}
	return seen, nil
}

// of returns the entries of these users that come after the entry from, in the order of the
// board and each once.
func (x *index) of(users []songspy.UserID, from *entry) []*entry {
	var entries []*entry
	for _, id := range users {
		if e, ok := x.byUser[id]; ok && isBefore(from, e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, compare)
	return slices.Compact(entries)
}

// withPublic merges two ordered sequences: it yields the given entries and those of public,
// which strangers see, in the order of the board and each once.
func withPublic(entries []*entry, public iter.Seq[*entry]) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for e := range public {
			for len(entries) > 0 && isBefore(entries[0], e) {
				if !yield(entries[0]) {
					return
				}
				entries = entries[1:]
			}
			if len(entries) > 0 && entries[0] == e {
				entries = entries[1:]
			}
			if !yield(e) {
				return
			}
		}
		for _, e := range entries {
			if !yield(e) {
				return
			}
		}
	}
}

// after yields the entries of the tree that come after the entry from, in the order of the
// tree.
func after(tree *btree.BTreeG[*entry], from *entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		tree.Ascend(from, func(e *entry) bool { return !tree.Less(from, e) || yield(e) })
	}
}

// untilOtherTrack yields the entries before the first one that plays another track.
func untilOtherTrack(entries iter.Seq[*entry], track songspy.PublicID) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for e := range entries {
			if e.track.PublicID != track || !yield(e) {
				return
			}
		}
	}
}

// prune removes entries whose song is over. After the clock was set back, some songs start in
// the future: prune puts their entries into the index again with corrected times, and reports
// whether there were any.
func (x *index) prune(now time.Time) (reordered bool) {
	for id, e := range x.byUser {
		switch {
		case e.isExpired(now):
			x.remove(id)
		default:
			if playing := e.playing(); playing.HasFutureTime(now) {
				x.put(e.boardEntry(), now)
				reordered = true
			}
		}
	}
	return reordered
}

// entry is a user who is listening or has paused. It holds only what the board needs,
// because there may be 100,000 of them.
type entry struct {
	user      songspy.UserID
	publicID  songspy.PublicID
	name      string         // the nickname that others see; empty if there is none
	picture   string         // the picture's URL that others see; empty if there is none
	track     *songspy.Track // entries with the same track share it
	rule      songspy.SharingRule
	startedAt instant
	endsAt    instant // 0 if unknown
	// observedAt, seenAt and pausedSince are those of songspy.NowPlaying.
	observedAt, seenAt, pausedSince instant
	// expiresAt is when the entry becomes invalid, unless a change comes first. For a
	// song without a known end, each poll that still sees it is such a change.
	expiresAt instant
	// shownFrom is when strangers will see the entry, if it is pending.
	shownFrom instant
	// deadline is when the entry expires, or when time alone may show it to more viewers.
	deadline      instant
	seed          uint64 // decides the user's random rank in windows; see hourSeed
	deadlineIndex int
	isPaused      bool // only streams show such a user
	isPublic      bool // strangers see the entry
}

// newEntry returns the entry of a user. It returns false for a user who has no open play, or
// whose track is not stored or has no title.
func newEntry(p songspy.BoardEntry) (*entry, bool) {
	if !p.Playing.IsOpen() || p.Track.ID == 0 || p.Track.Title == "" {
		return nil, false
	}
	return &entry{
		user: p.User.ID, publicID: p.User.PublicID, name: p.User.PublicName(), picture: p.User.PublicPicture(), track: &p.Track, rule: p.Rule,
		startedAt: instantOf(p.Playing.StartedAt), endsAt: instantOrNone(p.Playing.EndsAt),
		observedAt: instantOf(p.Playing.ObservedAt), seenAt: instantOf(p.Playing.SeenAt), pausedSince: instantOrNone(p.Playing.PausedSince),
		expiresAt: instantOf(p.Playing.ShownUntil()), isPaused: p.Playing.State == songspy.PlayerPaused, seed: hourSeed(&p),
	}, true
}

// boardEntry returns the entry as a songspy.BoardEntry, which has only the fields that the
// entry holds.
func (e *entry) boardEntry() songspy.BoardEntry {
	b := songspy.BoardEntry{
		User:    songspy.User{ID: e.user, PublicID: e.publicID, PictureURL: e.picture, ShowPicture: e.picture != ""},
		Playing: e.playing(), Track: *e.track, Rule: e.rule,
	}
	if e.name != "" {
		b.User.NickName = &e.name
	}
	return b
}

func (e *entry) playing() songspy.NowPlaying {
	return songspy.NowPlaying{
		UserID: e.user, State: e.state(), TrackID: e.track.ID, TrackURI: e.track.URI, DurationMS: e.track.DurationMS,
		StartedAt: e.startedAt.time(), EndsAt: e.endsAt.timeOrNil(),
		ObservedAt: e.observedAt.time(), SeenAt: e.seenAt.time(), PausedSince: e.pausedSince.timeOrNil(),
	}
}

func (e *entry) state() songspy.PlayerState {
	if e.isPaused {
		return songspy.PlayerPaused
	}
	return songspy.PlayerPlaying
}

// nextDeadline returns the first time after now at which the entry expires, or at which
// time alone may show it to more viewers.
func (e *entry) nextDeadline(now time.Time) instant {
	next := instantOf(visibility.NextChange(e.rule, e.thing(), now))
	if next == 0 {
		return e.expiresAt
	}
	return min(next, e.expiresAt)
}

// instant is a time as Unix nanoseconds: it needs a third of the memory of a time.Time. 0
// is no time.
type instant int64

// lastInstant stands for all times after the year 2261: soon after it, Unix nanoseconds exceed
// 63 bits.
const lastInstant = instant(math.MaxInt64)

func instantOf(t time.Time) instant {
	const lastYear = 2261
	switch {
	case t.IsZero():
		return 0
	case t.Year() > lastYear:
		return lastInstant
	}
	return instant(t.UnixNano())
}

func instantOrNone(t *time.Time) instant {
	if t == nil {
		return 0
	}
	return instantOf(*t)
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}

func (i instant) timeOrNil() *time.Time {
	if i == 0 {
		return nil
	}
	return new(i.time())
}

// deadlines is a heap of entries, the soonest deadline first.
type deadlines []*entry

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline < d[j].deadline }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].deadlineIndex, d[j].deadlineIndex = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	e := x.(*entry) //nolint:forcetypeassert // put pushes entries only
	e.deadlineIndex = len(*d)
	*d = append(*d, e)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return e
}

// isExpired reports whether the entry is no longer valid.
func (e *entry) isExpired(now time.Time) bool { return instantOf(now) >= e.expiresAt }

func (e *entry) thing() visibility.Thing { return visibility.NowThing(e.track, e.startedAt.time()) }

// isVisible reports whether the viewer sees the entry.
func (e *entry) isVisible(v visibility.Viewer, now time.Time) bool {
	_, ok := visibility.Reveal(e, e.user, e.rule, e.thing(), v, now)
	return ok
}

func (e *entry) reveal(v visibility.Viewer, now time.Time) (visibility.Seen[songspy.BoardEntry], bool) {
	return visibility.Reveal(new(e.boardEntry()), e.user, e.rule, e.thing(), v, now)
}

// visibleFrom returns the first time, from now on, at which strangers see the entry if nothing
// but time changes. It returns zero if time alone never shows them the entry.
func (e *entry) visibleFrom(now time.Time) time.Time {
	return visibility.VisibleFrom(e.user, e.rule, e.thing(), visibility.Anonymous(), now)
}

// Position is a place in the order of the board. It consists of the start of a play and its
// user, because two plays may start at the same time.
type Position struct {
	StartedAt time.Time
	User      songspy.PublicID
}

// beginning is the position before every entry: its start is later than that of every play.
var beginning = Position{StartedAt: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}

// entry returns an entry for comparisons with other entries: it stands at the position in the
// order of the board.
func (p Position) entry() *entry {
	return &entry{startedAt: instantOf(p.StartedAt), publicID: p.User, track: &songspy.Track{}}
}

// compare orders entries as the board shows them: newest start first, then by public id.
func compare(a, b *entry) int {
	return cmp.Or(cmp.Compare(b.startedAt, a.startedAt), cmp.Compare(a.publicID, b.publicID))
}

func isBefore(a, b *entry) bool { return compare(a, b) < 0 }

// isBeforeByTrack orders entries by track, then as the board does.
func isBeforeByTrack(a, b *entry) bool {
	return cmp.Or(cmp.Compare(a.track.PublicID, b.track.PublicID), compare(a, b)) < 0
}

// isShownSooner orders pending entries by when strangers see them.
func isShownSooner(a, b *entry) bool {
	return cmp.Or(cmp.Compare(a.shownFrom, b.shownFrom), compare(a, b)) < 0
}
