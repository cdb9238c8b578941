package listening

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// board requires that viewers are shown nothing as playing that was seen to have
// ended, and nothing for longer than what was seen of it lasts, with its grace.
func (w *witness) board(o songspy.Observation) {
	if o.At.Equal(w.last) {
		return // the same answer again is no second silence
	}
	until := w.sounds[w.last]
	switch o.Sighting {
	case songspy.SightingNothing:
		if w.silent.IsZero() {
			w.silent = o.At
		} else if o.At.Sub(w.silent) >= doubted || !o.At.Add(songspy.EndGrace).Before(until) {
			until = time.Time{}
		}
	case songspy.SightingPlaying:
		until = o.At.Add(o.Track.Duration() - o.Progress + songspy.EndGrace)
		if o.Progress < 0 {
			w.secrets[o.Track.URI] = true
			until = o.At.Add(max(o.Track.Duration(), songspy.UnboundedShown) + songspy.EndGrace)
		}
	case songspy.SightingPaused, songspy.SightingAdvertisement:
		until = time.Time{}
	}
	if o.Sighting != songspy.SightingNothing && o.Sighting != songspy.SightingUnreadable {
		w.silent = time.Time{}
	}
	if o.Sighting != songspy.SightingUnreadable {
		w.sounds[o.At], w.last = until, o.At
	}
}

// shows holds what viewers see to what was seen.
func (w *witness) shows(now time.Time) {
	s := w.shown
	if s.State != songspy.PlayerPlaying {
		return
	}
	if s.ShownUntil().After(w.sounds[s.ObservedAt].Add(jitter)) {
		w.fail("%s, seen at %.1f, is shown until %.1f", s.TrackURI, off(s.ObservedAt), off(s.ShownUntil()))
	}
	if now.Before(s.ShownUntil()) && (w.playing.State != s.State || w.playing.TrackURI != s.TrackURI) {
		w.fail("%s is shown at %.1f, which is over", s.TrackURI, off(now))
	}
}

// listenedTo requires that of no track more is claimed to have been seen sounding
// than sounded. In which of two plays it was seen may be a guess: a song that was
// left and begun anew between two looks looks like one that went on. What a fade
// leaves out may be claimed, once a play.
func (w *witness) listenedTo() {
	seen, really := map[string]time.Duration{}, map[string]time.Duration{}
	for _, k := range w.plays {
		if k.Play.Source == songspy.SourceLive {
			seen[k.Track.URI] += milliseconds(k.Play.ListenedMS-k.Play.InferredMS) - crossfade
		}
	}
	for _, s := range w.truth {
		really[s.track.URI] += s.listened()
	}
	for uri := range seen {
		if !w.secrets[uri] && seen[uri] > really[uri] { // of secret progress, what lies between two looks is taken to have sounded
			w.fail("%s: seen for %v, sounded for %v", uri, seen[uri], really[uri])
		}
	}
}

// apart requires that plays do not overlap, not even with the open one.
func (w *witness) apart() {
	for i, k := range w.plays {
		p := k.Play
		if p.EndedAt.Before(p.StartedAt) || p.ListenedMS > p.EndedAt.Sub(p.StartedAt).Milliseconds() {
			w.fail("%s from %.1f to %.1f claims %d ms", p.TrackURI, off(p.StartedAt), off(p.EndedAt), p.ListenedMS)
		}
		if i > 0 && p.StartedAt.Before(w.plays[i-1].Play.EndedAt) {
			w.fail("plays overlap at %.1f", off(p.StartedAt))
		}
		if w.playing.Open() && len(w.writing) == 0 && w.playing.StartedAt.Before(p.EndedAt) {
			w.fail("the open play since %.3f overlaps one until %.3f", off(w.playing.StartedAt), off(p.EndedAt))
		}
	}
}

