package sweep

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// listener is what is known of one person at one moment: enough to ask, and to
// understand the answer.
type listener struct {
	access     songspy.Access
	expires    time.Time // of access
	generation int64     // of the link
	version    int64     // of the link
	suspect    bool      // the refresh token was refused lately
	refused    bool      // polls were refused lately, although the token was renewed
	playing    songspy.NowPlaying

	past
	linked    time.Time            // since when the account is linked: what came before is not ours to ask
	blind     songspy.GapReason    // why looks have told nothing since watched; empty: none was made
	told      uint64               // stands for history's last answer, if all of it was dealt with
	habit     songspy.HistoryHabit // what was learnt of the account's history
	partial   bool                 // history is taken to list partial plays
	wholeOnly bool                 // history is known to list only whole plays
	writing   int                  // outcomes that are on their way to the store
	why       reason               // why the look is made that is planned, or under way
}

// past is what has been seen of somebody, and what has not.
type past struct {
	watched time.Time // the last look that told anything, by this process or the one before
	untold  listening.Untold
	ahead   bool // the store holds a state that is ahead of the clock
}

// seat is a listener as the roster keeps them. There may be a million, most of
// whom hear nothing: what only some have stands apart, and times are kept as
// exactly as the store keeps them.
type seat struct {
	app        *string // shared by all who linked through it
	access     songspy.Secret
	expires    micros
	linked     micros
	generation int64
	version    int64

	playing  *songspy.NowPlaying // nil: it says no more than observed and idle do
	observed micros
	watched  micros
	asked    micros
	doubt    *doubt // nil: none
	told     uint64
	habit    habit
	plays    int32
	round    uint32 // the last reading of the store that held the person
	writing  int16
	why      reason // of the look that is planned, or under way
	idle     bool
	suspect  bool
	refused  bool
	ahead    bool // the store's state is ahead of the clock
	looking  bool // a look is under way
	unsaved  bool // playing is newer than what the store was given
}

// doubt is what looks have left unexplained.
type doubt struct {
	until micros
	why   listening.Errand
	blind songspy.GapReason
}

// habit is a songspy.HistoryHabit, which counts no further than 60.
type habit struct{ listed, unlisted uint8 }

func habitOf(h songspy.HistoryHabit) habit {
	h = songspy.HistoryHabit{}.Plus(h)
	return habit{uint8(h.Listed), uint8(h.Unlisted)}
}

func (h habit) value() songspy.HistoryHabit {
	return songspy.HistoryHabit{Listed: int(h.listed), Unlisted: int(h.unlisted)}
}

// micros is a time in microseconds since the Unix epoch, in UTC.
type micros int64

func microsOf(t time.Time) micros { return micros(t.UnixMicro()) }
func (m micros) time() time.Time  { return time.UnixMicro(int64(m)).UTC() }

// listener is all that the seat of the person holds.
func (s *seat) listener(id songspy.UserID) listener {
	return listener{
		access: songspy.Access{App: s.appID(), Token: s.access}, expires: s.expires.time(), generation: s.generation, version: s.version, suspect: s.suspect, refused: s.refused,
		playing: s.nowPlaying(id), past: past{s.watched.time(), s.untold(), s.ahead}, linked: s.linked.time(),
		blind: s.blind(), told: s.told, habit: s.habit.value(), writing: int(s.writing), why: s.why,
	}
}

// appID is the app that the person linked through.
func (s *seat) appID() string {
	if s.app == nil {
		return ""
	}
	return *s.app
}

// take takes over a link.
func (s *seat) take(link songspy.Link) {
	s.access, s.expires, s.version = link.AccessToken, microsOf(link.AccessExpiresAt), link.Version
	s.refused = link.PollsRefusedSince != nil
	s.suspect = link.State == songspy.LinkSuspect && !s.refused
}

// isAhead reports whether something is known as of a time that is ahead.
func (l *listener) isAhead(now time.Time) bool {
	return l.playing.NotAhead(now) != l.playing || songspy.IsAhead(l.watched, now) || songspy.IsAhead(l.linked, now) ||
		songspy.IsAhead(l.untold.AskedAt, now) || songspy.IsAhead(l.untold.Until, now)
}

// pullBack makes what is known as of a time that is ahead known as of now. The
// clock was set back since.
func (s *seat) pullBack(id songspy.UserID, now time.Time) {
	l := s.listener(id)
	s.ahead = true
	s.play(l.playing.NotAhead(now))
	s.watched, s.linked = microsOf(songspy.NotAhead(l.watched, now)), microsOf(songspy.NotAhead(l.linked, now))
	l.untold.AskedAt, l.untold.Until = songspy.NotAhead(l.untold.AskedAt, now), songspy.NotAhead(l.untold.Until, now)
	s.leaveUntold(l.untold)
}

func (s *seat) nowPlaying(id songspy.UserID) songspy.NowPlaying {
	if s.playing != nil {
		return *s.playing
	}
	n := songspy.NowPlaying{UserID: id, Generation: s.generation, ObservedAt: s.observed.time()}
	if s.idle {
		n.State, n.ElsewhereAt = songspy.PlayerIdle, n.ObservedAt
	}
	return n
}

func (s *seat) play(n songspy.NowPlaying) {
	s.observed, s.idle = microsOf(n.ObservedAt), n.State == songspy.PlayerIdle
	said := songspy.NowPlaying{UserID: n.UserID, Generation: n.Generation, ObservedAt: n.ObservedAt}
	if s.idle && n.ElsewhereAt.Equal(n.ObservedAt) {
		said.State, said.ElsewhereAt = n.State, n.ElsewhereAt
	}
	switch {
	case n == said:
		s.playing = nil
	case s.playing == nil:
		kept := n // n itself would be on the heap at every call
		s.playing = &kept
	default:
		*s.playing = n
	}
}

func (s *seat) untold() listening.Untold {
	u := listening.Untold{AskedAt: s.asked.time(), Plays: int(s.plays)}
	if s.doubt != nil {
		u.Until, u.Why = s.doubt.until.time(), s.doubt.why
	}
	return u
}

func (s *seat) leaveUntold(u listening.Untold) {
	s.asked, s.plays = microsOf(u.AskedAt), int32(u.Plays)
	s.setDoubt(doubt{microsOf(u.Until), u.Why, s.blind()})
}

func (s *seat) blind() songspy.GapReason {
	if s.doubt == nil {
		return ""
	}
	return s.doubt.blind
}

func (s *seat) setBlind(why songspy.GapReason) {
	if s.blind() != why {
		u := s.untold()
		s.setDoubt(doubt{microsOf(u.Until), u.Why, why})
	}
}

func (s *seat) setDoubt(d doubt) {
	switch {
	case d == doubt{until: microsOf(time.Time{})}:
		s.doubt = nil
	case s.doubt == nil:
		kept := d
		s.doubt = &kept
	default:
		*s.doubt = d
	}
}
