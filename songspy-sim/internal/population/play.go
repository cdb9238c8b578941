package population

import "time"

// Play is everything about one play that a simulated person really made.
//
// A play has at most one interruption: after PauseAfter of played time the
// player pauses for PauseFor and continues at a position in the track that is
// Jump later. A seek is a pause of zero length.
type Play struct {
	Track Track
	Start time.Time
	End   time.Time // when the play ended: at the track's end, by a skip or by a stop

	From       time.Duration // position at Start; above zero for resumed episodes
	PauseAfter time.Duration // played time before the interruption
	PauseFor   time.Duration
	Jump       time.Duration // position gained by a seek; negative: lost

	Listened   time.Duration // End − Start without the pause
	Complete   bool          // reached the track's end
	Skipped    bool          // left early for the next track
	Private    bool          // neither the player nor history shows it
	Offline    bool          // only history shows it, after the session
	Unlisted   bool          // only the player shows it: history never lists Jams and other clients
	NoProgress bool          // progress_ms is always null

	Speed        float64       // speed of progress, as a multiple of the clock; 0 means 1
	Inserted     time.Duration // how much longer the play is than its track: advertisements lengthen episodes
	Stall        Stall         // how the player shows a pause or a stop wrongly; empty: it shows them correctly
	ZeroProgress bool          // progress_ms is always 0
	MixedFor     time.Duration // how long after Start answers contain the previous track's progress

	// Linger is how long the stopped player still shows the track: as paused,
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

// The kinds of stalls. The zero value means none.
const (
	Frozen  Stall = "frozen"  // its progress does not change
	Growing Stall = "growing" // its progress grows, even beyond the end of its track
)

// State is the state of a player.
type State string

// The states of a player.
const (
	Idle    State = "idle"
	Playing State = "playing"
	Paused  State = "paused"
)

// play is a Play in a compact form, for code that runs for every request: times
// are milliseconds since 1970, and it has only one pointer.
type play struct {
	start, end           int64
	duration, from       int64
	pauseAt, pause, jump int64 // pauseAt and pause are clock time after start
	linger               int64
	sessionEnd           int64
	key                  uint64 // identifies the play; seed of its random choices
	track                int32  // index in the catalogue; -1 for advertisements, unknown and scripted tracks
	scripted             *Play  // the script's play; nil for generated ones
	kind                 Kind
	complete, skipped    bool
	private, offline     bool
	noProgress, unlisted bool

	speed            int64 // the speed of progress, in thousandths of the clock's; 0 means 1000
	inserted         int64
	mixedFor         int64 // after start
	previousProgress int64 // the reported progress during mixedFor
	stall            Stall
	zeroProgress     bool
}

// progressIn returns how far the player's progress advances in the given time,
// at the speed of the play.
func (p *play) progressIn(elapsed int64) int64 {
	if p.speed == 0 {
		return elapsed
	}
	return elapsed * p.speed / 1000
}

// timeFor returns how long it takes to play a part of the track, at the speed
// of the play.
func (p *play) timeFor(part int64) int64 {
	if p.speed == 0 {
		return part
	}
	return part * 1000 / p.speed
}

// shown returns what the API shows at a time between start and end + linger:
// the real position and state, unless the simulated device or Spotify reports wrong
// values.
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

// position returns where in the track the player is at a time between start and
// end + linger, and whether it is paused there.
func (p *play) position(at int64) (position int64, paused bool) {
	switch elapsed := at - p.start; {
	case elapsed < 0:
		return p.from, false // the player shows the next track while it loads
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

// historyTimes returns the played_at of the play in the simulated history, and
// the time from which history lists it. ok is false if history never lists the
// play. That is so for advertisements, episodes, chapters, local files, private
// and unlisted sessions, and plays of less than 30 s. For some people history
// lists only plays that reached the end of their track.
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
