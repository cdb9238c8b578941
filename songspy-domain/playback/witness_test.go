package playback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// witness follows a batch through a day, and holds what it does to the laws.
type dayChecker struct {
	*rapid.T
	day
	pollerModel
	log          strings.Builder
	falseIdle    bool
	idleSince    time.Time               // since when all looks show silence; zero: they do not
	playingUntil map[time.Time]time.Time // by look: until when what was seen by then may be shown as playing
	lastPoll     time.Time               // the look before
	hidden       map[string]bool         // tracks that were seen without their progress
	seenProgress map[int][]time.Duration // by span: how far in it was seen to sound
	polledPlays  []songspy.StoredPlay    // plays that polls alone made
}

func (w *dayChecker) note(format string, args ...any) { fmt.Fprintf(&w.log, format+"\n", args...) }

func secondsIn(at time.Time) float64 { return at.Sub(base).Seconds() }

// live looks, asks and fails through the day.
func (w *dayChecker) run() {
	end := w.timeline[len(w.timeline)-1].end.Add(10 * time.Minute)
	now := base.Add(-time.Minute)
	for w.edgeIsKnown && now.Before(w.timeline[3].start.Add(-time.Minute)) { // undisturbed
		o := w.timeline.poll(now)
		w.checkPoll(w.poll(o), o)
		w.write(len(w.pendingWrites))
		now = NextPoll(w.playing, o.Kind, now, 0, dayInterval).At
	}
	for now.Before(end) {
		now = w.step(now)
	}
	w.write(len(w.pendingWrites))
	for range 2 {
		end = end.Add(time.Minute)
		o := songspy.Observation{Kind: songspy.ObservedIdle, At: end}
		w.checkPoll(w.poll(o), o)
	}
	w.write(len(w.pendingWrites))
	w.checkHistory(end.Add(2*time.Hour), time.Time{})
}

// turn makes one look, or fails to, and gives the time of the next.
func (w *dayChecker) step(now time.Time) time.Time {
	o := w.timeline.poll(now)
	fault := rapid.IntRange(0, 79).Draw(w.T, "fault")
	if fault == 0 && (o.Kind != songspy.ObservedPlaying || w.falseIdle && !w.doubtsIdle(now)) { // it comes during playback
		fault = 1
	}
	noAnswer := fault == 1 || fault >= 3 && fault <= 6 // no answer, or none that tells
	w.falseIdle = fault == 0 || noAnswer && w.falseIdle
	wait, times := time.Duration(0), 1
	switch fault {
	case 0:
		o = songspy.Observation{Kind: songspy.ObservedIdle, At: now}
	case 1:
		o = songspy.Observation{Kind: songspy.ObservedUnreadable, At: now}
	case 2:
		if o.Kind == songspy.ObservedPlaying {
			o.Progress = songspy.UnknownProgress
		}
	case 3: // failed
		times = 0
	case 4: // a closed door
		times, wait = 0, seconds(w.T, 60, 3000)
	case 5: // killed, with some of what was on its way written
		times, wait = 0, seconds(w.T, 0, 900)
		w.write(rapid.IntRange(0, len(w.pendingWrites)).Draw(w.T, "written"))
		w.start(now)
		w.note("%.1f killed", secondsIn(now))
	case 6: // told to stop
		times, wait = 0, seconds(w.T, 0, 20)
		w.stop()
		w.start(now)
		w.note("%.1f stopped", secondsIn(now))
	case 7:
		times = 2
	case 8: // the budget thins
		wait = seconds(w.T, 60, 900)
	case 9:
		w.deletePlay()
	}
	for range times {
		w.checkPoll(w.poll(o), o)
	}
	if fault != 10 && len(w.pendingWrites) > 0 { // else the database is slow
		w.write(len(w.pendingWrites))
	}
	if len(w.pendingWrites) == 0 {
		w.checkShown(now)
	}
	next := now.Add(dayInterval)
	if times > 0 {
		next = NextPoll(w.playing, o.Kind, now, 0, dayInterval).At
	}
	next = next.Add(wait)
	fetch := w.historyState.NextFetch()
	switch {
	case fault == 11:
		w.checkHistory(now.Add(time.Millisecond), now.Add(-seconds(w.T, 0, 7200)))
	case fault != 4 && fetch.At.Before(next):
		w.checkHistory(later(fetch.At, now), w.historyState.FetchFrom(fetch.Reason))
	}
	return next
}

