package reconcile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// The checker has its own constants for these two values. If it used those of the tested code, it
// would not notice a wrong one.
const (
	// endTolerance is how much earlier or later than predicted a track may end.
	endTolerance = 15 * time.Second
	// idleConfirmAfter is how long the poller doubts idle answers, and keeps the play open, if they come
	// before the predicted end of the track, or if that end is unknown.
	idleConfirmAfter = 45 * time.Second
)

// dayChecker runs the model of a batch through a day and checks every result.
type dayChecker struct {
	*rapid.T
	day
	pollerModel
	log          strings.Builder
	falseIdle    bool                    // the last usable answer was a false idle answer
	idleSince    time.Time               // the first idle answer since an answer showed anything else; zero if the last usable answer was not idle
	idleWait     time.Duration           // how much later than planned an idle player is polled, as under a small quota
	playingUntil map[time.Time]time.Time // for the time of each poll: until when the board (the live list) may show the polled track as playing
	lastPoll     time.Time               // the time of the last usable answer
	hidden       map[string]bool         // the URIs of tracks that a poll saw without their progress
	seenProgress map[int][]time.Duration // for the index of each span (part of the timeline): the progress at which polls saw its track play, divided by the speed if that is above 1
	polledPlays  []songspy.StoredPlay    // the plays that polls produced, before history changed them
}

func (w *dayChecker) note(format string, args ...any) { fmt.Fprintf(&w.log, format+"\n", args...) }