// tells reports whether a kept play may tell of a span: it overlaps it, shares
// an edge with it, or is what history's own line of the span was made into. A
// span that was left at once may be told of too: where the next song happens to
// begin at its predicted end, it is taken as heard out until history tells
// otherwise. How many of these there are, make bench-capture counts.
func (w *witness) tells(p songspy.KeptPlay, s span) bool {
	if s.track.URI == "" || !sameTrack(p.Track, s.track) {
		return false
	}
	const apart = 3 * time.Minute
	from, to := p.Play.StartedAt, p.Play.EndedAt
	for _, l := range w.lines {
		if l.of.Equal(s.start) && l.PlayedAt.Equal(p.HeardAt) {
			return true
		}
	}
	return from.Before(s.end) && s.start.Before(to) || from.Sub(s.start).Abs() <= apart || to.Sub(s.end).Abs() <= apart ||
		from.Before(s.end.Add(s.linger)) && s.start.Before(to)
}

// pair pairs as many of n things with m others as can be, one to one: for each
// of the n the other, or -1.
func pair(n, m int, fit func(i, j int) bool) []int {
	of, pairs := slices.Repeat([]int{-1}, m), slices.Repeat([]int{-1}, n)
	var try func(i int, tried []bool) bool
	try = func(i int, tried []bool) bool {
		for j := range m {
			if tried[j] || !fit(i, j) {
				continue
			}
			tried[j] = true
			if of[j] < 0 || try(of[j], tried) {
				of[j], pairs[i] = i, j
				return true
			}
		}
		return false
	}
	for i := range n {
		if !try(i, make([]bool, m)) {
			pairs[i] = -1
		}
	}
	return pairs
}

// gaveWay reports whether a play was deleted, and too little is left of it to count.
func gaveWay(k songspy.KeptPlay) bool {
	return k.Play.DeletedAt != nil && !songspy.Counts(k.Play.ListenedMS, k.Track.DurationMS)
}

// claims reports whether a play is counted: a probable one is not, and neither is
// what was deleted and gave way.
func claims(k songspy.KeptPlay) bool { return !k.Play.Probable && !gaveWay(k) }

// spansOf are the spans that the kept plays tell of, each another one, or -1.
func (w *witness) spansOf() []int {
	return pair(len(w.plays), len(w.truth), func(j, i int) bool {
		return claims(w.plays[j]) && w.tells(w.plays[j], w.truth[i])
	})
}

// sightings counts the spans that were seen to sound for long enough, and those
// of them that a play of their own tells of.
func (w *witness) sightings() (seen, kept int) {
	var spans []int
	for i, progress := range w.seen {
		if slices.Max(progress)-slices.Min(progress) >= countable {
			spans = append(spans, i)
		}
	}
	for _, j := range pair(len(spans), len(w.plays), func(i, j int) bool { return w.tells(w.plays[j], w.truth[spans[i]]) }) {
		if j >= 0 {
			kept++
		}
	}
	return len(spans), kept
}

// unlisted counts the spans of unlisted sessions that polls made a play of, and
// those of them that a kept play still tells of: the silence of history about a
// whole session takes nothing. A track that is heard again nearby is left out: its
// plays may become one with a listed one.
func (w *witness) unlisted() (polled, kept int) {
	var spans []int
	for _, i := range pair(len(w.polled), len(w.truth), func(j, i int) bool { return w.truth[i].unlisted && w.tells(w.polled[j], w.truth[i]) }) {
		if i >= 0 && !w.heardAgain(i) && songspy.Counts(w.truth[i].listened().Milliseconds(), w.truth[i].track.DurationMS) {
			spans = append(spans, i)
		}
	}
	for _, j := range pair(len(spans), len(w.plays), func(i, j int) bool { return w.tells(w.plays[j], w.truth[spans[i]]) }) {
		if j >= 0 {
			kept++
		}
	}
	return len(spans), kept
}

// heardAgain reports whether the track of a span is heard again nearby.
func (w *witness) heardAgain(i int) bool {
	s := w.truth[i]
	return slices.ContainsFunc(w.truth, func(o span) bool {
		apart := later(s.start, o.start).Sub(earlier(s.end.Add(s.linger), o.end.Add(o.linger)))
		return !o.start.Equal(s.start) && sameTrack(o.track, s.track) && apart <= 2*lingers
	})
}

