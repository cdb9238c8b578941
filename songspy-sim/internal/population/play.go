package population

import "time"

// Play is one real play: what a perfect witness would have written down.
//
// A play has at most one interruption: at PauseAfter of played time the
// player stands still for PauseFor and goes on Jump further along (a seek is
// a pause of no length).
type Play struct {
	Track Track
	Start time.Time
	End   time.Time // when the play was over, by its end, a skip or a stop

	From       time.Duration // position at Start; above zero for resumed episodes
	PauseAfter time.Duration // played time before the interruption
	PauseFor   time.Duration
	Jump       time.Duration // position gained (or lost, below zero) by a seek

	Listened   time.Duration // End − Start without the pause
	Complete   bool          // ran to the track's end
	Skipped    bool          // left early for the next one
	Private    bool          // shown neither live nor in history
	Offline    bool          // shown in history only, after the session
	Unlisted   bool          // shown live only: Jams and other clients never reach history
	NoProgress bool          // progress_ms is null throughout

	Speed        float64       // progress runs so many times the clock; 0 stands for 1
	Inserted     time.Duration // by which the play is longer than its track says: episodes grow by advertisements
	Stall        Stall         // what the player shows instead of a pause and of its end
	ZeroProgress bool          // progress_ms is 0 throughout
	MixedFor     time.Duration // for how long after Start answers carry the former track's progress

	// Linger is how long the stopped player still shows the track: as paused, or as its Stall says.
	Linger time.Duration

	// HeardAt is history's played_at and InHistory the instant from which
	// history lists the play. Both are zero for a play that history never lists.
	PlayedAt time.Time
	ListedAt time.Time
}

// Stall is how a player misleads: it claims to play although it stands still or is over.
type Stall string

// The ways to stall. The zero value does not.
const (
	Frozen  Stall = "frozen"  // its progress stands still
	Growing Stall = "growing" // its progress grows on, beyond the end of its track too
)

// State is what a player does.
type State string

// The states of a player.
const (
	Idle    State = "nothing"
	Playing State = "playing"
	Paused  State = "paused"
)

// play is Play on the hot path: milliseconds since 1970 and no pointers but one.
type play struct {
	start, end           int64
	duration, from       int64
	pauseAt, pause, jump int64 // breakAt and pause are wall time after start
	linger               int64
	sessionEnd           int64
	key                  uint64 // identifies the play; source of its chances
	track                int32  // in the catalogue; -1 for none or a scripted one
	scripted             *Play  // the script's own words, nil for the invented
	kind                 Kind
	complete, skipped    bool
	private, offline     bool
	noProgress, unlisted bool

	speed          int64 // of progress, in thousandths of the clock's; 0 stands for 1000
	inserted       int64
	mixedFor       int64 // after start
	formerProgress int64 // the progress that is shown meanwhile
	stall          Stall
	zeroProgress   bool
}

// covered is how far a player gets in that time.
func (p *play) progressIn(elapsed int64) int64 {
	if p.speed == 0 {
		return elapsed
	}
	return elapsed * p.speed / 1000
}

// lasts is how long a player takes for a part of its track.
func (p *play) timeFor(part int64) int64 {
	if p.speed == 0 {
		return part
	}
	return part * 1000 / p.speed
}

// shows is what an answer says of the player at an instant between start and
// end + linger: the truth, unless its device or the provider misleads.
func (p *play) shown(at int64) (progress int64, state State) {
	progress, paused := p.position(at)
	state = Playing
	switch {
	case p.zeroProgress:
		progress = 0
	case at >= p.start && at < p.start+p.mixedFor:
		progress = p.formerProgress
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

// position tells where in the track the player is at an instant between start
// and end + linger, and whether it stands still there.
func (p *play) position(at int64) (position int64, paused bool) {
	switch elapsed := at - p.start; {
	case elapsed < 0:
		return p.from, false // the next track shows while it loads
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

// inHistory tells history's played_at and from when it lists the play.
// Advertisements, episodes, chapters, local files, private and unlisted sessions and
// whatever was heard for less than 30 s it never lists. For some people it lists
// only plays that reached their end.
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
