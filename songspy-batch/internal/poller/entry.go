package poller

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// listener is what is known of one person at one moment: enough to ask, and to
// understand the answer.
type userState struct {
	access       songspy.Credentials
	expiresAt    time.Time // of access
	generation   int64     // of the link
	version      int64     // of the link
	suspect      bool      // the refresh token was refused lately
	pollsRefused bool      // polls were refused lately, although the token was renewed
	playing      songspy.NowPlaying

	coverage
	linkedAt      time.Time                 // since when the account is linked: what came before is not ours to ask
	gapReason     songspy.GapReason         // why looks have told nothing since watched; empty: none was made
	historyHash   uint64                    // stands for history's last answer, if all of it was dealt with
	habit         songspy.PartialPlayCounts // what was learnt of the account's history
	listsPartial  bool                      // history is taken to list partial plays
	pendingWrites int                       // outcomes that are on their way to the store
	pollReason    pollReason                // why the look is made that is planned, or under way
}

// past is what has been seen of somebody, and what has not.
type coverage struct {
	watchedUntil time.Time // the last look that told anything, by this process or the one before
	history      playback.HistoryState
	aheadOfClock bool // the store holds a state that is ahead of the clock
}

// seat is a listener as the roster keeps them. There may be a million, most of
// whom hear nothing: what only some have stands apart, and times are kept as
// exactly as the store keeps them.
type entry struct {
	app         *string // shared by all who linked through it
	accessToken songspy.Secret
	expiresAt   micros
	linkedAt    micros
	generation  int64
	version     int64

	playing          *songspy.NowPlaying // nil: it says no more than observed and idle do
	observedAt       micros
	watchedUntil     micros
	historyFetchedAt micros
	uncovered        *uncovered // nil: none
	historyHash      uint64
	habit            habit
	playsSinceFetch  int32
	readRound        uint32 // the last reading of the store that held the person
	pendingWrites    int16
	pollReason       pollReason // of the look that is planned, or under way
	idle             bool
	suspect          bool
	pollsRefused     bool
	aheadOfClock     bool // the store's state is ahead of the clock
	polling          bool // a look is under way
	dirty            bool // playing is newer than what the store was given
}

// doubt is what looks have left unexplained.
type uncovered struct {
	until     micros
	reason    playback.HistoryReason
	gapReason songspy.GapReason
}

// habit is a songspy.HistoryHabit, which counts no further than 60.
type habit struct{ listed, unlisted uint8 }

func habitOf(h songspy.PartialPlayCounts) habit {
	h = songspy.PartialPlayCounts{}.Add(h)
	return habit{uint8(h.Listed), uint8(h.Unlisted)}
}

func (h habit) value() songspy.PartialPlayCounts {
	return songspy.PartialPlayCounts{Listed: int(h.listed), Unlisted: int(h.unlisted)}
}

// micros is a time in microseconds since the Unix epoch, in UTC.
type micros int64

func microsOf(t time.Time) micros { return micros(t.UnixMicro()) }
func (m micros) time() time.Time  { return time.UnixMicro(int64(m)).UTC() }

// listener is all that the seat of the person holds.
func (s *entry) state(id songspy.UserID) userState {
	return userState{
		access: songspy.Credentials{App: s.appID(), Token: s.accessToken}, expiresAt: s.expiresAt.time(), generation: s.generation, version: s.version, suspect: s.suspect, pollsRefused: s.pollsRefused,
		playing: s.nowPlaying(id), coverage: coverage{s.watchedUntil.time(), s.historyState(), s.aheadOfClock}, linkedAt: s.linkedAt.time(),
		gapReason: s.gapReason(), historyHash: s.historyHash, habit: s.habit.value(), pendingWrites: int(s.pendingWrites), pollReason: s.pollReason,
	}
}

// appID is the app that the person linked through.
func (s *entry) appID() string {
	if s.app == nil {
		return ""
	}
	return *s.app
}

// take takes over a link.
func (s *entry) setLink(link songspy.Link) {
	s.accessToken, s.expiresAt, s.version = link.AccessToken, microsOf(link.AccessExpiresAt), link.Version
	s.pollsRefused = link.PollsRefusedSince != nil
	s.suspect = link.State == songspy.LinkSuspect && !s.pollsRefused
}

// isAhead reports whether something is known as of a time that is ahead.
func (l *userState) isAheadOfClock(now time.Time) bool {
	return l.playing.CorrectClock(now) != l.playing || songspy.IsAheadOfClock(l.watchedUntil, now) || songspy.IsAheadOfClock(l.linkedAt, now) ||
		songspy.IsAheadOfClock(l.history.FetchedAt, now) || songspy.IsAheadOfClock(l.history.UncoveredUntil, now)
}

// pullBack makes what is known as of a time that is ahead known as of now. The
// clock was set back since.
func (s *entry) correctClock(id songspy.UserID, now time.Time) {
	l := s.state(id)
	s.aheadOfClock = true
	s.setPlaying(l.playing.CorrectClock(now))
	s.watchedUntil, s.linkedAt = microsOf(songspy.CapAtNow(l.watchedUntil, now)), microsOf(songspy.CapAtNow(l.linkedAt, now))
	l.history.FetchedAt, l.history.UncoveredUntil = songspy.CapAtNow(l.history.FetchedAt, now), songspy.CapAtNow(l.history.UncoveredUntil, now)
	s.setHistoryState(l.history)
}

func (s *entry) nowPlaying(id songspy.UserID) songspy.NowPlaying {
	if s.playing != nil {
		return *s.playing
	}
	n := songspy.NowPlaying{UserID: id, Generation: s.generation, ObservedAt: s.observedAt.time()}
	if s.idle {
		n.State, n.OtherSeenAt = songspy.PlayerIdle, n.ObservedAt
	}
	return n
}

func (s *entry) setPlaying(n songspy.NowPlaying) {
	s.observedAt, s.idle = microsOf(n.ObservedAt), n.State == songspy.PlayerIdle
	said := songspy.NowPlaying{UserID: n.UserID, Generation: n.Generation, ObservedAt: n.ObservedAt}
	if s.idle && n.OtherSeenAt.Equal(n.ObservedAt) {
		said.State, said.OtherSeenAt = n.State, n.OtherSeenAt
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

func (s *entry) historyState() playback.HistoryState {
	u := playback.HistoryState{FetchedAt: s.historyFetchedAt.time(), PlaysSince: int(s.playsSinceFetch)}
	if s.uncovered != nil {
		u.UncoveredUntil, u.Reason = s.uncovered.until.time(), s.uncovered.reason
	}
	return u
}

func (s *entry) setHistoryState(u playback.HistoryState) {
	s.historyFetchedAt, s.playsSinceFetch = microsOf(u.FetchedAt), int32(u.PlaysSince)
	s.setUncovered(uncovered{microsOf(u.UncoveredUntil), u.Reason, s.gapReason()})
}

func (s *entry) gapReason() songspy.GapReason {
	if s.uncovered == nil {
		return ""
	}
	return s.uncovered.gapReason
}

func (s *entry) setGapReason(reason songspy.GapReason) {
	if s.gapReason() != reason {
		u := s.historyState()
		s.setUncovered(uncovered{microsOf(u.UncoveredUntil), u.Reason, reason})
	}
}

func (s *entry) setUncovered(d uncovered) {
	switch {
	case d == uncovered{until: microsOf(time.Time{})}:
		s.uncovered = nil
	case s.uncovered == nil:
		kept := d
		s.uncovered = &kept
	default:
		*s.uncovered = d
	}
}
