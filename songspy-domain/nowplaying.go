package songspy

import "time"

// PlayerState is the last known state of a user's player.
type PlayerState string

// The states of a player.
const (
	PlayerIdle    PlayerState = "idle" // nothing plays, or nothing that the board shows
	PlayerPlaying PlayerState = "playing"
	PlayerPaused  PlayerState = "paused"
)

// NowPlaying is the last known state of one user's player. It holds everything
// that the next poll needs after a restart.
type NowPlaying struct {
	UserID UserID `gorm:"primaryKey"`
	State  PlayerState
	// TrackID is the ID of the open play's track; 0 without an open play.
	TrackID TrackID
	// TrackURI and DurationMS are copied from the track, so that playback.Step
	// needs no second row.
	TrackURI   string
	DurationMS int64
	// StartedAt is the start of the open play.
	StartedAt time.Time
	// ObservedAt is the time of the last poll, by the local clock, with any
	// result. An observation that is not later is ignored.
	ObservedAt time.Time
	// SeenAt is when a poll last showed the open play.
	SeenAt time.Time
	// ProgressMS is the position in the track at SeenAt; -1 if Spotify did not
	// report it.
	ProgressMS int64
	// ListenedMS is how long the open play is proven to have played by SeenAt.
	ListenedMS int64
	// PausedMS is how long the open play was paused by SeenAt.
	PausedMS int64
	// PausedSince is when the current pause began, as far as is known; nil if
	// not paused.
	PausedSince *time.Time
	// IdleSince is when the player was first observed idle after it had played;
	// nil if it was not. A single idle observation does not end a play.
	IdleSince *time.Time
	// OtherSeenAt is the last observation of anything but the open play's
	// track: the play cannot have begun earlier.
	OtherSeenAt time.Time
	// EndsAt is when the open play ends unless something happens. For a paused
	// play it is the start of the pause; nil if unknown.
	EndsAt *time.Time
	// Provisional says that the start is estimated, and no earlier observation
	// limits it.
	Provisional bool
	// Skips counts the consecutive skips that led to the open play. Skips often
	// come in series.
	Skips int16
	// OpenedAt is when a poll first showed the open play, or the advertisement
	// break. Polls counts the polls since then, including that one; it limits
	// how many polls one play may cost. Both are kept for at least an hour.
	OpenedAt time.Time
	Polls    int16
	// Speed is how fast the progress of the open play advances, in thousandths
	// of real time, once two intervals in a row have agreed; 0 means real time.
	// LastSpeed is the speed of the last interval; 0 if unknown.
	Speed     int32
	LastSpeed int32
	// DoubtedAt is when a poll first showed another track with a progress that
	// is impossible for it; nil if none did. A single such answer does not end
	// a play.
	DoubtedAt *time.Time
	// DoubtedURI is that other track. It is empty while DoubtedAt is nil, and while
	// a loop of the open play's own track is checked. A third track may show the
	// progress of this one.
	DoubtedURI string
	// Unmoved says that the open play began after the player was idle and its
	// progress was never seen to advance.
	Unmoved bool
	// Stalled says that the player reports that it plays, but its progress does
	// not advance. Songspy treats the play as paused. While DoubtedAt is set,
	// the next poll decides that.
	Stalled bool
	// Advertisement says that the last observation was an advertisement.
	Advertisement bool
	// HidesProgress says that the player always reports a progress of 0.
	HidesProgress bool
	// Generation is the generation of the link through which this state was
	// observed.
	Generation int64
}

// TableName returns the name of the table of player states.
func (NowPlaying) TableName() string { return "now_playing" }

// How long the board shows a play without a new observation.
const (
	// EndGrace is how long a song stays after its predicted end, while the next
	// poll is under way.
	EndGrace = 10 * time.Second
	// PausedShownFor is how long a paused play stays.
	PausedShownFor = 10 * time.Minute
	// UnknownEndShownFor is how long the board shows a play with an unknown end
	// after its last observation: twice the longest poll interval of 3 minutes.
	UnknownEndShownFor = 6 * time.Minute
)

