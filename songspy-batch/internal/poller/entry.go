package poller

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// userState is a copy of one user's entry. A poll needs nothing else to make its
// call and to interpret the answer.
type userState struct {
	access       songspy.Credentials
	expiresAt    time.Time // when access expires
	generation   int64     // that of the link
	version      int64     // that of the link
	suspect      bool      // Spotify refused the refresh token lately
	pollsRefused bool      // Spotify refused polls lately, although the token was renewed
	playing      songspy.NowPlaying

	coverage
	linkedAt       time.Time                 // the account was linked then; history is fetched from there on
	gapReason      songspy.GapReason         // why no poll has succeeded since watchedUntil; empty: no poll has failed
	historyHash    uint64                    // fingerprint of the last history answer; 0: it must be reconciled again
	habit          songspy.PartialPlayCounts // how often the account's history listed partial plays
	listsPartial   bool                      // the account's history is assumed to list partial plays
	pendingWrites  int                       // updates that are not stored yet
	wholePlaysOnly bool                      // the account's history is known to list whole plays only
	pollReason     pollReason                // why the poll that is planned or running is made
}

// entry is one user in the registry. There may be a million, and most of them are
// idle. So fields that only some users need are behind pointers, and times have
// the precision of the store.
type entry struct {
	app         *string // shared by all entries of the app
	accessToken songspy.Secret
	expiresAt   micros
	linkedAt    micros
	generation  int64
	version     int64

	playing          *songspy.NowPlaying // nil: observedAt and idle say the same
	observedAt       micros
	watchedUntil     micros
	historyFetchedAt micros
	uncovered        *uncovered // nil: all time is covered
	historyHash      uint64
	habit            habit
	playsSinceFetch  int32
	readRound        uint32 // the last full read of the store that returned the user
	pendingWrites    int16
	pollReason       pollReason // why the poll that is planned or running is made
	idle             bool
	suspect          bool
	pollsRefused     bool
	aheadOfClock     bool // the stored state is ahead of the clock
	polling          bool // a poll is running
	dirty            bool // playing is newer than the last update given to the store
}

// uncovered is the time that polls have left unexplained.
type uncovered struct {
	until     micros
	reason    playback.HistoryReason
	gapReason songspy.GapReason
}

// habit is a songspy.PartialPlayCounts in two bytes. Its counts are at most 60.
type habit struct{ listed, unlisted uint8 }

func habitOf(c songspy.PartialPlayCounts) habit {
	c = songspy.PartialPlayCounts{}.Add(c)
	return habit{uint8(c.Listed), uint8(c.Unlisted)}
}

func (h habit) value() songspy.PartialPlayCounts {
	return songspy.PartialPlayCounts{Listed: int(h.listed), Unlisted: int(h.unlisted)}
}

// micros is a time in microseconds since the Unix epoch, in UTC.
type micros int64

func microsOf(t time.Time) micros { return micros(t.UnixMicro()) }
func (m micros) time() time.Time  { return time.UnixMicro(int64(m)).UTC() }

// state returns a copy of the entry. It leaves listsPartial to the registry.
func (e *entry) state(id songspy.UserID) userState {
	return userState{
		access:    songspy.Credentials{App: e.appID(), Token: e.accessToken},
		expiresAt: e.expiresAt.time(), generation: e.generation, version: e.version,
		suspect: e.suspect, pollsRefused: e.pollsRefused, playing: e.nowPlaying(id),
		coverage: coverage{e.watchedUntil.time(), e.historyState(), e.aheadOfClock},
		linkedAt: e.linkedAt.time(), gapReason: e.gapReason(), historyHash: e.historyHash,
		habit: e.habit.value(), pendingWrites: int(e.pendingWrites), pollReason: e.pollReason,
	}
}

// appID returns the app that the user is linked through.
func (e *entry) appID() string {
	if e.app == nil {
		return ""
	}
	return *e.app
}

