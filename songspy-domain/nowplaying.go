package songspy

import "time"

// PlayerState is what a person's player is doing, as far as it is known.
type PlayerState string

// The states of a player.
const (
	PlayerIdle    PlayerState = "idle" // nothing, or nothing that is ours to show
	PlayerPlaying PlayerState = "playing"
	PlayerPaused  PlayerState = "paused"
)

// NowPlaying is all that is known of one listener at this moment, and all that
// the next look needs after a restart.
type NowPlaying struct {
	UserID UserID `gorm:"primaryKey"`
	State  PlayerState
	// TrackID is the id of the open play's track; 0 when there is no open play.
	TrackID TrackID
	// TrackURI and DurationMS repeat what the track says, so that the rules
	// need no second row.
	TrackURI   string
	DurationMS int64
	// StartedAt is the start of the open play.
	StartedAt time.Time
	// ObservedAt is when the player was last looked at, by our clock, whatever
	// it did. An observation that is not later is ignored.
	ObservedAt time.Time
	// SeenAt is when the open play was last seen.
	SeenAt time.Time
	// ProgressMS is where in the track it was at SeenAt; -1 if it was not told.
	ProgressMS int64
	// ListenedMS is what of the open play is proven to have sounded by SeenAt.
	ListenedMS int64
	// PausedMS is how long the open play has stood still by SeenAt.
	PausedMS int64
	// PausedSince is when the present pause began, as far as is known; nil: not paused.
	PausedSince *time.Time
	// NothingSince is when the player was first seen silent after it had
	// played; nil: it was not. One silence closes nothing.
	NothingSince *time.Time
	// ElsewhereAt is the last observation of anything but the open play's
	// track: a play cannot have begun before it.
	ElsewhereAt time.Time
	// EndsAt is when the open play ends if nothing happens: for a paused play
	// the moment of the pause; nil if unknown.
	EndsAt *time.Time
	// Provisional says that the start is a guess that no earlier sighting bounds.
	Provisional bool
	// Skips counts the skips in a row that led to the open play; they come in runs.
	Skips int16
	// OpenedAt is when the open play, or the break of advertisements, was first
	// seen, and Polls how many polls there have been since, that one included: no
	// play costs more than it teaches. They are kept for an hour at least.
	OpenedAt time.Time
	Polls    int16
	// Speed is how fast the open play's progress runs, in thousandths of the
	// clock's, once two intervals in a row have agreed; 0: as the clock.
	// LastSpeed is that of the last interval; 0: unknown.
	Speed     int32
	LastSpeed int32
	// DoubtedAt is when a poll first showed another track with a progress that
	// cannot be its own; nil: none did. One such answer ends nothing.
	DoubtedAt *time.Time
	// DoubtedURI is that other track; empty while DoubtedAt is nil, and where it
	// is the open play's own track that came round. What a third track shows may
	// be the progress of this one.
	DoubtedURI string
	// Unmoved says that the open play came out of silence and was never seen to move.
	Unmoved bool
	// Stalled says that the player claims to play and stands still: it is
	// paused by our own conclusion, or may be, while DoubtedAt is set.
	Stalled bool
	// Advertisement says that an advertisement was seen last.
	Advertisement bool
	// HidesProgress says that the player reports a progress of 0 whatever it plays.
	HidesProgress bool
	// Generation is that of the link through which this was learnt.
	Generation int64
}

// TableName is the table of what is playing.
func (NowPlaying) TableName() string { return "now_playing" }

// How long what was seen stays on the board.
const (
	// EndGrace is how long a song stays after its predicted end, while the
	// look at the next one is under way.
	EndGrace = 10 * time.Second
	// PauseShown is how long a paused player stays.
	PauseShown = 10 * time.Minute
	// UnboundedShown is how long a play whose end is unknown stays after it
	// was last seen: two intervals of the seed's promise.
	UnboundedShown = 6 * time.Minute
)

// Open reports whether a play is open.
func (n NowPlaying) Open() bool {
	return (n.State == PlayerPlaying || n.State == PlayerPaused) && n.TrackURI != ""
}