// IsOpen reports whether there is an open play.
func (n NowPlaying) IsOpen() bool {
	return (n.State == PlayerPlaying || n.State == PlayerPaused) && n.TrackURI != ""
}

// ShownUntil returns when the board stops showing the user unless there is a
// new observation. It returns the zero time if the user is not shown.
func (n NowPlaying) ShownUntil() time.Time {
	switch {
	case !n.IsOpen():
		return time.Time{}
	case n.State == PlayerPaused && n.PausedSince != nil:
		return n.PausedSince.Add(PausedShownFor)
	case n.EndsAt != nil:
		return n.EndsAt.Add(EndGrace)
	default:
		return n.SeenAt.Add(UnknownEndShownFor)
	}
}

// ClosePlay ends the open play at the given time, or at its predicted end or
// when the player became idle, if that is earlier. The play is provisional,
// because its end was not observed, unless the player was paused. ClosePlay
// returns false if no play is open or if the play is too short to count.
func (n NowPlaying) ClosePlay(at time.Time) (Play, bool) {
	if !n.IsOpen() {
		return Play{}, false
	}
	for _, end := range []*time.Time{n.EndsAt, n.IdleSince, n.DoubtedAt} {
		if end != nil && end.Before(at) {
			at = *end
		}
	}
	isPlaying := n.State == PlayerPlaying
	if isPlaying && at.Before(n.SeenAt) {
		at = n.SeenAt // the play was still observed then
	}
	return n.FinishedPlay(at, isPlaying)
}

// FinishedPlay returns the open play as ended at the given time. Its listened
// time is at most the time between start and end. It is also at most the length
// of the track, because observations without progress may cover several
// repetitions. FinishedPlay returns false if the play is too short to count.
func (n NowPlaying) FinishedPlay(at time.Time, provisional bool) (Play, bool) {
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
	}, IsCounted(listened, n.DurationMS)
}

// ObservationKind says what a poll returned.
type ObservationKind string

// The kinds.
const (
	// ObservedPlaying means that a track plays. Its progress may be unknown.
	ObservedPlaying ObservationKind = "playing"
	// ObservedPaused means that a track is paused.
	ObservedPaused ObservationKind = "paused"
	// ObservedIdle means that Spotify reports no active player (204). The
	// report is sometimes wrong. In a private session Spotify always answers
	// so.
	ObservedIdle ObservationKind = "idle"
	// ObservedAdvertisement means that an advertisement plays.
	ObservedAdvertisement ObservationKind = "advertisement"
	// ObservedUnreadable means that the answer contains nothing usable: an
	// unknown type, or an episode without its item.
	ObservedUnreadable ObservationKind = "unreadable"
)

// UnknownProgress is the progress of an observation if Spotify did not report
// it.
const UnknownProgress = time.Duration(-1)

// Observation is the result of one poll of one player.
type Observation struct {
	Kind ObservationKind
	// Track is set for ObservedPlaying and ObservedPaused, without its ID.
	Track Track
	// Progress is the position in the track or advertisement; UnknownProgress
	// if Spotify did not report it.
	Progress time.Duration
	// At is when the answer arrived, by the local clock. Spotify's own
	// timestamp stays at the start of a song and is not reliable.
	At time.Time
}

// PlaybackUpdate is everything that one poll of one user changes. It is written
// in one transaction.
type PlaybackUpdate struct {
	// Playing is the new state of the user's player. A write is dropped if its
	// Generation is older than the link's.
	Playing NowPlaying
	// Tracks are the tracks that Playing and Plays name by URI and that the
	// store may not know yet.
	Tracks []Track
	// Plays are the finished plays that count.
	Plays []Play
	// Gap is the gap that this poll ended; nil if there was none.
	Gap *Gap
	// Visible says that the change is visible on the board.
	Visible bool
}

// PlaybackUpdateResult is the result of writing a PlaybackUpdate.
type PlaybackUpdateResult struct {
	// TrackID is the ID of the open play's track; 0 without one.
	TrackID TrackID
	// Dropped says that the link was removed or changed meanwhile. The poller
	// then removes the user from its registry.
	Dropped bool
	// Err says why the database rejected this row. The other rows were written.
	Err error
}
