package listening

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// witness follows a batch through a day, and holds what it does to the laws.
type witness struct {
	*rapid.T
	day
	batch
	script   strings.Builder
	deceived bool
	silent   time.Time               // since when all looks show silence; zero: they do not
	sounds   map[time.Time]time.Time // by look: until when what was seen by then may be shown as playing
	last     time.Time               // the look before
	secrets  map[string]bool         // tracks that were seen without their progress
	seen     map[int][]time.Duration // by span: how far in it was seen to sound
	polled   []songspy.KeptPlay      // plays that polls alone made
}

func (w *witness) note(format string, args ...any) { fmt.Fprintf(&w.script, format+"\n", args...) }

func off(at time.Time) float64 { return at.Sub(base).Seconds() }

// live looks, asks and fails through the day.
func (w *witness) live() {
	end := w.truth[len(w.truth)-1].end.Add(10 * time.Minute)
	now := base.Add(-time.Minute)
	for w.known && now.Before(w.truth[3].start.Add(-time.Minute)) { // undisturbed
		o := w.truth.look(now)
		w.heard(w.look(o), o)
		w.write(len(w.writing))
		now = NextLook(w.playing, o.Sighting, now, 0, floorOfDay).At
	}
	for now.Before(end) {
		now = w.turn(now)
	}
	w.write(len(w.writing))
	for range 2 {
		end = end.Add(time.Minute)
		o := songspy.Observation{Sighting: songspy.SightingNothing, At: end}
		w.heard(w.look(o), o)
	}
	w.write(len(w.writing))
	w.recall(end.Add(2*time.Hour), time.Time{})
}

// turn makes one look, or fails to, and gives the time of the next.
func (w *witness) turn(now time.Time) time.Time {
	o := w.truth.look(now)
	fault := rapid.IntRange(0, 79).Draw(w.T, "fault")
	if fault == 0 && (o.Sighting != songspy.SightingPlaying || w.deceived && !w.doubts(now)) { // it comes during playback
		fault = 1
	}
	silent := fault == 1 || fault >= 3 && fault <= 6 // no answer, or none that tells
	w.deceived = fault == 0 || silent && w.deceived
	wait, times := time.Duration(0), 1
	switch fault {
	case 0:
		o = songspy.Observation{Sighting: songspy.SightingNothing, At: now}
	case 1:
		o = songspy.Observation{Sighting: songspy.SightingUnreadable, At: now}
	case 2:
		if o.Sighting == songspy.SightingPlaying {
			o.Progress = songspy.UnknownProgress
		}
	case 3: // failed
		times = 0
	case 4: // a closed door
		times, wait = 0, seconds(w.T, 60, 3000)
	case 5: // killed, with some of what was on its way written
		times, wait = 0, seconds(w.T, 0, 900)
		w.write(rapid.IntRange(0, len(w.writing)).Draw(w.T, "written"))
		w.start(now)
		w.note("%.1f killed", off(now))
	case 6: // told to stop
		times, wait = 0, seconds(w.T, 0, 20)
		w.stop()
		w.start(now)
		w.note("%.1f stopped", off(now))
	case 7:
		times = 2
	case 8: // the budget thins
		wait = seconds(w.T, 60, 900)
	case 9:
		w.forget()
	}
	for range times {
		w.heard(w.look(o), o)
	}
	if fault != 10 && len(w.writing) > 0 { // else the database is slow
		w.write(len(w.writing))
	}
	if len(w.writing) == 0 {
		w.shows(now)
	}
	next := now.Add(floorOfDay)
	if times > 0 {
		next = NextLook(w.playing, o.Sighting, now, 0, floorOfDay).At
	}
	next = next.Add(wait)
	inquiry := w.untold.NextInquiry()
	switch {
	case fault == 11:
		w.recall(now.Add(time.Millisecond), now.Add(-seconds(w.T, 0, 7200)))
	case fault != 4 && inquiry.At.Before(next):
		w.recall(later(inquiry.At, now), w.untold.Since(inquiry.Errand))
	}
	return next
}

// doubts reports whether another silence would not be believed yet.
func (w *witness) doubts(now time.Time) bool {
	n := w.playing
	return n.NothingSince != nil && now.Sub(*n.NothingSince) < doubted && n.State == songspy.PlayerPlaying && n.EndsAt != nil && now.Before(*n.EndsAt)
}

// forget deletes a play that is kept, as its person may.
func (w *witness) forget() {
	if len(w.plays) > 0 {
		i := rapid.IntRange(0, len(w.plays)-1).Draw(w.T, "deleted")
		gone := base
		w.plays[i].Play.DeletedAt = &gone
	}
}

// recall asks history, twice: the second answer changes nothing.
func (w *witness) recall(now, after time.Time) {
	r := w.ask(w.day, now, after)
	w.note("%.1f asked: confirmed %d, found %d, refuted %d, unplaced %d, waiting %d; settled %.1f", off(now),
		len(r.Confirmed), len(r.Found), len(r.Refuted), len(r.Unplaced), r.Waiting, off(Settled(w.playing)))
	if again := w.ask(w.day, now, after); !again.Empty() {
		w.fail("the same answer again changes %+v", again)
	}
	w.apart()
}

// heard holds one step to its laws.
func (w *witness) heard(out Outcome, o songspy.Observation) {
	w.board(o)
	if o.Sighting == songspy.SightingPlaying && o.Progress >= 0 {
		i := slices.IndexFunc(w.truth, func(s span) bool { return s.end.After(o.At) })
		w.seen[i] = append(w.seen[i], o.Progress)
	}
	for _, p := range out.Plays {
		w.polled = append(w.polled, songspy.KeptPlay{Play: p, Track: trackOf(p.TrackURI)})
	}
	if len(out.Plays) == 0 && !out.Worth {
		return
	}
	w.note("%.1f %s %s at %.1f: %d plays; open %s since %.1f, elsewhere %.1f, listened %d", off(o.At), o.Sighting, o.Track.URI, o.Progress.Seconds(), len(out.Plays),
		out.State.TrackURI, off(out.State.StartedAt), off(out.State.ElsewhereAt), out.State.ListenedMS)
}

func (w *witness) fail(format string, args ...any) {
	w.Helper()
	w.Fatalf(format+"\n%s\n%s", append(args, w.script.String(), w.story())...)
}

func (w *witness) story() string {
	var b strings.Builder
	b.WriteString(story(w.truth, nil, nil))
	for _, l := range w.lines {
		fmt.Fprintf(&b, "history %s %.1f from %.1f\n", l.Track.URI, off(l.PlayedAt), off(l.from))
	}
	for _, k := range w.plays {
		p := k.Play
		fmt.Fprintf(&b, "kept %s %.1f-%.1f listened %d inferred %d %s provisional %t, told by %.1f\n", p.TrackURI, off(p.StartedAt), off(p.EndedAt), p.ListenedMS/1000, p.InferredMS/1000, p.Source, p.Provisional, off(k.HeardAt))
	}
	return b.String()
}
