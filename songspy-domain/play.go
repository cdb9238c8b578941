package songspy

import (
	"time"
)

// PlayID identifies a play.
type PlayID int64

// PlaySource says how a play became known.
type PlaySource string

// The sources.
const (
	SourceLive    PlaySource = "live"    // observed by polls while it played
	SourceHistory PlaySource = "history" // reported by Spotify's history afterwards
	SourceImport  PlaySource = "import"  // imported by the user
)

// Play is one play of one track by one user. Plays of one user never overlap.
type Play struct {
	ID      PlayID `gorm:"primaryKey"`
	UserID  UserID
	TrackID TrackID
	// TrackURI names the track until the store has found or created its row and
	// set TrackID. It is not a column.
	TrackURI string `gorm:"-"`
	// StartedAt and EndedAt are the bounds of the play, including pauses.
	StartedAt time.Time
	EndedAt   time.Time
	// ListenedMS is how long the track is proven to have played, in
	// milliseconds. It is at most the time between start and end.
	ListenedMS int64
	// InferredMS is the part of ListenedMS that no poll observed. For example, it is
	// the rest of a track that counts as played because the next track began at its
	// predicted end. It lies directly before EndedAt. If Spotify's history
	// contradicts it, it is removed from the play.
	InferredMS int64
	Source     PlaySource
	// Provisional plays have a start or end that was not observed. A later poll
	// or Spotify's history may move it.
	Provisional bool
	// Probable plays ended before their track did, and polls saw too little of
	// them to prove that they were long enough to count. But the progress of the
	// next track shows that it followed directly, at least 45 s after the play
	// began. Only the user sees a probable play, and it does not count until
	// Spotify's history confirms it.
	Probable bool
	// DeletedAt is when the user deleted the play; nil if they did not. A
	// deleted play keeps its times and keyed hashes of its track, and its
	// TrackID is 0. See store.DeletePlay.
	DeletedAt *time.Time
}

// TableName returns the name of the table of plays.
func (Play) TableName() string { return "plays" }

// MinListenedMS returns how long a track of the given length must play to
// count: 30 seconds, or half of a track that is shorter than a minute. Both
// values are in milliseconds; a length of 0 is unknown.
func MinListenedMS(durationMS int64) int64 {
	const enough, minute = 30_000, 60_000
	if durationMS > 0 && durationMS < minute {
		return (durationMS + 1) / 2
	}
	return enough
}

// IsCounted reports whether a track of the given length played long enough to
// count as a play. Both values are in milliseconds.
func IsCounted(listenedMS, durationMS int64) bool { return listenedMS >= MinListenedMS(durationMS) }

// UserTrack is one track that a user has played, with the first and last time
// and the number of plays.
type UserTrack struct {
	UserID        UserID  `gorm:"primaryKey"`
	TrackID       TrackID `gorm:"primaryKey"`
	FirstPlayedAt time.Time
	LastPlayedAt  time.Time
	Plays         int64
	// Local is set if the track is a file on the user's own disk. The store
	// finds users with such files by it.
	Local bool
}

// TableName returns the name of the table of users' tracks.
func (UserTrack) TableName() string { return "user_tracks" }

// RecordedCounts counts the plays and gaps that one committed transaction added
// to the database, for metrics.
type RecordedCounts struct {
	Plays map[PlaySource]int
	Gaps  map[GapReason]int
}
