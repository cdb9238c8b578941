package population

import (
	"fmt"
	"slices"
	"time"
)

// Habits describe how a population plays music. Shares are between 0 and 1. A session is a
// listening session.
type Habits struct {
	Slot        time.Duration // length of a slot of a person's time, which has at most one session
	Listening   float64       // share of all time that is spent in sessions
	SessionMean time.Duration // mean length of a session
	Spread      float64       // sessions last between SessionMean × (1 − Spread) and SessionMean × (1 + Spread)
	Daily       bool          // sessions are more likely at some hours of the day, which differ by person

	Skip      float64 // share of plays that are skipped; doubles after each of up to four skips in a row, to 0.8 at most
	Pause     float64 // share of the plays without a skip that are paused once
	Seek      float64 // share of the plays without a skip, of more than a minute, in which the person seeks forward or back
	Repeat    float64 // share of plays that repeat the previous track
	Loop      float64 // share of sessions that play one track again and again
	Episode   float64 // share of plays that are podcast episodes, often resumed in the middle
	Local     float64 // share of plays that are local files
	Unknown   float64 // share of plays that the Web API calls "unknown", without an item
	Free      float64 // share of people who get advertisements
	Private   float64 // share of sessions that are private: neither the player nor history shows them
	Offline   float64 // share of sessions without a network: only history shows them, afterwards
	Unlisted  float64 // share of sessions that history never lists, as for Jams and other clients
	WholeOnly float64 // share of people whose history lists only plays that reached the end of their track

	Spurious   float64 // share of polls of a playing person that are answered with a false 204 (no active player)
	NoProgress float64 // share of plays on devices that report no progress

	StalledSessions float64 // share of sessions whose player claims to play for hours while it is paused or has stopped
	FastEpisodes    float64 // share of episodes that are played at 1.2 to 2 times the normal speed
	MixedChanges    float64 // share of track changes after which answers contain the previous track's progress for some seconds
}

// regular holds the habits of the population "regular", which `make bench-capture` uses by
// default. People listen for a tenth of the day, in sessions of 100 minutes on average.
var regular = Habits{
	Slot: 4 * time.Hour, Listening: 0.10, SessionMean: 100 * time.Minute, Spread: 0.8, Daily: true,
	Skip: 0.10, Pause: 0.03, Repeat: 0.03, Loop: 0.04, Episode: 0.012, Local: 0.015, Unknown: 0.002,
	Free: 0.12, Private: 0.04, Offline: 0.05, Spurious: 0.01, NoProgress: 0.01,
}

// lingerMax is the longest time for which a stopped player still shows its last track as
// paused.
const lingerMax = 6 * time.Minute

// HabitsByName returns the habits of a named population.
//
//   - "lively": nine in ten people are playing at any moment; for demonstrations.
//   - "tenth": one in ten is playing at any moment. No play is private or offline, and
//     Spotify sends no false 204. For load tests.
//   - "regular": people listen for a tenth of each day, in sessions of 100 minutes.
//   - "restless": like "regular", but in sessions of 50 minutes with 25 % skips.
//   - "awkward": like "regular", but Spotify reports wrong values. History never lists
//     15 % of the sessions. In 2 % of the sessions, a player that is paused or has
//     stopped claims to play: its progress is frozen, or grows beyond the track's end.
//     10 % of the episodes are played at 1.2 to 2 times the normal speed. After 1 % of
//     the track changes, answers show the new track with the old track's progress.
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

// Validate returns an error if the habits contradict each other: if a session may not fit
// into a slot, or if one session per slot cannot fill the share Listening of the time.
func (h Habits) Validate() error {
	longest := time.Duration(float64(h.SessionMean)*(1+h.Spread)) + lingerMax
	switch {
	case h.Slot <= 0 || h.SessionMean <= 0:
		return fmt.Errorf("habits: Slot and SessionMean must be positive")
	case longest > h.Slot:
		return fmt.Errorf("habits: the longest session, %v with its end, does not fit into a slot of %v: use a longer Slot", longest, h.Slot)
	case h.sessionsPerSlot()*slices.Max(hourWeights[:]) > 1 && h.Daily, h.sessionsPerSlot() > 1:
		return fmt.Errorf("habits: one session per slot cannot fill %.0f %% of the time: use a shorter Slot or a longer SessionMean", 100*h.Listening)
	}
	return nil
}

// sessionsPerSlot returns the mean number of sessions in a slot.
func (h Habits) sessionsPerSlot() float64 {
	return h.Listening * float64(h.Slot) / float64(h.SessionMean)
}

// hourWeights is how likely a session is at each hour of a person's day, relative to the
// average over the day, which is 1.
var hourWeights = [24]float64{
	0.5, 0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 1.2, 1.7, 1.3, 1.0, 1.0,
	1.1, 1.0, 0.9, 0.9, 1.0, 1.4, 1.8, 1.6, 1.6, 1.9, 1.7, 1.2,
}
