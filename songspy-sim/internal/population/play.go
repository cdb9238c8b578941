package population

import "time"

// Play is everything about one play that a simulated person really made, also what Spotify
// does not show.
//
// A play has at most one interruption, a pause or a seek. When it has lasted PauseAfter,
// the player pauses for PauseFor, and then continues at the same position plus Jump. A
// pause has a Jump of zero, and a seek has a PauseFor of zero.
type Play struct {
	Track Track
	Start time.Time
	End   time.Time // when the play ended: at the track's end, by a skip or by a stop

	From       time.Duration // position in the track at Start; above zero for a resumed episode
	PauseAfter time.Duration // time from Start to the interruption
	PauseFor   time.Duration
	Jump       time.Duration // how far a seek moves the position; negative if it moves back

	Listened   time.Duration // End − Start, minus the pause
	Complete   bool          // the play reached the track's end
	Skipped    bool          // the person skipped to the next track
	Private    bool          // neither the player nor history shows it
	Offline    bool          // only history shows it, after the session
	Unlisted   bool          // only the player shows it: history never lists plays in Jams and of some other clients
	NoProgress bool          // the device reports no progress: progress_ms is always null

	Speed        float64       // how fast the progress grows, as a multiple of the clock; 0 means 1
	Inserted     time.Duration // by how much advertisements lengthen the track, as in episodes
	Stall        Stall         // how the player shows a pause or a stop wrongly; empty if it shows them correctly
	ZeroProgress bool          // the device always reports a progress_ms of 0
	MixedFor     time.Duration // for how long after Start answers contain the progress of the previous track

	// Linger is how long after End the stopped player still shows the track, as paused
	// or as Stall says.
	Linger time.Duration

	// PlayedAt is the played_at of the play in the simulated history. ListedAt
	// is the time from which history lists it. Both are zero for a play that
	// history never lists.
	PlayedAt time.Time
	ListedAt time.Time
}

// Stall is how a player reports wrong values: it claims to play although it is
// paused or has stopped.
type Stall string

// The kinds of stalls. The zero value means that the player shows pauses and stops
// correctly.
const (
	Frozen  Stall = "frozen"  // its progress does not change
	Growing Stall = "growing" // after a stop its progress grows, even beyond the end of its track; in a pause it does not change
)

// State is the state of a player.
type State string

// The states of a player.
const (
	Idle    State = "idle"
	Playing State = "playing"
	Paused  State = "paused"
)

// play is a Play in a compact form, for code that runs for every request. Times are
// milliseconds since 1970, durations and positions are milliseconds, and only the field
// scripted is a pointer.
type play struct {
	start, end           int64
	duration, from       int64
	pauseAt, pause, jump int64 // PauseAfter, PauseFor and Jump of the Play
	linger               int64
	sessionEnd           int64
	key                  uint64 // identifies the play; seed of its random choices
	track                int32  // index in the catalogue; -1 for advertisements, unknown items and scripted tracks
	scripted             *Play  // the script's play; nil for a generated play
	kind                 Kind
	complete, skipped    bool
	private, offline     bool
	noProgress, unlisted bool

	speed            int64 // the speed of progress, in thousandths of the clock's; 0 means 1000
	inserted         int64
	mixedFor         int64 // MixedFor of the Play
	previousProgress int64 // the progress that answers contain for mixedFor after start
	stall            Stall
	zeroProgress     bool
}

// progressIn returns by how many milliseconds the progress grows, at the speed of the play,
// while the given number of milliseconds passes.
func (p *play) progressIn(elapsed int64) int64 {
	if p.speed == 0 {
		return elapsed
	}
	return elapsed * p.speed / 1000
}

// timeFor returns how many milliseconds it takes, at the speed of the play, to play a part
// of the track that is the given number of milliseconds long.
func (p *play) timeFor(part int64) int64 {
	if p.speed == 0 {
		return part
	}
	return part * 1000 / p.speed
}

// shown returns what the Web API shows at a time before end + linger: the real position
// and state, unless the simulated device or Spotify reports wrong values.
func (p *play) shown(at int64) (progress int64, state State) {
	progress, paused := p.position(at)
	state = Playing
	switch {
	case p.zeroProgress:
		progress = 0
	case at >= p.start && at < p.start+p.mixedFor:
		progress = p.previousProgress
	case at >= p.end && p.stall == Growing:
		progress += p.progressIn(at - p.end)
	}
	if paused && p.stall == "" {
		state = Paused
	}
	return progress, state
}

func (p *play) listened() int64 {
	if p.end-p.start > p.pauseAt {
		return p.end - p.start - min(p.pause, p.end-p.start-p.pauseAt)
	}
	return p.end - p.start
}

// position returns the real position in the track at a time before end + linger, and
// whether the player is paused or has stopped there.
func (p *play) position(at int64) (position int64, paused bool) {
	switch elapsed := at - p.start; {
	case elapsed < 0:
		return p.from, false // the track is loading; the player shows it already
	case at >= p.end:
		position, _ = p.position(p.end - 1)
		return min(position+1, p.duration+p.inserted), true
	case elapsed < p.pauseAt:
		return p.from + p.progressIn(elapsed), false
	case elapsed < p.pauseAt+p.pause:
		return p.from + p.progressIn(p.pauseAt), true
	default:
		return p.from + p.progressIn(elapsed-p.pause) + p.jump, false
	}
}

// historyTimes returns the played_at of the play in the simulated history, and the time
// from which history lists the play. The result ok is false if history never lists it.
// History lists only songs: no advertisements, episodes, chapters, local files or unknown
// items. It omits private and unlisted sessions, plays with less than 30 s of listening
// and, for people with the trait wholeOnly, plays that did not reach the end of their
// track. The PlayedAt of a script overrides these rules.
func (p *play) historyTimes(t traits) (playedAt, from int64, ok bool) {
	if s := p.scripted; s != nil && !s.PlayedAt.IsZero() {
		from := s.ListedAt
		if from.IsZero() {
			from = s.PlayedAt
		}
		return s.PlayedAt.UnixMilli(), from.UnixMilli(), true
	}
	if p.kind != KindTrack || p.private || p.unlisted || p.listened() < 30_000 || t.wholeOnly && !p.complete {
		return 0, 0, false
	}
	playedAt, from = p.start, p.end
	if t.playedAtIsEnd {
		playedAt = p.end
	}
	if p.offline {
		from = max(from, p.sessionEnd)
	}
	return playedAt, from + 10_000 + int64(mix(p.key+1)%110_000), true
}