// ShownUntil is when the player leaves the board if nothing more is seen of
// it; the zero time if it is not on it.
func (n NowPlaying) ShownUntil() time.Time {
	switch {
	case !n.Open():
		return time.Time{}
	case n.State == PlayerPaused && n.PausedSince != nil:
		return n.PausedSince.Add(PauseShown)
	case n.EndsAt != nil:
		return n.EndsAt.Add(EndGrace)
	default:
		return n.SeenAt.Add(UnboundedShown)
	}
}

// Close ends the open play at the given time, or at its predicted end or when
// its player fell silent if that is earlier. It is provisional, because nobody
// saw its end, unless it was paused. Close reports false where no play was open
// or too little of it is proven.
func (n NowPlaying) Close(at time.Time) (Play, bool) {
	if !n.Open() {
		return Play{}, false
	}
	for _, end := range []*time.Time{n.EndsAt, n.NothingSince, n.DoubtedAt} {
		if end != nil && end.Before(at) {
			at = *end
		}
	}
	sounds := n.State == PlayerPlaying
	if sounds && at.Before(n.SeenAt) {
		at = n.SeenAt // it was seen then
	}
	return n.Ended(at, sounds)
}

// Ended is the open play, over at that time, provisional or not. It claims no
// more than fits between its start and its end and, since sightings that keep
// their progress secret may add up to several rounds, no more than its track
// holds. Ended reports false where too little of it is proven to count.
func (n NowPlaying) Ended(at time.Time, provisional bool) (Play, bool) {
	if at.Before(n.StartedAt) {
		at = n.StartedAt
	}
	listened := max(0, min(n.ListenedMS, at.Sub(n.StartedAt).Milliseconds()))
	if n.DurationMS > 0 {
		listened = min(listened, n.DurationMS)
	}
	return Play{
		UserID: n.UserID, TrackID: n.TrackID, TrackURI: n.TrackURI,
		StartedAt: n.StartedAt, EndedAt: at, ListenedMS: listened,
		Source: SourceLive, Provisional: provisional || n.Provisional,
	}, Counts(listened, n.DurationMS)
}

// Sighting is what a look at a player showed.
type Sighting string

// The sightings.
const (
	// SightingPlaying: a track sounds. Progress may be unknown.
	SightingPlaying Sighting = "playing"
	// SightingPaused: a track stands still.
	SightingPaused Sighting = "paused"
	// SightingNothing: the provider says that nothing is active (204); it says so
	// wrongly at times, and in a private session always.
	SightingNothing Sighting = "nothing"
	// SightingAdvertisement: an advertisement sounds.
	SightingAdvertisement Sighting = "advertisement"
	// SightingUnreadable: an answer that says nothing usable (an unknown type,
	// an episode without its item).
	SightingUnreadable Sighting = "unreadable"
)

// UnknownProgress marks an observation whose progress the provider kept to itself.
const UnknownProgress = time.Duration(-1)

// Observation is one look at one player.
type Observation struct {
	Sighting Sighting
	// Track is what was seen, for Playing and Paused; its ID is not set.
	Track Track
	// Progress is how far into the track, or the advertisement, the player was;
	// UnknownProgress if it was not told.
	Progress time.Duration
	// At is when the answer arrived, by our clock: the provider's own
	// timestamp freezes at the start of a song and is not to be trusted.
	At time.Time
}

// Hearing is what one look at one listener adds up to, written as one.
type Hearing struct {
	// Playing is the listener's new state; its Generation is that of the link
	// through which it was learnt, and a write under an older one is dropped.
	Playing NowPlaying
	// Tracks are those that Playing and Plays name by URI and that the store may not hold yet.
	Tracks []Track
	// Plays are the finished plays that count.
	Plays []Play
	// Gap ended with this look; nil: nothing had been missed.
	Gap *Gap
	// Visible says that viewers see a difference.
	Visible bool
}

// Written is what became of a Hearing.
type Written struct {
	// TrackID is the id of the open play's track, 0 without one.
	TrackID TrackID
	// Dropped says that the link is gone or was changed meanwhile: forget the listener.
	Dropped bool
	// Err is the fault of this very row, which was set aside; the others were written.
	Err error
}
