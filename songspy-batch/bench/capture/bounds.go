package main

import "fmt"

// bounds are what the service has to keep; 0: no bound.
type bounds struct {
	calls                    float64 // times those of the plain sweep
	perDay                   float64 // calls a listener and day
	provable, all            float64
	followed, seen           float64
	notPlayed, doubles       float64 // shares of what is claimed; no double is allowed where its share is 0
	polls                    bool    // those of an hour: see worstHour
	withProbable, precision  float64 // of probable plays
	p50, p90, start, onBoard float64
	throttled                float64 // calls of one account that are refused in a week
	dark                     float64 // seconds without a successful call of one account
}

// enoughClaims is how many probable plays there must be before the part of them
// that is right is judged.
const enoughClaims = 50

// boundsFor are those that were set for a population.
func boundsFor(population string) (bounds, bool) {
	switch population {
	case "regular":
		return bounds{calls: 1.08, provable: 0.999, all: 0.99, notPlayed: 0.001, p50: 3, p90: 45, start: 2, onBoard: 0.9}, true
	case "restless":
		return bounds{calls: 1.12, p90: 100}, true
	case "awkward":
		return bounds{followed: 0.998, seen: 0.988, notPlayed: 0.003, doubles: 0.0005, polls: true}, true
	default:
		return bounds{}, false
	}
}

// wholeBounds are those of the service where history lists only plays that reached
// their end. Wished are, with these calls, 0.985 and 0.99 for regular people, 0.925
// and 0.955 for restless ones; docs/benchmarks.md says what stands against that.
func wholeBounds(population string) (bounds, bool) {
	switch population {
	case "regular":
		return bounds{calls: 1.12, all: 0.98, withProbable: 0.98, precision: 0.75, notPlayed: 0.001}, true
	case "restless":
		return bounds{calls: 1.13, all: 0.905, withProbable: 0.905, precision: 0.75, notPlayed: 0.001}, true
	default:
		return bounds{}, false
	}
}

// sparingBounds are those of the service that is given 300 calls a listener and
// day for regular listeners.
var sparingBounds = bounds{perDay: 300, provable: 0.999, all: 0.97, p50: 5}

// quotaBounds are those of the policies with a quota that has to be learned.
var quotaBounds = map[string]bounds{
	quotaRegular: {provable: 0.999, all: 0.97, throttled: 1, dark: 15 * 60},
	quotaLively:  {all: 0.95},
}

// judge lists the bounds that the service missed.
func (r *report) judge() []string {
	missed := []string{}
	if b, some := boundsFor(r.Population); some {
		missed = append(missed, r.judgeRow(service, b)...)
	}
	if b, some := wholeBounds(r.Population); some {
		missed = append(missed, r.judgeRow(whole, b)...)
	}
	if r.Population == "regular" {
		missed = append(missed, r.judgeRow(sparing, sparingBounds)...)
	}
	for _, name := range []string{quotaRegular, quotaLively} {
		missed = append(missed, r.judgeRow(name, quotaBounds[name])...)
	}
	return missed
}

func (r *report) judgeRow(name string, b bounds) (missed []string) {
	f, there := r.row(name)
	if !there {
		return nil
	}
	miss := func(bound float64, is bool, format string, args ...any) {
		if bound > 0 && is {
			missed = append(missed, name+": "+fmt.Sprintf(format, args...))
		}
	}
	miss(b.perDay, f.PerDay > b.perDay, "%.1f calls a listener and day; at most %.0f are wanted", f.PerDay, b.perDay)
	if plain, ok := r.row(policies()[0].name); ok {
		times := f.PerDay / plain.PerDay
		miss(b.calls, times > b.calls, "%.3f times the plain sweep's calls; at most %.2f are wanted", times, b.calls)
	}
	miss(b.provable, f.Provable.ratio() < b.provable, "recall of provable plays is %v", f.Provable)
	miss(b.all, f.Plays.ratio() < b.all, "recall of all plays is %v", f.Plays)
	miss(b.followed, f.Followed.ratio() < b.followed, "recall of plays that polls followed or history lists is %v", f.Followed)
	miss(b.seen, f.Seen.ratio() < b.seen, "recall of plays that a poll saw is %v", f.Seen)
	doubled := float64(f.Doubles) / max(1, float64(f.Claimed))
	miss(1, doubled > b.doubles, "%d plays are doubled", f.Doubles)
	miss(b.withProbable, f.WithProbable.ratio() < b.withProbable, "recall of all plays with the probable ones is %v", f.WithProbable)
	miss(b.precision, f.Probable.Of >= enoughClaims && f.Probable.ratio() < b.precision, "only %v of the probable plays were played", f.Probable)
	untrue := float64(f.NotPlayed) / max(1, float64(f.Claimed))
	miss(b.notPlayed, untrue > b.notPlayed, "%.3f %% of the plays claimed were not", 100*untrue)
	if b.polls && f.Excess > 0 {
		missed = append(missed, fmt.Sprintf("%s: a player costs %d polls more in an hour than %d and %d for each play that began", name, f.Excess, pollsAnHour, pollsAPlay))
	}
	miss(b.p50, f.Delay[0] > b.p50, "half of the plays take more than %.1f s to the board", f.Delay[0])
	miss(b.p90, f.Delay[1] > b.p90, "a tenth of the plays take more than %.1f s to the board", f.Delay[1])
	miss(b.start, f.StartOff[1] > b.start, "one start in twenty is off by more than %.1f s", f.StartOff[1])
	miss(b.throttled, f.MostThrottled > b.throttled, "%.1f calls of an account are refused in a week", f.MostThrottled)
	miss(b.dark, f.Dark > b.dark, "no call of an account succeeds for %.0f s", f.Dark)
	miss(b.onBoard, f.OnBoard < b.onBoard, "only %.1f %% of the playing time is on the board", 100*f.OnBoard)
	return missed
}
