package poller

import (
	"iter"
	"math"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/idmap"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// userState is a copy of one user's entry. A poll needs nothing else to make its
// call and to interpret the answer.
type userState struct {
	entryRef
	access         songspy.Credentials
	expiresAt      time.Time // when access expires
	generation     int64     // the link's generation: it grows when the user links again or unlinks
	version        int64     // the link's version
	renewalRefused bool      // Spotify has rejected the refresh token, so a poll does not try to renew the access token
	pollsRefused   bool      // Spotify refused the last polls, although the token was renewed
	playing        songspy.NowPlaying

	coverage
	linkedAt      time.Time                 // when the Spotify account was linked; earlier history is not fetched
	gapReason     songspy.GapReason         // why no poll has succeeded since answeredUntil; empty if no poll has failed since then
	historyHash   uint64                    // fingerprint of the last history answer; 0 if the next answer must be reconciled even if it is the same
	partialPlays  songspy.PartialPlayCounts // how often the account's history listed, and how often it omitted, partial plays
	habit         historyHabit              // the history habit (partial plays listed or omitted) that is assumed for the account
	pendingWrites int                       // how many updates were given to the writer and are not stored yet
	pollReason    pollReason                // why the poll that is planned or running is made
}

// entryRef identifies an entry. A user who links again, or who is added again after a removal,
// gets a new entry with another serial number.
type entryRef struct {
	user   songspy.UserID
	serial uint32
}

// entry is one user in the registry. There may be a million entries, and most of the users are
// idle. An entry has no pointers, because it lies outside Go's heap (see slab). Instead of
// pointers it has references to its texts and its open play, which the type entries keeps. Times
// are in microseconds, as in the store.
type entry struct {
	generation       int64
	version          int64
	observedAt       micros
	answeredUntil    micros
	expiresAt        micros
	historyFetchedAt micros
	uncoveredUntil   micros // the zero time if all time is covered
	linkedAt         micros
	historyHash      uint64
	accessToken      textRef
	app              name
	open             place // the place of the openPlay in entries.open; 0 if there is none, because observedAt and idle alone express the now-playing state
	serial           uint32
	readRound        uint32 // the number of the last full read of the store that returned the user
	playsSinceFetch  int32
	historyReason    name
	gapReason        name
	pendingWrites    int16
	partialPlays     partialPlays
	pollReason       pollReason // why the poll that is planned or running is made
	idle             bool
	renewalRefused   bool // Spotify has rejected the refresh token, so a poll does not try to renew the access token
	pollsRefused     bool
	aheadOfClock     bool // the stored state is ahead of the clock
	polling          bool // a poll is running
	unsaved          bool // the state is newer than the last update given to the store
}

// partialPlays is a songspy.PartialPlayCounts in two bytes. The counts fit, because
// PartialPlayCounts.Add keeps their sum at 60 or less.
type partialPlays struct{ listed, unlisted uint8 }

func partialPlaysOf(c songspy.PartialPlayCounts) partialPlays {
	c = songspy.PartialPlayCounts{}.Add(c)
	return partialPlays{uint8(c.Listed), uint8(c.Unlisted)}
}

func (p partialPlays) value() songspy.PartialPlayCounts {
	return songspy.PartialPlayCounts{Listed: int(p.listed), Unlisted: int(p.unlisted)}
}

// micros is a time in microseconds since the Unix epoch, in UTC.
type micros int64

// noTime stands for a nil *time.Time.
const noTime micros = math.MinInt64

func microsOf(t time.Time) micros { return micros(t.UnixMicro()) }
func (m micros) time() time.Time  { return time.UnixMicro(int64(m)).UTC() }

func microsOrNone(t *time.Time) micros {
	if t == nil {
		return noTime
	}
	return microsOf(*t)
}

func (m micros) timeOrNil() *time.Time {
	if m == noTime {
		return nil
	}
	return new(m.time())
}

// openPlay holds, without pointers, the fields of a songspy.NowPlaying that an entry does not have.
type openPlay struct {
	uri, doubtedURI                              textRef
	trackID                                      songspy.TrackID
	durationMS, progressMS, listenedMS, pausedMS int64
	startedAt, seenAt, otherSeenAt, openedAt     micros
	pausedSince, idleSince, endsAt, doubtedAt    micros
	speed, lastSpeed                             int32
	state                                        name
	skips, polls                                 int16
	isOpen                                       bool // what songspy.NowPlaying.IsOpen returns

	provisional, unmoved, stalled, advertisement, hidesProgress bool
}

// entries holds the entries of all users, and the entries' texts and open plays.
type entries struct {
	places  idmap.Map[songspy.UserID, place]
	entries slab[entry]
	open    slab[openPlay]
	texts   texts
	names   names
	serial  uint32 // the serial number of the entry that was added last
}

func newEntries() entries {
	return entries{entries: slab[entry]{width: 1}, open: slab[openPlay]{width: 1}, texts: texts{}, names: names{all: []string{""}, index: map[string]name{"": 0}}}
}

// get returns the user's entry, or nil.
func (s *entries) get(id songspy.UserID) *entry {
	if p, ok := s.places.Get(id); ok {
		return &s.entries.at(p)[0]
	}
	return nil
}

// find returns the entry that r identifies. It returns nil if that entry was removed or replaced.
func (s *entries) find(r entryRef) *entry {
	if e := s.get(r.user); e != nil && e.serial == r.serial {
		return e
	}
	return nil
}

// add adds an empty entry for the user. It removes the user's old entry, if there is one.
func (s *entries) add(id songspy.UserID) *entry {
	s.remove(id)
	p := s.entries.add()
	s.places.Put(id, p)
	s.serial++
	e := &s.entries.at(p)[0]
	e.serial = s.serial
	return e
}

// remove removes the user's entry, if there is one.
func (s *entries) remove(id songspy.UserID) {
	p, ok := s.places.Get(id)
	if !ok {
		return
	}
	e := &s.entries.at(p)[0]
	s.texts.set(&e.accessToken, "")
	s.closePlay(e)
	s.entries.remove(p)
	s.places.Remove(id)
}

// all iterates over the entries. The loop may remove the current one.
func (s *entries) all() iter.Seq2[songspy.UserID, *entry] {
	return func(yield func(songspy.UserID, *entry) bool) {
		for id, p := range s.places.All() {
			if !yield(id, &s.entries.at(p)[0]) {
				return
			}
		}
	}
}

// state returns a copy of the entry, without the habit: Registry.stateOf adds that.
func (s *entries) state(id songspy.UserID, e *entry) userState {
	return userState{
		entryRef:  entryRef{id, e.serial},
		access:    songspy.Credentials{App: s.names.text(e.app), Token: songspy.Secret(s.texts.get(e.accessToken))},
		expiresAt: e.expiresAt.time(), generation: e.generation, version: e.version,
		renewalRefused: e.renewalRefused, pollsRefused: e.pollsRefused, playing: s.nowPlaying(id, e),
		coverage: coverage{e.answeredUntil.time(), s.historyState(e), e.aheadOfClock},
		linkedAt: e.linkedAt.time(), gapReason: songspy.GapReason(s.names.text(e.gapReason)), historyHash: e.historyHash,
		partialPlays: e.partialPlays.value(), pendingWrites: int(e.pendingWrites), pollReason: e.pollReason,
	}
}

// setLink copies the link's access token, version and state to the entry.
func (s *entries) setLink(e *entry, link songspy.Link) {
	s.texts.set(&e.accessToken, link.AccessToken.Reveal())
	e.expiresAt, e.version = microsOf(link.AccessExpiresAt), link.Version
	e.pollsRefused = link.PollsRefusedSince != nil
	e.renewalRefused = link.State == songspy.LinkSuspect && !e.pollsRefused
}

func (s *entries) historyState(e *entry) playback.HistoryState {
	return playback.HistoryState{
		FetchedAt: e.historyFetchedAt.time(), PlaysSince: int(e.playsSinceFetch),
		UncoveredUntil: e.uncoveredUntil.time(), Reason: playback.HistoryReason(s.names.text(e.historyReason)),
	}
}

func (s *entries) setHistoryState(e *entry, h playback.HistoryState) {
	e.historyFetchedAt, e.playsSinceFetch = microsOf(h.FetchedAt), int32(h.PlaysSince)
	e.uncoveredUntil, e.historyReason = microsOf(h.UncoveredUntil), s.names.of(string(h.Reason))
}

func (s *entries) isOpen(e *entry) bool { return e.open != 0 && s.open.at(e.open)[0].isOpen }

func (s *entries) nowPlaying(id songspy.UserID, e *entry) songspy.NowPlaying {
	n := songspy.NowPlaying{UserID: id, Generation: e.generation, ObservedAt: e.observedAt.time()}
	if e.open == 0 {
		if e.idle {
			n.State, n.OtherSeenAt = songspy.PlayerIdle, n.ObservedAt
		}
		return n
	}
	p := &s.open.at(e.open)[0]
	n.State, n.TrackURI, n.DoubtedURI = songspy.PlayerState(s.names.text(p.state)), s.texts.get(p.uri), s.texts.get(p.doubtedURI)
	n.TrackID, n.DurationMS, n.ProgressMS, n.ListenedMS, n.PausedMS = p.trackID, p.durationMS, p.progressMS, p.listenedMS, p.pausedMS
	n.StartedAt, n.SeenAt, n.OtherSeenAt, n.OpenedAt = p.startedAt.time(), p.seenAt.time(), p.otherSeenAt.time(), p.openedAt.time()
	n.PausedSince, n.IdleSince, n.EndsAt, n.DoubtedAt = p.pausedSince.timeOrNil(), p.idleSince.timeOrNil(), p.endsAt.timeOrNil(), p.doubtedAt.timeOrNil()
	n.Speed, n.LastSpeed, n.Skips, n.Polls = p.speed, p.lastSpeed, p.skips, p.polls
	n.Provisional, n.Unmoved, n.Stalled, n.Advertisement, n.HidesProgress = p.provisional, p.unmoved, p.stalled, p.advertisement, p.hidesProgress
	return n
}

// setPlaying replaces the entry's now-playing state. It uses an openPlay only if the state holds
// more than the fields observedAt and idle can express. The state of most idle users does not.
func (s *entries) setPlaying(e *entry, n songspy.NowPlaying) {
	e.observedAt, e.idle = microsOf(n.ObservedAt), n.State == songspy.PlayerIdle
	compact := songspy.NowPlaying{UserID: n.UserID, Generation: n.Generation, ObservedAt: n.ObservedAt}
	if e.idle && n.OtherSeenAt.Equal(n.ObservedAt) {
		compact.State, compact.OtherSeenAt = n.State, n.OtherSeenAt
	}
	if n == compact {
		s.closePlay(e)
		return
	}
	if e.open == 0 {
		e.open = s.open.add()
	}
	p := &s.open.at(e.open)[0]
	s.texts.set(&p.uri, n.TrackURI)
	s.texts.set(&p.doubtedURI, n.DoubtedURI)
	*p = openPlay{
		uri: p.uri, doubtedURI: p.doubtedURI, state: s.names.of(string(n.State)), isOpen: n.IsOpen(),
		trackID: n.TrackID, durationMS: n.DurationMS, progressMS: n.ProgressMS, listenedMS: n.ListenedMS, pausedMS: n.PausedMS,
		startedAt: microsOf(n.StartedAt), seenAt: microsOf(n.SeenAt), otherSeenAt: microsOf(n.OtherSeenAt), openedAt: microsOf(n.OpenedAt),
		pausedSince: microsOrNone(n.PausedSince), idleSince: microsOrNone(n.IdleSince), endsAt: microsOrNone(n.EndsAt), doubtedAt: microsOrNone(n.DoubtedAt),
		speed: n.Speed, lastSpeed: n.LastSpeed, skips: n.Skips, polls: n.Polls,
		provisional: n.Provisional, unmoved: n.Unmoved, stalled: n.Stalled, advertisement: n.Advertisement, hidesProgress: n.HidesProgress,
	}
}

// setTrackID sets the track id of the open play if the play's track has this URI.
func (s *entries) setTrackID(e *entry, uri string, track songspy.TrackID) {
	if e.open != 0 {
		if p := &s.open.at(e.open)[0]; s.texts.get(p.uri) == uri {
			p.trackID = track
		}
	}
}

// closePlay removes the entry's openPlay, if it has one.
func (s *entries) closePlay(e *entry) {
	if e.open == 0 {
		return
	}
	p := &s.open.at(e.open)[0]
	s.texts.set(&p.uri, "")
	s.texts.set(&p.doubtedURI, "")
	s.open.remove(e.open)
	e.open = 0
}

// isAheadOfClock reports whether any time of the state, except predictions and expiresAt, is more
// than songspy.ClockSkewMax after now.
func (s *userState) isAheadOfClock(now time.Time) bool {
	return s.playing.HasFutureTime(now) || songspy.IsAheadOfClock(s.answeredUntil, now) || songspy.IsAheadOfClock(s.linkedAt, now) ||
		songspy.IsAheadOfClock(s.history.FetchedAt, now) || songspy.IsAheadOfClock(s.history.UncoveredUntil, now)
}

// correctClock sets the entry's times that are ahead of the clock to now. Stored times are ahead
// after the clock was set back.
func (s *entries) correctClock(id songspy.UserID, e *entry, now time.Time) {
	before := s.state(id, e)
	e.aheadOfClock = true
	s.setPlaying(e, before.playing.CorrectClock(now))
	e.answeredUntil, e.linkedAt = microsOf(songspy.CapAtNow(before.answeredUntil, now)), microsOf(songspy.CapAtNow(before.linkedAt, now))
	h := before.history
	h.FetchedAt, h.UncoveredUntil = songspy.CapAtNow(h.FetchedAt, now), songspy.CapAtNow(h.UncoveredUntil, now)
	s.setHistoryState(e, h)
}
