package population

import (
	"fmt"
	"slices"
	"time"
)

// Habits describe how a population listens. Shares are between 0 and 1.
type Habits struct {
	Slot        time.Duration // at most one session falls into each slot of a person's time
	Listening   float64       // share of all time that is spent in sessions
	SessionMean time.Duration // mean length of a session
	Spread      float64       // sessions last SessionMean × (1 ± Spread)
	Daily       bool          // sessions follow the hours of the day, each person's own

	Skip      float64 // of plays left early; doubles with every skip in a row
	Pause     float64 // of plays interrupted
	Seek      float64 // of plays in which the person jumps forward or back
	Repeat    float64 // of plays that are the former track again
	Loop      float64 // of sessions that hear one track over and over
	Episode   float64 // of plays that are podcast episodes, often resumed in the middle
	Local     float64 // of plays that are files of the person's own
	Unknown   float64 // of plays that the Web API calls "unknown" and shows no item for
	Free      float64 // of people who hear advertisements
	Private   float64 // of sessions that are private: nothing shows, ever
	Offline   float64 // of sessions without a network: only history shows them, afterwards
	Unlisted  float64 // of sessions that history never lists: Jams, other clients
	WholeOnly float64 // of people whose history lists only plays that reached their end

	Spurious   float64 // of looks at a playing person that are answered 204
	NoProgress float64 // of plays on devices that report no progress

	StalledSessions float64 // of sessions whose player claims to play while it stands still or is over, for hours
	FastEpisodes    float64 // of episodes that are heard at 1.2 to 2 times the speed
	MixedChanges    float64 // of track changes after which answers still carry the former track's progress for some seconds
}

// regular is the population of the capture benchmark: a tenth of the day,
// sessions of 100 minutes.
var regular = Habits{
	Slot: 4 * time.Hour, Listening: 0.10, SessionMean: 100 * time.Minute, Spread: 0.8, Daily: true,
	Skip: 0.10, Pause: 0.03, Repeat: 0.03, Loop: 0.04, Episode: 0.012, Local: 0.015, Unknown: 0.002,
	Free: 0.12, Private: 0.04, Offline: 0.05, Spurious: 0.01, NoProgress: 0.01,
}

// lingerMax bounds how long a stopped player still shows its last track.
const lingerMax = 6 * time.Minute

// Named returns the habits of a population by its name.
//
//   - lively: nine in ten are playing at any moment; for demonstrations.
//   - tenth: one in ten is playing, and shown so, at any moment; for load.
//   - regular: a tenth of each day in sessions of 100 minutes.
//   - restless: the same in sessions of 50 minutes with 25 % skips.
//   - awkward: regular, where the provider misleads: 15 % of the sessions are never listed by history,
//     in 2 % the player is frozen or grows beyond the end, 10 % of the episodes run at 1.2 to 2
//     times the clock, and 1 % of the track changes show the new track with the old progress.
func HabitsByName(name string) (Habits, error) {
	h := regular
	switch name {
	case "regular":
	case "restless":
		h.Slot, h.SessionMean, h.Skip, h.Seek = 2*time.Hour, 50*time.Minute, 0.25, 0.02
	case "awkward":
		h.Unlisted, h.StalledSessions, h.FastEpisodes, h.MixedChanges = 0.15, 0.02, 0.10, 0.01
	case "tenth":
		h.Slot, h.Daily = 1000*time.Minute, false
		h.Private, h.Offline, h.Spurious = 0, 0, 0
	case "lively":
		h.Slot, h.SessionMean, h.Spread, h.Daily = 2*time.Hour, 108*time.Minute, 0.05, false
		h.Listening, h.Skip, h.Seek, h.Private, h.Offline = 0.9, 0.15, 0.01, 0.02, 0
	default:
		return Habits{}, fmt.Errorf("population %q is not known: use lively, tenth, regular, restless or awkward", name)
	}
	return h, nil
}

// Validate says what makes habits impossible.
func (h Habits) Validate() error {
	longest := time.Duration(float64(h.SessionMean)*(1+h.Spread)) + lingerMax
	switch {
	case h.Slot <= 0 || h.SessionMean <= 0:
		return fmt.Errorf("habits: Slot and SessionMean must be longer than nothing")
	case longest > h.Slot:
		return fmt.Errorf("habits: the longest session with its end, %v, does not fit into a slot of %v: lengthen Slot", longest, h.Slot)
	case h.sessionsPerSlot()*slices.Max(hourWeights[:]) > 1 && h.Daily, h.sessionsPerSlot() > 1:
		return fmt.Errorf("habits: one session a slot cannot fill %.0f %% of the time: shorten Slot or lengthen SessionMean", 100*h.Listening)
	}
	return nil
}

// perSlot is the mean number of sessions in a slot.
func (h Habits) sessionsPerSlot() float64 {
	return h.Listening * float64(h.Slot) / float64(h.SessionMean)
}

// hourWeights says how much likelier than on average a session is at each
// hour of a person's day. The mean is 1.
var hourWeights = [24]float64{
	0.5, 0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.2, 1.7, 1.3, 1.0, 1.0,
	1.1, 1.0, 0.9, 0.9, 1.0, 1.4, 1.8, 1.6, 1.6, 1.9, 1.7, 1.2,
}