// run polls and fetches history from the start to the end of the day, with random failures.
func (w *dayChecker) run() {
	end := w.timeline[len(w.timeline)-1].End.Add(10 * time.Minute)
	now := base.Add(-time.Minute + 456*time.Microsecond)                     // Spotify's times are in milliseconds, those of polls in microseconds
	for w.edgeIsKnown && now.Before(w.timeline[3].Start.Add(-time.Minute)) { // no failures during the plays that show the edge (start or end)
		o := w.timeline.Poll(now)
		w.checkPoll(w.poll(o), o)
		w.write(len(w.pendingWrites))
		now = playback.NextPoll(w.playing, o.Kind, now, 0, dayInterval).At
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

// step makes one poll, or fails to make it. Then it fetches history if a fetch is due before the
// next poll. It returns the time of the next poll.
func (w *dayChecker) step(now time.Time) time.Time {
	o := w.timeline.Poll(now)
	fault := rapid.IntRange(0, 79).Draw(w.T, "fault")
	if fault == 0 && (o.Kind != songspy.ObservedPlaying || w.falseIdle && !w.doubtsIdle(now)) { // false idle answers come only during playback, and in a row only while the poller doubts them
		fault = 1
	}
	noAnswer := fault == 1 || fault >= 3 && fault <= 6 // no usable answer
	w.falseIdle = fault == 0 || noAnswer && w.falseIdle
	wait, times := time.Duration(0), 1
	switch fault {
	case 0:
		o = songspy.Observation{Kind: songspy.ObservedIdle, At: now}
	case 1:
		o = songspy.Observation{Kind: songspy.ObservedUnreadable, At: now}
	case 2:
		if o.Kind == songspy.ObservedPlaying && w.spanAt(now) >= 0 { // not after the end of a span, where only the progress shows that the track has ended
			o.Progress = songspy.UnknownProgress
		}
	case 3: // the poll failed
		times = 0
	case 4: // the circuit breaker is open
		times, wait = 0, seconds(w.T, 60, 3000)
	case 5: // the process is killed after it wrote some of the pending updates
		times, wait = 0, seconds(w.T, 0, 900)
		w.write(rapid.IntRange(0, len(w.pendingWrites)).Draw(w.T, "written"))
		w.start(now)
		w.note("%.1f killed", secondsIn(now))
	case 6: // the process stops in order
		times, wait = 0, seconds(w.T, 0, 20)
		w.stop()
		w.start(now)
		w.note("%.1f stopped", secondsIn(now))
	case 7:
		times = 2
	case 8: // the quota allows fewer polls
		wait = seconds(w.T, 60, 900)
	case 9:
		w.deletePlay()
	}
	for range times {
		w.checkPoll(w.poll(o), o)
	}
	if fault != 10 && len(w.pendingWrites) > 0 { // with fault 10 the database is slow, so the updates stay pending
		w.write(len(w.pendingWrites))
	}
	if len(w.pendingWrites) == 0 {
		w.checkShown(now)
	}
	next := now.Add(dayInterval)
	if times > 0 {
		next = playback.NextPoll(w.playing, o.Kind, now, 0, dayInterval).At
	}
	if next = next.Add(wait); !w.playing.IsOpen() {
		next = next.Add(w.idleWait)
	}
	fetch := w.historyState.NextFetch()
	switch {
	case fault == 11:
		w.checkHistory(now.Add(time.Millisecond), now.Add(-seconds(w.T, 0, 7200)))
	case fault != 4 && fetch.At.Before(next):
		w.checkHistory(instant.Later(fetch.At, now), w.historyState.FetchFrom(fetch.Reason))
	}
	return next
}

// spanAt returns the index of the span that contains the time at, or -1 if no span does.
func (w *dayChecker) spanAt(at time.Time) int {
	return slices.IndexFunc(w.timeline, func(s span) bool { return !at.Before(s.Start) && at.Before(s.End) })
}

// doubtsIdle reports whether the poller, after an idle answer, would still doubt another one now and
// keep the play open.
func (w *dayChecker) doubtsIdle(now time.Time) bool {
	n := w.playing
	return n.IdleSince != nil && now.Sub(*n.IdleSince) < idleConfirmAfter && n.State == songspy.PlayerPlaying && (n.EndsAt == nil || now.Before(*n.EndsAt))
}

// deletePlay deletes a stored play, as its user may.
func (w *dayChecker) deletePlay() {
	if len(w.plays) > 0 {
		i := rapid.IntRange(0, len(w.plays)-1).Draw(w.T, "deleted")
		gone := base
		w.plays[i].Play.DeletedAt = &gone
	}
}

// checkHistory fetches history twice at the time now, and checks that the second, equal answer changes
// nothing. It requests the items that are later than the time after.
func (w *dayChecker) checkHistory(now, after time.Time) {
	r := w.fetchHistory(w.day, now, after)
	w.note("%.1f history: confirmed %d, added %d, removed %d, unmatched %d, pending %d; settled until %.1f", secondsIn(now),
		len(r.Confirmed), len(r.Added), len(r.Removed), len(r.Unmatched), r.Pending, secondsIn(playback.SettledUntil(w.playing)))
	if again := w.fetchHistory(w.day, now, after); !again.IsEmpty() {
		w.fail("the same answer again changes %+v", again)
	}
	w.checkOverlap()
}

// checkPoll passes the answer to checkBoard. It also records what the poll saw and which plays it
// ended, for the checks at the end of the day and for the message of a failed test.
func (w *dayChecker) checkPoll(out playback.StepResult, o songspy.Observation) {
	w.checkBoard(o)
	if o.Kind == songspy.ObservedPlaying && o.Progress >= 0 {
		if i := w.spanAt(o.At); i >= 0 && o.Progress == w.timeline[i].ReportedProgress(o.At) {
			w.seenProgress[i] = append(w.seenProgress[i], time.Duration(float64(o.Progress)/max(1, w.timeline[i].Speed)))
		}
	}
	for _, p := range out.Plays {
		w.polledPlays = append(w.polledPlays, songspy.StoredPlay{Play: p, Track: trackOf(p.TrackURI)})
	}
	if len(out.Plays) == 0 && !out.MustSave {
		return
	}
	w.note("%.1f %s %s at %.1f: %d plays; open %s since %.1f, other seen at %.1f, listened %d", secondsIn(o.At), o.Kind, o.Track.URI, o.Progress.Seconds(), len(out.Plays),
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
		fmt.Fprintf(&b, "stored %s %.1f-%.1f listened %d inferred %d %s provisional %t, played at %.1f\n", p.TrackURI, secondsIn(p.StartedAt), secondsIn(p.EndedAt), p.ListenedMS/1000, p.InferredMS/1000, p.Source, p.Provisional, secondsIn(k.PlayedAt))
	}
	return b.String()
}

// checkBoard computes until when the board may show the track of a poll as playing, and stores
// it in playingUntil: not after a poll saw that the track ended, and not for longer than the
// rest of the track lasts. checkShown compares the board with this time.
func (w *dayChecker) checkBoard(o songspy.Observation) {
	if o.At.Equal(w.lastPoll) {
		return // the same answer, processed twice, is not a second idle answer
	}
	until := w.playingUntil[w.lastPoll]
	switch o.Kind {
	case songspy.ObservedIdle:
		if w.idleSince.IsZero() {
			w.idleSince = o.At
		} else if o.At.Sub(w.idleSince) >= idleConfirmAfter || !o.At.Add(songspy.EndGrace).Before(until) {
			until = time.Time{}
		}
	case songspy.ObservedPlaying:
		until = o.At.Add(w.longest(o.Track.Duration()-o.Progress, o.Track) + songspy.EndGrace)
		if o.Progress < 0 {
			w.hidden[o.Track.URI] = true
			until = o.At.Add(max(w.longest(o.Track.Duration(), o.Track), songspy.UnknownEndShownFor) + songspy.EndGrace)
		}
		// After an answer with a progress that cannot be right, the poller may doubt the answer. Then
		// the board keeps the previous track.
		if i := w.spanAt(o.At); i > 0 && w.timeline.IsMixedAt(i, o.At) || w.oddPlayers && o.Progress > o.Track.Duration() {
			until = instant.Later(until, w.playingUntil[w.lastPoll])
		}
	case songspy.ObservedPaused, songspy.ObservedAdvertisement:
		until = time.Time{}
	}
	if o.Kind != songspy.ObservedIdle && o.Kind != songspy.ObservedUnreadable {
		w.idleSince = time.Time{}
	}
	if o.Kind != songspy.ObservedUnreadable {
		w.playingUntil[o.At], w.lastPoll = until, o.At
	}
}

// longest returns the longest time that a player may need for the given rest of a track. With odd
// players, speech may run at about half the speed, and may be longer than its reported length.
func (w *dayChecker) longest(rest time.Duration, track songspy.Track) time.Duration {
	switch {
	case !w.oddPlayers || !songspy.IsSpeech(track.URI):
		return rest
	case rest <= 0:
		return songspy.UnknownEndShownFor
	}
	return rest * 21 / 10
}

// checkShown checks what viewers see now. A track must not be shown as playing for longer than
// checkBoard allows, nor if the poller knows that it is over.
func (w *dayChecker) checkShown(now time.Time) {
	s := w.shown
	if s.State != songspy.PlayerPlaying {
		return
	}
	if until := s.ShownUntil(); until.After(s.ObservedAt) && until.After(w.playingUntil[s.ObservedAt].Add(jitter)) {
		w.fail("%s, seen at %.1f, is shown until %.1f", s.TrackURI, secondsIn(s.ObservedAt), secondsIn(s.ShownUntil()))
	}
	if now.Before(s.ShownUntil()) && (w.playing.State != s.State || w.playing.TrackURI != s.TrackURI) {
		w.fail("%s is shown at %.1f, which is over", s.TrackURI, secondsIn(now))
	}
}

// checkListened checks that the stored plays of a track do not have more observed listening
// time than the track really played. It compares the sums of all plays of a track, because
// the time may be counted for the wrong one of two plays: to polls, a track that was left and
// restarted between two polls looks like a track that played on. Each play may have
// endTolerance more, because tracks may fade into each other.
func (w *dayChecker) checkListened() {
	seen, really := map[string]time.Duration{}, map[string]time.Duration{}
	for _, k := range w.plays {
		if k.Play.Source == songspy.SourceLive {
			seen[k.Track.URI] += instant.Milliseconds(k.Play.ListenedMS-k.Play.InferredMS) - endTolerance
		}
	}
	for _, s := range w.timeline {
		really[s.Track.URI] += listenedIn(s)
	}
	for uri := range seen {
		if !w.hidden[uri] && seen[uri] > really[uri] { // without progress, the time between two polls counts as played
			w.fail("%s: observed for %v, played for %v", uri, seen[uri], really[uri])
		}
	}
}

// checkOverlap checks that plays do not overlap each other or the open play, and that no play ends
// before it starts or has more listening time than it lasts.
func (w *dayChecker) checkOverlap() {
	for i, k := range w.plays {
		p := k.Play
		if p.EndedAt.Before(p.StartedAt) || p.ListenedMS > p.EndedAt.Sub(p.StartedAt).Milliseconds() {
			w.fail("%s from %.1f to %.1f claims %d ms", p.TrackURI, secondsIn(p.StartedAt), secondsIn(p.EndedAt), p.ListenedMS)
		}
		if i > 0 && p.StartedAt.Before(w.plays[i-1].Play.EndedAt) {
			w.fail("plays overlap at %.1f", secondsIn(p.StartedAt))
		}
		if w.playing.IsOpen() && len(w.pendingWrites) == 0 && w.playing.StartedAt.Before(p.EndedAt) {
			w.fail("the open play since %.3f overlaps one until %.3f", secondsIn(w.playing.StartedAt), secondsIn(p.EndedAt))
		}
	}
}

// mayMatch reports whether p may be the stored play of span s. Both must have the same
// recording. In addition, p must overlap the span or the pause after it, start within three
// minutes of its start, end within three minutes of its end, or have its history item. A
// track that was left at once may have a stored play, too: if the next track happens to
// begin at the predicted end of the first, polls cannot tell it from a track that was played to
// its end. "make bench-capture" counts such plays.
func (w *dayChecker) mayMatch(p songspy.StoredPlay, s span) bool {
	if s.Track.URI == "" || !isSameRecording(p.Track, s.Track) {
		return false
	}
	const apart = 3 * time.Minute
	from, to := p.Play.StartedAt, p.Play.EndedAt
	for _, l := range w.historyLines {
		if l.spanStart.Equal(s.Start) && l.PlayedAt.Equal(p.PlayedAt) {
			return true
		}
	}
	return from.Before(s.End) && s.Start.Before(to) || from.Sub(s.Start).Abs() <= apart || to.Sub(s.End).Abs() <= apart ||
		from.Before(s.End.Add(s.PausedAfter)) && s.Start.Before(to)
}

// pairUp computes a maximum bipartite matching: it pairs as many as possible of n things
// with m partners, one to one. fit reports whether thing i and partner j may be a pair.
// pairUp returns for each of the n things the index of its partner, or -1 if it has none.
func pairUp(n, m int, fit func(i, j int) bool) []int {
	of, pairs := slices.Repeat([]int{-1}, m), slices.Repeat([]int{-1}, n)
	var trial func(i int, tried []bool) bool
	trial = func(i int, tried []bool) bool {
		for j := range m {
			if tried[j] || !fit(i, j) {
				continue
			}
			tried[j] = true
			if of[j] < 0 || trial(of[j], tried) {
				of[j], pairs[i] = i, j
				return true
			}
		}
		return false
	}
	for i := range n {
		if !trial(i, make([]bool, m)) {
			pairs[i] = -1
		}
	}
	return pairs
}

// isEmptied reports whether a play was deleted by its user and now has too little listening
// time to count, as after a merge with another play.
func isEmptied(k songspy.StoredPlay) bool {
	return k.Play.DeletedAt != nil && !songspy.IsCounted(k.Play.ListenedMS, k.Track.DurationMS)
}

// isCountedPlay reports whether a play counts: probable and emptied plays do not.
func isCountedPlay(k songspy.StoredPlay) bool { return !k.Play.Probable && !isEmptied(k) }

// matchedSpans pairs the stored plays that count with the spans that they may come from, one
// to one. It returns for each stored play the index of its span, or -1 if it has none.
func (w *dayChecker) matchedSpans() []int {
	return pairUp(len(w.plays), len(w.timeline), func(j, i int) bool {
		return isCountedPlay(w.plays[j]) && w.mayMatch(w.plays[j], w.timeline[i])
	})
}

// countObserved returns how many spans polls proved, that is, in how many spans polls saw at
// least HistoryPlayMin of progress, and how many of these have a stored play of their own.
// With odd players it skips speech that was played again nearby, because that looks like
// seeking back.
func (w *dayChecker) countObserved() (seen, stored int) {
	var spans []int
	for i, progress := range w.seenProgress {
		again := w.oddPlayers && songspy.IsSpeech(w.timeline[i].Track.URI) && w.isPlayedAgain(i)
		if !again && slices.Max(progress)-slices.Min(progress) >= songspy.HistoryPlayMin {
			spans = append(spans, i)
		}
	}
	for _, j := range pairUp(len(spans), len(w.plays), func(i, j int) bool { return w.mayMatch(w.plays[j], w.timeline[spans[i]]) }) {
		if j >= 0 {
			stored++
		}
	}
	return len(spans), stored
}

// countUnlisted returns how many plays of unlisted sessions polls produced, and how many of
// these are still stored: history must not remove a play of a session that it does not list.
// It skips plays that are too short to count, and tracks that were played again nearby,
// because their plays may be merged.
func (w *dayChecker) countUnlisted() (polled, stored int) {
	var spans []int
	for _, i := range pairUp(len(w.polledPlays), len(w.timeline), func(j, i int) bool { return w.timeline[i].Unlisted && w.mayMatch(w.polledPlays[j], w.timeline[i]) }) {
		if i >= 0 && !w.isPlayedAgain(i) && songspy.IsCounted(listenedIn(w.timeline[i]).Milliseconds(), w.timeline[i].Track.DurationMS) {
			spans = append(spans, i)
		}
	}
	for _, j := range pairUp(len(spans), len(w.plays), func(i, j int) bool { return w.mayMatch(w.plays[j], w.timeline[spans[i]]) }) {
		if j >= 0 {
			stored++
		}
	}
	return len(spans), stored
}

// isPlayedAgain reports whether another span within twice pausedShownMax of span i, before or after
// it, has the same track.
func (w *dayChecker) isPlayedAgain(i int) bool {
	s := w.timeline[i]
	return slices.ContainsFunc(w.timeline, func(o span) bool {
		apart := instant.Later(s.Start, o.Start).Sub(instant.Earlier(s.End.Add(s.PausedAfter), o.End.Add(o.PausedAfter)))
		return !o.Start.Equal(s.Start) && isSameRecording(o.Track, s.Track) && apart <= 2*pausedShownMax
	})
}

// dayCounts sums over many days: the stored plays that count (counted), and those of them that were
// not played or that count twice (notPlayed); the plays that history lists, that polls observed, and
// that polls saw in unlisted sessions, each with how many of them are stored.
type dayCounts struct{ counted, notPlayed, listed, listedStored, observed, observedStored, unlisted, unlistedStored int }

// checkDay runs the model of a batch, with random failures, through a random day. It compares the
// stored plays with what was really played, and adds the numbers of plays to counts.
func checkDay(t *rapid.T, oddPlayers bool, counts *dayCounts) {
	w := &dayChecker{T: t, day: genDay(t, oddPlayers), idleWait: time.Duration(rapid.SampledFrom([]int{0, 0, 0, 7}).Draw(t, "idle polls are minutes later")) * time.Minute, playingUntil: map[time.Time]time.Time{}, hidden: map[string]bool{}, seenProgress: map[int][]time.Duration{}}
	w.run()
	if !oddPlayers {
		w.checkListened()
	}
	reported := map[int]bool{}
	for j, i := range w.matchedSpans() {
		p := w.plays[j].Play
		if isCountedPlay(w.plays[j]) {
			counts.counted++
			if i < 0 {
				counts.notPlayed++
			}
			if i < 0 && !oddPlayers {
				w.fail("%s %.1f-%.1f was not played, or counts twice", p.TrackURI, secondsIn(p.StartedAt), secondsIn(p.EndedAt))
			}
		}
		reported[i] = true
	}
	seen, stored := w.countObserved()
	counts.observed, counts.observedStored = counts.observed+seen, counts.observedStored+stored
	seen, stored = w.countUnlisted()
	counts.unlisted, counts.unlistedStored = counts.unlisted+seen, counts.unlistedStored+stored
	for _, l := range w.historyLines {
		i := slices.IndexFunc(w.timeline, func(s span) bool { return s.Start.Equal(l.spanStart) })
		counts.listed++
		if reported[i] || slices.ContainsFunc(w.plays, func(k songspy.StoredPlay) bool { return k.PlayedAt.Equal(l.PlayedAt) }) {
			counts.listedStored++
		}
	}
}

func (c dayCounts) check(t *testing.T) {
	if float64(c.notPlayed) > 0.001*float64(c.counted) {
		t.Errorf("of %d counted plays, %d were not played, or count twice", c.counted, c.notPlayed)
	}
	if float64(c.listedStored) < 0.99*float64(c.listed) {
		t.Errorf("of %d plays that history lists, %d are stored", c.listed, c.listedStored)
	}
	if float64(c.observedStored) < 0.99*float64(c.observed) {
		t.Errorf("of %d plays that polls observed for %v, %d are stored", c.observed, songspy.HistoryPlayMin, c.observedStored)
	}
	if float64(c.unlistedStored) < 0.99*float64(c.unlisted) {
		t.Errorf("of %d plays of unlisted sessions, %d are stored", c.unlisted, c.unlistedStored)
	}
	t.Logf("%+v", c)
}

func TestDay_IsStoredAsPlayed(t *testing.T) {
	var counts dayCounts
	rapid.Check(t, func(t *rapid.T) { checkDay(t, false, &counts) })
	counts.check(t)
}

// TestDay_OfOddPlayersIsStoredAsPlayed has players that stall, run on after the end of a track, play
// speech faster or slower, or show a new track with the progress of the previous one. Polls do not
// always show what such players played, so up to one in a thousand counted plays may be wrong.
func TestDay_OfOddPlayersIsStoredAsPlayed(t *testing.T) {
	var counts dayCounts
	rapid.Check(t, func(t *rapid.T) { checkDay(t, true, &counts) })
	counts.check(t)
}

// somePolls returns the answers to the polls of a day, which are planned as the poller plans them. Up
// to four answers are changed to an idle or an unreadable one, or to one without progress.
func somePolls(t *rapid.T, d day) (seen []songspy.Observation) {
	var n songspy.NowPlaying
	for now := base.Add(-time.Minute); now.Before(d.timeline[len(d.timeline)-1].End.Add(10 * time.Minute)); {
		o := d.timeline.Poll(now)
		n = playback.Step(n, o).State
		seen = append(seen, o)
		now = playback.NextPoll(n, o.Kind, now, 0, dayInterval).At
	}
	for range rapid.IntRange(0, 4).Draw(t, "spoilt") {
		o := &seen[rapid.IntRange(0, len(seen)-1).Draw(t, "which")]
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			o.Kind = songspy.ObservedIdle
		case 1:
			o.Kind = songspy.ObservedUnreadable
		case 2:
			o.Progress = songspy.UnknownProgress
		}
	}
	return seen
}

// TestDay_RestartAnywhereStoresTheSame processes the same answers and history fetches twice: in one
// process, and with a new process after each answer from some answer on. Both runs must store the
// same plays. The process is not replaced while the state of an idle player is unsaved: that state,
// with the time of the last idle answer, is not written, so the next process could not know it.
func TestDay_RestartAnywhereStoresTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDay(t, false)
		seen := somePolls(t, d)
		stops, asks := rapid.IntRange(0, len(seen)-1).Draw(t, "stops"), rapid.IntRange(6, 40).Draw(t, "asks")
		run := func(stopping bool) storeModel {
			var b pollerModel
			for i, o := range seen {
				b.poll(o)
				if whole := b.playing.IsOpen() || !b.unsaved; stopping && i >= stops && whole {
					b.stop()
					b.start(o.At)
				}
				b.write(len(b.pendingWrites))
				if i%asks == 0 {
					b.fetchHistory(d, o.At, time.Time{})
				}
			}
			return b.storeModel
		}
		once, again := run(false), run(true)
		if !reflect.DeepEqual(once.plays, again.plays) || !reflect.DeepEqual(once.processedAt, again.processedAt) {
			t.Fatalf("stored %+v\nand with a restart %+v", once.plays, again.plays)
		}
	})
}
