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
	// ObservedAt is when the player was last seen, by our clock. An
	// observation that is not later is ignored.
	ObservedAt time.Time
	// ProgressMS is where in the track it was then; -1 if it was not told.
	ProgressMS int64
	// ListenedMS is what of the open play is proven to have sounded by ObservedAt.
	ListenedMS int64
	// PausedMS is how long the open play has stood still by ObservedAt.
	PausedMS int64
	// PausedSince is when the present pause was first seen; nil: not paused.
	PausedSince *time.Time
	// NothingSince is when the player was first seen silent after it had
	// played; nil: it was not. One silence closes nothing.
	NothingSince *time.Time
	// ElsewhereAt is the last observation of anything but the open play's
	// track: a play cannot have begun before it.
	ElsewhereAt time.Time
	// EndsAt is when the open play ends if nothing happens; nil if unknown.
	EndsAt *time.Time
	// Provisional says that the start is a guess that no earlier sighting bounds.
	Provisional bool
	// Skips counts the skips in a row, most recent last; skips come in runs.
	Skips int16
	// Generation is that of the link through which this was learnt.
	Generation int64
}

// TableName is the table of what is playing.
func (NowPlaying) TableName() string { return "now_playing" }

// Open reports whether a play is open.
func (n NowPlaying) Open() bool { return n.State != PlayerIdle && n.TrackURI != "" }

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