// TestADayIsKeptTruly holds a batch that fails in every way to what really
// happened, over looks and history together.
func TestADayIsKeptTruly(t *testing.T) {
	var listed, kept, seen, shown, unlisted, left int
	rapid.Check(t, func(t *rapid.T) {
		w := &witness{T: t, day: genDay(t), sounds: map[time.Time]time.Time{}, secrets: map[string]bool{}, seen: map[int][]time.Duration{}}
		w.live()
		w.listenedTo()
		told := map[int]bool{}
		for j, i := range w.spansOf() {
			p := w.plays[j].Play
			if i < 0 && claims(w.plays[j]) {
				w.fail("%s %.1f-%.1f was not played, or is counted twice", p.TrackURI, off(p.StartedAt), off(p.EndedAt))
			}
			told[i] = true
		}
		s, k := w.sightings()
		seen, shown = seen+s, shown+k
		s, k = w.unlisted()
		unlisted, left = unlisted+s, left+k
		for _, l := range w.lines {
			i := slices.IndexFunc(w.truth, func(s span) bool { return s.start.Equal(l.of) })
			listed++
			if told[i] || slices.ContainsFunc(w.plays, func(k songspy.KeptPlay) bool { return k.HeardAt.Equal(l.PlayedAt) }) {
				kept++
			}
		}
	})
	if float64(kept) < 0.99*float64(listed) {
		t.Errorf("of %d plays that history lists %d are kept", listed, kept)
	}
	if float64(shown) < 0.99*float64(seen) {
		t.Errorf("of %d plays that were seen for %v %d are kept", seen, countable, shown)
	}
	if float64(left) < 0.99*float64(unlisted) {
		t.Errorf("of %d plays of unlisted sessions that polls made %d are kept", unlisted, left)
	}
	t.Logf("of %d plays of unlisted sessions that polls made %d are kept", unlisted, left)
	t.Logf("of %d plays that history lists %d are kept; of %d that were seen for %v, %d", listed, kept, seen, countable, shown)
}

// someLooks are a planner's looks at a day, some of them spoilt.
func someLooks(t *rapid.T, d day) (seen []songspy.Observation) {
	var n songspy.NowPlaying
	for now := base.Add(-time.Minute); now.Before(d.truth[len(d.truth)-1].end.Add(10 * time.Minute)); {
		o := d.look(now)
		n = Step(n, o).State
		seen = append(seen, o)
		now = NextLook(n, o.Sighting, now, 0, floorOfDay).At
	}
	for range rapid.IntRange(0, 4).Draw(t, "spoilt") {
		o := &seen[rapid.IntRange(0, len(seen)-1).Draw(t, "which")]
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			o.Sighting = songspy.SightingNothing
		case 1:
			o.Sighting = songspy.SightingUnreadable
		case 2:
			o.Progress = songspy.UnknownProgress
		}
	}
	return seen
}

// TestABatchThatIsStoppedAnywhereKeepsTheSame makes the same looks and asks the
// same of history, with and without another process taking over in between,
// where that takes over all that was known: of an idle player the time of the
// last look is not written.
func TestABatchThatIsStoppedAnywhereKeepsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDay(t)
		seen := someLooks(t, d)
		stops, asks := rapid.IntRange(0, len(seen)-1).Draw(t, "stops"), rapid.IntRange(6, 40).Draw(t, "asks")
		run := func(stopping bool) disk {
			var b batch
			for i, o := range seen {
				b.look(o)
				if whole := b.playing.Open() || !b.unsaved; stopping && i >= stops && whole {
					b.stop()
					b.start(o.At)
				}
				b.write(len(b.writing))
				if i%asks == 0 {
					b.ask(d, o.At, time.Time{})
				}
			}
			return b.disk
		}
		once, again := run(false), run(true)
		if !reflect.DeepEqual(once.plays, again.plays) || !reflect.DeepEqual(once.told, again.told) {
			t.Fatalf("kept %+v\nand, stopped, %+v", once.plays, again.plays)
		}
	})
}
