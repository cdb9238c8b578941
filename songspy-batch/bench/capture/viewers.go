package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const (
	// reportDelay is how long after the start of a visit the poller can read it as a watch
	// (the users that a viewer sees): the API first gathers watches for a moment.
	reportDelay = 100 * time.Millisecond
	// windowSize is how many people a viewer of the front page watches at most.
	windowSize = 48
	// hostileStreams is the number of hostile streams of hostilePolicy.
	hostileStreams = 10_000
)

// visit is a period in which a viewer watches people.
type visit struct {
	viewer   songspy.ViewerHash
	signedIn bool
	people   []int
	from, to time.Time
	measured bool // whether checkVisits counts the visit; false if the viewer is hostile
}

// visits returns the visits of all people and of the hostile viewers, sorted by their start.
func (r *policyRun) visits(from time.Time) (all []visit) {
	for person := range r.people {
		viewer := sim.NewViewer(r.seed, r.people, person)
		for start := range viewer.Visits(from) {
			if !start.Before(r.to) {
				break
			}
			all = append(all, visit{viewerKey(person), true, viewer.Follows, start, start.Add(sim.VisitLength), true})
		}
	}
	all = append(all, r.hostileVisits(from)...)
	slices.SortStableFunc(all, func(a, b visit) int { return a.from.Compare(b.from) })
	return all
}

// hostileVisits returns the visits of viewers who are not signed in and watch until the end of the
// measurement. Each of them watches at most windowSize people, chosen at random.
func (r *policyRun) hostileVisits(from time.Time) (all []visit) {
	everyone := make([]int, r.people)
	for i := range everyone {
		everyone[i] = i
	}
	rng := rand.New(rand.NewPCG(r.seed, 1<<32))
	for i := range r.policy.hostile {
		rng.Shuffle(len(everyone), func(i, j int) { everyone[i], everyone[j] = everyone[j], everyone[i] })
		all = append(all, visit{viewer: viewerKey(r.people + i), people: slices.Clone(everyone[:min(windowSize, r.people)]), from: from, to: r.to})
	}
	return all
}

func viewerKey(n int) (key songspy.ViewerHash) {
	binary.BigEndian.PutUint64(key[:], uint64(n))
	return key
}

// watchStore is the poller's source of watches. As in the service, a viewer who is signed in
// watches all followed people, and a viewer who is not signed in watches only those that the board shows.
type watchStore struct {
	visits []visit
	db     *recordingStore
	shown  []bool // by person, at the last read
}

// WatchesSince returns, as watches, the visits that began since the given time. It also returns the earlier
// visits of viewers who are not signed in, if they still last and the board has begun or
// stopped to show one of their people.
func (w *watchStore) WatchesSince(_ context.Context, since time.Time) (watches []songspy.Watch, readAt time.Time, err error) {
	now := time.Now()
	began := func(l visit, at time.Time) int { return l.from.Compare(at) }
	firstNew, _ := slices.BinarySearchFunc(w.visits, since.Add(-reportDelay), began)
	end, _ := slices.BinarySearchFunc(w.visits, now.Add(-reportDelay+1), began)
	changed := w.updateShown(now)
	first := firstNew
	if len(changed) > 0 {
		first = 0
	}
	for i, l := range w.visits[first:end] {
		if first+i < firstNew && (l.signedIn || !l.to.After(now) || !slices.ContainsFunc(l.people, func(person int) bool { return changed[person] })) {
			continue
		}
		var users []songspy.UserID
		for _, person := range l.people {
			if l.signedIn || w.shown[person] {
				users = append(users, userOf(person))
			}
		}
		watches = append(watches, songspy.Watch{Viewer: l.viewer, SignedIn: l.signedIn, Users: users, OpenedAt: l.from, Until: l.to})
	}
	return watches, now, nil
}

// updateShown updates which people the board shows at a time. It returns the people that the
// board has begun or stopped to show since the last call.
func (w *watchStore) updateShown(at time.Time) (changed map[int]bool) {
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	for person := range w.shown {
		var shows bool
		if states := w.db.people[person].shown; len(states) > 0 {
			shows = at.Before(states[len(states)-1].playing.ShownUntil())
		}
		if shows != w.shown[person] {
			w.shown[person] = shows
			if changed == nil {
				changed = map[int]bool{}
			}
			changed[person] = true
		}
	}
	return changed
}

// checkVisits measures what the viewers of one person saw. It adds up how long they watched while
// the person was listening, and for how much of that time the board did not show the person's track.
// It also records how late they saw each track.
func (v userVerdict) checkVisits(visits []visit) {
	for _, l := range visits {
		if !l.measured || !v.isMeasured(l.from) || !slices.Contains(l.people, v.person) {
			continue
		}
		for _, t := range v.truth {
			if !isObservable(t) || t.Offline || !t.Start.Before(l.to) || !l.from.Before(t.End) {
				continue
			}
			for _, part := range playingIntervals(t) {
				part = interval{later(part.from, l.from), earlier(part.to, l.to)}
				if length := part.to.Sub(part.from); length > 0 {
					v.watched += length
					v.watchedWrong += length - v.shownFor(t.Track.URI, part)
				}
			}
			began, ends := later(t.Start, l.from), earlier(t.End, l.to)
			seen := v.seenAfter(t.Track.URI, interval{began, ends})
			v.viewerDelay = append(v.viewerDelay, seen)
			if began.Equal(t.Start) || seen > 0 { // otherwise the viewer saw the right track at once when the page opened
				v.changeDelay = append(v.changeDelay, seen)
			}
		}
	}
}

// seenAfter returns how long after the beginning of the interval the board shows the
// track. If the board does not show it within the interval, it returns the interval's length.
func (v userVerdict) seenAfter(uri string, in interval) time.Duration {
	i, _ := slices.BinarySearchFunc(v.recorded.shown, in.from, func(s boardState, at time.Time) int { return s.from.Compare(at) })
	for i = max(0, i-1); i < len(v.recorded.shown) && v.recorded.shown[i].from.Before(in.to); i++ {
		s := v.recorded.shown[i]
		until := s.playing.ShownUntil()
		if i+1 < len(v.recorded.shown) && v.recorded.shown[i+1].from.Before(until) {
			until = v.recorded.shown[i+1].from
		}
		if s.plays(uri) && until.After(in.from) {
			return max(0, s.from.Sub(in.from))
		}
	}
	return in.to.Sub(in.from)
}