// setLink takes over the link's tokens, version and state.
func (e *entry) setLink(link songspy.Link) {
	e.accessToken, e.expiresAt, e.version = link.AccessToken, microsOf(link.AccessExpiresAt), link.Version
	e.pollsRefused = link.PollsRefusedSince != nil
	e.suspect = link.State == songspy.LinkSuspect && !e.pollsRefused
}

// isAheadOfClock reports whether a time of the state is ahead of now.
func (s *userState) isAheadOfClock(now time.Time) bool {
	return s.playing.CorrectClock(now) != s.playing || songspy.IsAheadOfClock(s.watchedUntil, now) || songspy.IsAheadOfClock(s.linkedAt, now) ||
		songspy.IsAheadOfClock(s.history.FetchedAt, now) || songspy.IsAheadOfClock(s.history.UncoveredUntil, now)
}

// correctClock sets times that are ahead of now to now, after the clock was set back.
func (e *entry) correctClock(id songspy.UserID, now time.Time) {
	s := e.state(id)
	e.aheadOfClock = true
	e.setPlaying(s.playing.CorrectClock(now))
	e.watchedUntil, e.linkedAt = microsOf(songspy.CapAtNow(s.watchedUntil, now)), microsOf(songspy.CapAtNow(s.linkedAt, now))
	s.history.FetchedAt, s.history.UncoveredUntil = songspy.CapAtNow(s.history.FetchedAt, now), songspy.CapAtNow(s.history.UncoveredUntil, now)
	e.setHistoryState(s.history)
}

func (e *entry) nowPlaying(id songspy.UserID) songspy.NowPlaying {
	if e.playing != nil {
		return *e.playing
	}
	n := songspy.NowPlaying{UserID: id, Generation: e.generation, ObservedAt: e.observedAt.time()}
	if e.idle {
		n.State, n.OtherSeenAt = songspy.PlayerIdle, n.ObservedAt
	}
	return n
}

func (e *entry) setPlaying(n songspy.NowPlaying) {
	e.observedAt, e.idle = microsOf(n.ObservedAt), n.State == songspy.PlayerIdle
	compact := songspy.NowPlaying{UserID: n.UserID, Generation: n.Generation, ObservedAt: n.ObservedAt}
	if e.idle && n.OtherSeenAt.Equal(n.ObservedAt) {
		compact.State, compact.OtherSeenAt = n.State, n.OtherSeenAt
	}
	switch {
	case n == compact:
		e.playing = nil
	case e.playing == nil:
		copied := n // taking the address of n would allocate at every call
		e.playing = &copied
	default:
		*e.playing = n
	}
}

func (e *entry) historyState() playback.HistoryState {
	h := playback.HistoryState{FetchedAt: e.historyFetchedAt.time(), PlaysSince: int(e.playsSinceFetch)}
	if e.uncovered != nil {
		h.UncoveredUntil, h.Reason = e.uncovered.until.time(), e.uncovered.reason
	}
	return h
}

func (e *entry) setHistoryState(h playback.HistoryState) {
	e.historyFetchedAt, e.playsSinceFetch = microsOf(h.FetchedAt), int32(h.PlaysSince)
	e.setUncovered(uncovered{microsOf(h.UncoveredUntil), h.Reason, e.gapReason()})
}

func (e *entry) gapReason() songspy.GapReason {
	if e.uncovered == nil {
		return ""
	}
	return e.uncovered.gapReason
}

func (e *entry) setGapReason(reason songspy.GapReason) {
	if e.gapReason() != reason {
		h := e.historyState()
		e.setUncovered(uncovered{microsOf(h.UncoveredUntil), h.Reason, reason})
	}
}

func (e *entry) setUncovered(u uncovered) {
	switch {
	case u == uncovered{until: microsOf(time.Time{})}:
		e.uncovered = nil
	case e.uncovered == nil:
		copied := u
		e.uncovered = &copied
	default:
		*e.uncovered = u
	}
}
