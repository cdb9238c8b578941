package songspy

import "time"

// PlayerState is the last known state of a user's player.
type PlayerState string

// The states of a player.
const (
	PlayerIdle    PlayerState = "idle" // nothing plays, or only what viewers never see, such as an advertisement
	PlayerPlaying PlayerState = "playing"
	PlayerPaused  PlayerState = "paused"
)

// NowPlaying is the last known state of one user's player. It holds everything
// that Songspy needs to judge the next poll, even after a restart.
type NowPlaying struct {
	UserID UserID `gorm:"primaryKey"`
	State  PlayerState
	// TrackID is the ID of the track of the open (unfinished) play; 0 if no
	// play is open, or until the store has returned the ID.
	TrackID TrackID
	// TrackURI and DurationMS are copied from the track, so that playback.Step
	// does not need the track itself.
	TrackURI   string
	DurationMS int64
	// StartedAt is the start of the open play.
	StartedAt time.Time
	// ObservedAt is the local time of the last usable answer to a poll. An idle answer is
	// usable, an unreadable one is not. An observation that is not later than ObservedAt
	// is ignored.
	ObservedAt time.Time
	// SeenAt is when a poll last showed the open play.
	SeenAt time.Time
	// ProgressMS is the position in the track at SeenAt; -1 if Spotify did not
	// report it.
	ProgressMS int64
	// ListenedMS is how long polls have proved the open play to have played, up to
	// SeenAt. See Play.ListenedMS.
	ListenedMS int64
	// PausedMS is how long, up to SeenAt, the open play was paused in all.
	PausedMS int64
	// PausedSince is when the current pause began, as far as is known; nil if
	// not paused.
	PausedSince *time.Time
	// IdleSince is when a poll first showed no active player although a play is
	// open; nil if none did. A single such answer does not end the play,
	// because Spotify's answer may be wrong.
	IdleSince *time.Time
	// OtherSeenAt is a time before which the open play cannot have begun: usually
	// when a poll last showed something other than the play's track.
	OtherSeenAt time.Time
	// EndsAt is when the open play ends if the user does not pause, seek or
	// skip. For a paused play it is the start of the pause. It is nil if
	// unknown.
	EndsAt *time.Time
	// Provisional says that StartedAt is only an estimate: polls do not show when
	// the play began. For example, the first poll that showed it had no progress, or
	// showed it paused or after a seek. OtherSeenAt may still bound it.
	Provisional bool
	// Skips counts how many tracks in a row the user skipped before the open
	// play. More skips are likely then, so the user is polled earlier.
	Skips int16
	// OpenedAt is when a poll first showed the open play, or the advertisement
	// break. Polls counts the polls since then, including that one; it limits
	// how many polls one play may cost. While the user is idle afterwards, both
	// are kept until an hour after OpenedAt.
	OpenedAt time.Time
	Polls    int16
	// Speed is how fast the progress of the open play advances, in thousandths
	// of real time; 0 means real time. It is set when two measurements in a row,
	// each between two polls, have shown the same speed. LastSpeed is the last
	// measurement; 0 if there is none.
	Speed     int32
	LastSpeed int32
	// DoubtedAt is when a poll first showed another track with a progress that
	// this track cannot have reached; nil if none did. A single such answer
	// does not end the open play.
	DoubtedAt *time.Time
	// DoubtedURI is the track that the poll at DoubtedAt showed. It is empty if
	// DoubtedAt is nil, or if DoubtedAt only says that a possible loop of the
	// open play's own track is being checked.
	DoubtedURI string
	// Unmoved says that the open play began after the player was idle and its
	// progress was never seen to advance.
	Unmoved bool
	// Stalled says that the player reports that it plays, but its progress does
	// not advance. Songspy treats the play as paused. While DoubtedAt is set
	// too, this is only suspected: the next poll decides.
	Stalled bool
	// Advertisement says that the last observation was an advertisement.
	Advertisement bool
	// HidesProgress says that the player always reports a progress of 0, or that it
	// has stopped reporting the progress of the open play.
	HidesProgress bool
	// Generation is that of the user's link to Spotify through which this state
	// was observed. See Link.Generation.
	Generation int64
}

// TableName returns the name of the table of player states.
func (NowPlaying) TableName() string { return "now_playing" }

// How long the board, the live list of listening users, shows a play without a
// new observation.
const (
	// EndGrace is how long a song stays on the board after its predicted end,
	// while the next poll is under way.
	EndGrace = 10 * time.Second
	// PausedShownFor is how long a paused play stays on the board.
	PausedShownFor = 10 * time.Minute
	// UnknownEndShownFor is how long the board shows a play with an unknown end
	// after its last observation: twice the default poll interval of 3 minutes.
	UnknownEndShownFor = 6 * time.Minute
)

// IsOpen reports whether a play is open, that is, in progress or paused.
func (n NowPlaying) IsOpen() bool {
	return (n.State == PlayerPlaying || n.State == PlayerPaused) && n.TrackURI != ""
}

// ShownUntil returns when the board, the live list of listening users, stops
// showing the user if no new observation comes. It returns the zero time if the
// board does not show the user at all.
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

// ClosePlay ends the open play at the earliest of four times: the given time, EndsAt,
// IdleSince and DoubtedAt. But a play that is not paused does not end before SeenAt,
// when it was last observed, and becomes provisional, because its end was not observed.
// ClosePlay returns false if no play is open or if the play is too short to count.
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

// FinishedPlay returns the open play as a play that ended at the given time. The
// play is provisional if the argument provisional is true or if its start is an
// estimate. Its listened time is at most the time between start and end. It is
// also at most the length of the track: if the player reports no progress, polls cannot
// tell a repeated track from one long play. FinishedPlay returns false if the play was too short
// to count.
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
	// ObservedIdle means that Spotify reports no active player (204). This is
	// sometimes wrong. Spotify always reports it while the user is in a private
	// session.
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
// as a whole or not at all, in one transaction with the updates of other users.
type PlaybackUpdate struct {
	// Playing is the new state of the user's player. The store drops the update
	// if Playing.Generation is not the Generation of the user's link to Spotify,
	// because the poll then used a link that no longer exists.
	Playing NowPlaying
	// Tracks are the tracks to which Playing and Plays refer only by URI. They
	// are included because the store may not have them yet.
	Tracks []Track
	// Plays are the finished plays that count or are probable.
	Plays []Play
	// Gap is a time in which plays could not be recorded, and which this poll
	// ended; nil if there was none.
	Gap *Gap
	// Visible says that viewers can see the change, so that the change feed
	// must report it.
	Visible bool
}

// PlaybackUpdateResult is the result of writing a PlaybackUpdate.
type PlaybackUpdateResult struct {
	// TrackID is the ID of the track of the open (unfinished) play; 0 if no
	// play is open.
	TrackID TrackID
	// Dropped says that the update was not written, because the user's link to
	// Spotify was removed or replaced after the poll, or because the stored state
	// is newer. The poller then reads the user from the store again.
	Dropped bool
	// Err says why the database rejected this update; nil if it did not. The
	// other updates of the same write were stored.
	Err error
}
