package songspy

import (
	"time"
)

// PlayID names a play.
type PlayID int64

// PlaySource is how a play came to be known.
type PlaySource string

// The sources.
const (
	SourceLive    PlaySource = "live"    // seen while it played
	SourceHistory PlaySource = "history" // told by the provider afterwards
	SourceImport  PlaySource = "import"  // brought by the person
)

// Play is one track heard once by one person. Plays of one person never overlap.
type Play struct {
	ID      PlayID `gorm:"primaryKey"`
	UserID  UserID
	TrackID TrackID
	// TrackURI stands for TrackID until the store has resolved it; not a column.
	TrackURI string `gorm:"-"`
	// StartedAt and EndedAt bound the play, pauses included.
	StartedAt time.Time
	EndedAt   time.Time
	// ListenedMS is what is proven to have sounded, in milliseconds; never
	// more than the time between start and end.
	ListenedMS int64
	// InferredMS is what of ListenedMS nobody saw: the tail of a play that is
	// taken as heard out because the next one began at its predicted end. It
	// lies right before EndedAt, and gives way to what history tells.
	InferredMS int64
	Source     PlaySource
	// Provisional plays have an unwitnessed edge that later knowledge may move.
	Provisional bool
	// Probable plays were left early, and too little of them was seen: the next
	// track began, by its own progress and directly, late enough. They are shown
	// to their user and counted nowhere until history confirms them.
	Probable bool
	// DeletedAt is when its user deleted the play; nil: they did not. What is
	// left of a deleted play are its times and keyed hashes of its track: TrackID
	// is 0 then. See store.DeletePlay.
	DeletedAt *time.Time
}

// TableName is the table of plays.
func (Play) TableName() string { return "plays" }

// Enough is how much of a track of that length makes a play: 30 seconds, or
// half of a track shorter than a minute. Both are in milliseconds; a duration
// of 0 is unknown.
func MinListenedMS(durationMS int64) int64 {
	const enough, minute = 30_000, 60_000
	if durationMS > 0 && durationMS < minute {
		return (durationMS + 1) / 2
	}
	return enough
}

// Counts reports whether so much of a track of that length makes a play. What
// is shorter was shown, not played. Both are in milliseconds.
func IsCounted(listenedMS, durationMS int64) bool { return listenedMS >= MinListenedMS(durationMS) }

// UserTrack is one track among a person's tracks: the set that the original
// service kept, with first and last hearing and a count.
type UserTrack struct {
	UserID        UserID  `gorm:"primaryKey"`
	TrackID       TrackID `gorm:"primaryKey"`
	FirstPlayedAt time.Time
	LastPlayedAt  time.Time
	Plays         int64
	// Local is set for a file of the listener's own. By it the store finds
	// whether anybody has a local file among their tracks.
	Local bool
}

// TableName is the table of users' tracks.
func (UserTrack) TableName() string { return "user_tracks" }

// Recorded is what a transaction that has committed adds to what is known of
// people's listening.
type RecordedCounts struct {
	Plays map[PlaySource]int
	Gaps  map[GapReason]int
}