// doubts reports whether another silence would not be believed yet.
func (w *dayChecker) doubtsIdle(now time.Time) bool {
	n := w.playing
	return n.IdleSince != nil && now.Sub(*n.IdleSince) < idleConfirmAfter && n.State == songspy.PlayerPlaying && n.EndsAt != nil && now.Before(*n.EndsAt)
}

// forget deletes a play that is kept, as its person may.
func (w *dayChecker) deletePlay() {
	if len(w.plays) > 0 {
		i := rapid.IntRange(0, len(w.plays)-1).Draw(w.T, "deleted")
		gone := base
		w.plays[i].Play.DeletedAt = &gone
	}
}

// recall asks history, twice: the second answer changes nothing.
func (w *dayChecker) checkHistory(now, after time.Time) {
	r := w.fetchHistory(w.day, now, after)
	w.note("%.1f asked: confirmed %d, found %d, refuted %d, unplaced %d, waiting %d; settled %.1f", secondsIn(now),
		len(r.Confirmed), len(r.Added), len(r.Removed), len(r.Unmatched), r.Pending, secondsIn(SettledUntil(w.playing)))
	if again := w.fetchHistory(w.day, now, after); !again.IsEmpty() {
		w.fail("the same answer again changes %+v", again)
	}
	w.checkOverlap()
}

// heard holds one step to its laws.
func (w *dayChecker) checkPoll(out StepResult, o songspy.Observation) {
	w.checkBoard(o)
	if o.Kind == songspy.ObservedPlaying && o.Progress >= 0 {
		i := slices.IndexFunc(w.timeline, func(s span) bool { return s.end.After(o.At) })
		w.seenProgress[i] = append(w.seenProgress[i], o.Progress)
	}
	for _, p := range out.Plays {
		w.polledPlays = append(w.polledPlays, songspy.StoredPlay{Play: p, Track: trackOf(p.TrackURI)})
	}
	if len(out.Plays) == 0 && !out.MustSave {
		return
	}
	w.note("%.1f %s %s at %.1f: %d plays; open %s since %.1f, elsewhere %.1f, listened %d", secondsIn(o.At), o.Kind, o.Track.URI, o.Progress.Seconds(), len(out.Plays),
		out.State.TrackURI, secondsIn(out.State.StartedAt), secondsIn(out.State.OtherSeenAt), out.State.ListenedMS)
}

func (w *dayChecker) fail(format string, args ...any) {
	w.Helper()
	w.Fatalf(format+"\n%s\n%s", append(args, w.log.String(), w.describe())...)
}

func (w *dayChecker) describe() string {
	var b strings.Builder
	b.WriteString(describe(w.timeline, nil, nil))
	for _, l := range w.historyLines {
		fmt.Fprintf(&b, "history %s %.1f from %.1f\n", l.Track.URI, secondsIn(l.PlayedAt), secondsIn(l.listedFrom))
	}
	for _, k := range w.plays {
		p := k.Play
		fmt.Fprintf(&b, "kept %s %.1f-%.1f listened %d inferred %d %s provisional %t, told by %.1f\n", p.TrackURI, secondsIn(p.StartedAt), secondsIn(p.EndedAt), p.ListenedMS/1000, p.InferredMS/1000, p.Source, p.Provisional, secondsIn(k.PlayedAt))
	}
	return b.String()
}
