package playback

import (
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
	"github.com/songspy/songspy/songspy-domain/playback/playbacktest"
)

func TestMain(m *testing.M) {
	playbacktest.SetChecks()
	os.Exit(m.Run())
}

func genTimeline(t *rapid.T) timeline {
	var tr timeline
	now := base
	for i := range rapid.IntRange(1, 12).Draw(t, "spans") {
		s := span{Start: now}
		switch rapid.IntRange(0, 9).Draw(t, fmt.Sprint("kind", i)) {
		case 0:
			s.End = now.Add(seconds(t, 20, 2000))
		case 1:
			s.Ad, s.End = true, now.Add(seconds(t, 15, 30))
		default:
			n := rapid.IntRange(1, 4).Draw(t, "track")
			length := time.Duration(60+n*47) * time.Second
			s.Track = songspy.Track{URI: fmt.Sprint("spotify:track:", n), DurationMS: length.Milliseconds()}
			s.End = now.Add(length)
			switch rapid.IntRange(0, 9).Draw(t, "way") {
			case 0, 1:
				s.End = now.Add(seconds(t, 2, 50)) // skipped
			case 2:
				// At most 85 s, because the shortest track is 107 s long, and a pause of nearly the
				// track's length between two polls looks like a restart of the track.
				s.PauseAt, s.Pause = now.Add(seconds(t, 2, 50)), seconds(t, 5, 85)
				s.End = s.End.Add(s.Pause)
			}
		}
		tr = append(tr, s)
		now = s.End
	}
	return tr
}

// genPollTimes draws the times of polls. Two polls in a row are at most one interval of
// three minutes apart.
func genPollTimes(t *rapid.T, until time.Time) []time.Time {
	var polls []time.Time
	for now := base.Add(-time.Minute); now.Before(until.Add(10 * time.Minute)); {
		polls = append(polls, now)
		now = now.Add(seconds(t, 1, 180))
	}
	return polls
}

// observeAll polls a timeline with faults: false idle answers, unreadable answers,
// answers without progress, and repeated answers. It draws at most one false idle answer
// between two true answers. TestStep_FalseIdleAnswersSplitNoPlay draws several.
func observeAll(t *rapid.T, tr timeline, polls []time.Time) []songspy.Observation {
	var out []songspy.Observation
	falseIdle := false
	for _, when := range polls {
		o := tr.Poll(when)
		fault := rapid.IntRange(0, 49).Draw(t, "fault")
		if fault == 0 && falseIdle {
			fault = 1
		}
		falseIdle = fault == 0 || fault == 1 && falseIdle
		switch fault {
		case 0:
			o = songspy.Observation{Kind: songspy.ObservedIdle, At: when}
		case 1:
			o = songspy.Observation{Kind: songspy.ObservedUnreadable, At: when}
		case 2:
			if o.Kind == songspy.ObservedPlaying {
				o.Progress = songspy.UnknownProgress
			}
		case 3:
			out = append(out, o)
		}
		out = append(out, o)
	}
	return out
}

// coincides reports whether a later span begins by chance at the time at which an earlier
// track would have ended, or would have ended again if it were repeated. Polls cannot tell
// such a track from one that was played to its end.
func coincides(tr timeline) bool {
	for i, s := range tr {
		length := s.Track.Duration()
		if length == 0 {
			continue
		}
		for _, next := range tr[i+1:] {
			if next.Start.Equal(s.End) && s.End.Sub(s.Start) >= length {
				continue // played to its end
			}
			// A pause in the next track shifts the start that its observations imply.
			for _, start := range []time.Time{next.Start, next.Start.Add(next.Pause)} {
				since := start.Sub(s.Start.Add(s.Pause))
				if distance := (since+length/2)%length - length/2; distance.Abs() <= endTolerance+jitter {
					return true
				}
			}
		}
	}
	return false
}

func TestStep_Invariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := genTimeline(t)
		if coincides(tr) {
			t.Skip("a coincidence that no poll can recognise")
		}
		seen := observeAll(t, tr, genPollTimes(t, tr[len(tr)-1].End))
		var n songspy.NowPlaying
		var plays []songspy.Play
		for _, o := range seen {
			out := Step(n, o)
			if again := Step(out.State, o); len(again.Plays) > 0 || again.Visible || again.MustSave {
				t.Fatalf("a repeated answer changed something: %+v", again)
			}
			n = out.State
			plays = append(plays, out.Plays...)
			if n.IsOpen() && n.StartedAt.After(o.At) {
				t.Fatalf("the open play starts at %v, after the poll at %v", n.StartedAt, o.At)
			}
		}
		listened := map[string]time.Duration{}
		for i, p := range plays {
			if p.EndedAt.Before(p.StartedAt) || p.ListenedMS > p.EndedAt.Sub(p.StartedAt).Milliseconds() {
				t.Fatalf("play %d from %v to %v claims %d ms", i, p.StartedAt, p.EndedAt, p.ListenedMS)
			}
			if i > 0 && p.StartedAt.Before(plays[i-1].EndedAt) {
				t.Fatalf("plays overlap\n%s", describe(tr, seen, plays))
			}
			if p.Probable { // its inferred time is not proven
				listened[p.TrackURI] -= time.Duration(p.InferredMS) * time.Millisecond
			}
			listened[p.TrackURI] += time.Duration(p.ListenedMS) * time.Millisecond
		}
		really := map[string]time.Duration{}
		for _, s := range tr {
			really[s.Track.URI] += s.End.Sub(s.Start) - s.Pause
		}
		for uri, claimed := range listened {
			if claimed > really[uri]+jitter*time.Duration(len(tr)+len(plays)) {
				t.Fatalf("%s: %v claimed, %v played\n%s", uri, claimed, really[uri], describe(tr, seen, plays))
			}
		}
	})
}

// pollAsPlanned polls a timeline as NextPoll plans, from a minute before it begins. It
// returns the finished plays and the times of the polls.
func pollAsPlanned(t *rapid.T, tr timeline, phase, interval time.Duration) (plays []songspy.Play, polls []time.Time) {
	var n songspy.NowPlaying
	end := tr[len(tr)-1].End.Add(10 * time.Minute)
	for now := base.Add(-time.Minute); now.Before(end); {
		polls = append(polls, now)
		o := tr.Poll(now)
		out := Step(n, o)
		n = out.State
		plays = append(plays, out.Plays...)
		next := NextPoll(n, o.Kind, now, phase, interval)
		if wait := next.At.Sub(now); wait <= 0 || wait > interval {
			t.Fatalf("the next poll is %v away (%s)", wait, next.Reason)
		}
		now = next.At
	}
	return plays, polls
}

// lastSeenTrack returns the URI of the track that polls before the given time showed
// last; empty if they showed none.
func lastSeenTrack(tr timeline, polls []time.Time, when time.Time) (uri string) {
	for _, l := range polls {
		if o := tr.Poll(l); l.Before(when) && o.Track.URI != "" {
			uri = o.Track.URI
		}
	}
	return uri
}

func TestStep_TrackPlayedToEndIsOnePlay(t *testing.T) {
	const interval = 3 * time.Minute
	rapid.Check(t, func(t *rapid.T) {
		tr := genTimeline(t)
		plays, polls := pollAsPlanned(t, tr, seconds(t, 0, 179), interval)
		for i, s := range tr[:len(tr)-1] {
			if s.Track.URI == "" || s.Pause > 0 || s.End.Sub(s.Start) < s.Track.Duration() {
				continue
			}
			seen := false
			for _, l := range polls {
				seen = seen || l.After(s.Start) && l.Before(s.End)
			}
			next := tr[i+1]
			seenNext := false
			for _, l := range polls {
				seenNext = seenNext || l.After(next.Start) && l.Before(next.End) && l.Before(s.End.Add(2*nextTrackDelay))
			}
			// Polls prove the start of the play only if they showed another track before.
			// If they showed the same track, the earlier play may only have been paused.
			if !seen || !seenNext || next.Track.URI == "" || lastSeenTrack(tr, polls, s.Start) == s.Track.URI {
				continue
			}
			found := 0
			for _, p := range plays {
				if p.TrackURI == s.Track.URI && p.StartedAt.Sub(s.Start).Abs() <= jitter {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("%s from %v to %v counts %d times\nplays %+v\npolls %v", s.Track.URI, s.Start, s.End, found, plays, polls)
			}
		}
	})
}

// genTime draws a time at most 2,000 s before or after base, in whole microseconds, and
// sometimes the zero time.
func genTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 19).Draw(t, name+" missing") == 0 {
		return time.Time{}
	}
	return base.Add(time.Duration(rapid.Int64Range(-2e9, 2e9).Draw(t, name)) * time.Microsecond)
}

func genTimeOrNil(t *rapid.T, name string) *time.Time {
	if rapid.Bool().Draw(t, name+" there") {
		when := genTime(t, name)
		return &when
	}
	return nil
}

// genLength draws lengths and progress in milliseconds: songs, very short tracks,
// podcasts of up to a day or of 115 days, zero, and invalid values.
func genLength(t *rapid.T, name string) int64 {
	return rapid.OneOf(
		rapid.SampledFrom([]int64{-1, 0, 1, 29_999, 30_000, 200_000, 1e10}),
		rapid.Int64Range(-10_000, 400_000), rapid.Int64Range(0, 5_000), rapid.Int64Range(0, 1e8),
	).Draw(t, name)
}

// genSpeed draws speeds in thousandths of the normal speed, and invalid values.
func genSpeed(t *rapid.T, name string) int32 {
	return rapid.OneOf(rapid.Just[int32](0), rapid.Int32Range(400, 4000), rapid.Int32()).Draw(t, name)
}

func genURI(t *rapid.T) string {
	return rapid.SampledFrom([]string{"spotify:track:a", "spotify:track:a", "spotify:track:b", "spotify:episode:e", "spotify:chapter:c", ""}).Draw(t, "uri")
}

// genState draws any row that the table now_playing may hold, including invalid ones.
func genState(t *rapid.T) songspy.NowPlaying {
	if rapid.Bool().Draw(t, "new") {
		return songspy.NowPlaying{}
	}
	return songspy.NowPlaying{
		State:    rapid.SampledFrom([]songspy.PlayerState{"", songspy.PlayerIdle, songspy.PlayerPlaying, songspy.PlayerPaused}).Draw(t, "state"),
		TrackURI: genURI(t), DurationMS: genLength(t, "duration"), StartedAt: genTime(t, "started"), ObservedAt: genTime(t, "observed"),
		SeenAt: genTime(t, "seen"), ProgressMS: genLength(t, "progress"), ListenedMS: genLength(t, "listened"), PausedMS: genLength(t, "paused"),
		PausedSince: genTimeOrNil(t, "paused since"), IdleSince: genTimeOrNil(t, "nothing since"), OtherSeenAt: genTime(t, "elsewhere"),
		EndsAt: genTimeOrNil(t, "ends"), Provisional: rapid.Bool().Draw(t, "provisional"), Skips: rapid.Int16().Draw(t, "skips"),
		OpenedAt: genTime(t, "opened"), Polls: rapid.Int16().Draw(t, "polls"), Speed: genSpeed(t, "speed"), LastSpeed: genSpeed(t, "last speed"),
		DoubtedAt: genTimeOrNil(t, "doubted"), DoubtedURI: genURI(t), Unmoved: rapid.Bool().Draw(t, "unmoved"), Stalled: rapid.Bool().Draw(t, "stalled"),
		Advertisement: rapid.Bool().Draw(t, "advertisement"), HidesProgress: rapid.Bool().Draw(t, "hides progress"),
	}
}

// genObservation draws any observation. Its time is usually after the given time, and
// sometimes before it.
func genObservation(t *rapid.T, before time.Time) songspy.Observation {
	wait := rapid.OneOf(rapid.Int64Range(-5e9, 2e11), rapid.Int64Range(1, 5e9), rapid.Int64Range(0, 1e14)).Draw(t, "wait")
	return songspy.Observation{
		Kind: rapid.SampledFrom([]songspy.ObservationKind{
			songspy.ObservedPlaying, songspy.ObservedPlaying, songspy.ObservedPlaying, songspy.ObservedPaused, songspy.ObservedPaused,
			songspy.ObservedIdle, songspy.ObservedAdvertisement, songspy.ObservedUnreadable, "",
		}).Draw(t, "observation kind"),
		Track:    songspy.Track{URI: genURI(t), DurationMS: genLength(t, "told")},
		Progress: instant.Milliseconds(genLength(t, "at")), At: before.Add(time.Duration(wait)),
	}
}

func checkPlay(t *rapid.T, p songspy.Play, after, before time.Time) {
	if p.EndedAt.Before(p.StartedAt) || p.ListenedMS < 0 || p.ListenedMS > p.EndedAt.Sub(p.StartedAt).Milliseconds() {
		t.Fatalf("a play from %v to %v claims %d ms", p.StartedAt, p.EndedAt, p.ListenedMS)
	}
	if p.StartedAt.Before(after) {
		t.Fatalf("a play from %v overlaps the one until %v", p.StartedAt, after)
	}
	if p.EndedAt.After(before) {
		t.Fatalf("a play ends at %v, after the poll at %v", p.EndedAt, before)
	}
}

// checkStep checks what Step, NextPoll and ClosePlay must guarantee for any stored state,
// even an invalid one, and for any sequence of answers.
func checkStep(t *rapid.T) {
	n := genState(t)
	last, ended := base, time.Time{}
	if n.ObservedAt.After(last) {
		last = n.ObservedAt
	}
	interval := seconds(t, 1, 600)
	for range rapid.IntRange(1, 12).Draw(t, "looks") {
		o := genObservation(t, last)
		out := Step(n, o)
		if len(out.Plays) > 0 && !out.MustSave {
			t.Fatalf("plays without a write: %+v", out.Plays)
		}
		for _, p := range out.Plays {
			checkPlay(t, p, ended, o.At)
			ended = p.EndedAt
		}
		if out.State.ObservedAt.Equal(n.ObservedAt) {
			continue // Step ignored the observation, or it was not usable
		}
		n, last = out.State, out.State.ObservedAt
		if next := genObservation(t, last); !reflect.DeepEqual(Step(storeRoundTrip(n), next), Step(n, next)) {
			t.Fatalf("a state that was read back has another meaning: %+v", n)
		}
		if wait := NextPoll(n, o.Kind, last, interval/3, interval).At.Sub(last); wait <= 0 || wait > interval {
			t.Fatalf("the next poll is %v away, the interval %v: %+v", wait, interval, n)
		}
		if !n.IsOpen() {
			continue
		}
		if n.StartedAt.Before(ended) || n.StartedAt.After(n.SeenAt) || n.SeenAt.After(last) {
			t.Fatalf("the open play of %v, seen at %v, follows one until %v", n.StartedAt, n.SeenAt, ended)
		}
		if n.State == songspy.PlayerPaused && (n.PausedSince == nil || n.PausedSince.After(last) || n.ShownUntil().After(last.Add(songspy.PausedShownFor))) {
			t.Fatalf("paused since %v, shown until %v", n.PausedSince, n.ShownUntil())
		}
		closing := last.Add(seconds(t, -300, 300))
		if p, counted := n.ClosePlay(closing); counted {
			checkPlay(t, p, ended, instant.Later(closing, last))
		}
	}
	if !last.After(n.ObservedAt) && n.IsOpen() {
		for i := range 2 {
			n = Step(n, songspy.Observation{Kind: songspy.ObservedIdle, At: last.Add(time.Duration(i+1) * idleConfirmAfter)}).State
		}
		if n.IsOpen() {
			t.Fatalf("two idle answers do not end the play: %+v", n)
		}
	}
}

func TestStep_InvariantsForAnyInput(t *testing.T) { rapid.Check(t, checkStep) }

func FuzzStep(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkStep)) }

// planners are the functions that plan polls: NextPoll for users whose history is known to
// list partial plays, NextPollWithProof for the others.
var planners = map[string]func(n songspy.NowPlaying, last songspy.ObservationKind, now time.Time, phase, interval time.Duration) Poll{
	"NextPoll": NextPoll, "NextPollWithProof": NextPollWithProof,
}

var plannerNames = []string{"NextPoll", "NextPollWithProof"}

// TestStep_FalseIdleAnswersSplitNoPlay polls an item that plays once. Some answers in a row
// wrongly say that nothing plays, for at most idleConfirmAfter, so that Step must not believe
// them. The item must count once at most, and exactly once if polls followed it for 30 s.
func TestStep_FalseIdleAnswersSplitNoPlay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := rapid.SampledFrom([]songspy.Track{songA, localFile, local, podcast, audiobook}).Draw(t, "item")
		played := 30 * time.Minute
		if item.DurationMS > 0 {
			played = min(played, item.Duration())
		}
		end := base.Add(played)
		tr := timeline{
			{Track: item, Start: base, End: end, HidesProgress: rapid.Bool().Draw(t, "hides progress")},
			{Track: songB, Start: end, End: end.Add(songB.Duration())},
		}
		falseFrom := base.Add(seconds(t, 0, int(played.Seconds())))
		falseUntil := falseFrom.Add(seconds(t, 1, int(idleConfirmAfter.Seconds())))
		plan := planners[rapid.SampledFrom(plannerNames).Draw(t, "plan")]
		watched := rapid.Bool().Draw(t, "somebody watches") // more polls than planned
		var n songspy.NowPlaying
		var seen []songspy.Observation
		var plays []songspy.Play
		var first, last time.Time // the times of the first and the last poll that showed the item
		for now := base.Add(-time.Minute); now.Before(tr[1].End); {
			o := tr.Poll(now)
			switch {
			case !now.Before(falseFrom) && now.Before(falseUntil):
				o = songspy.Observation{Kind: songspy.ObservedIdle, At: now}
			case o.Track.URI == item.URI && first.IsZero():
				first, last = now, now
			case o.Track.URI == item.URI:
				last = now
			}
			out := Step(n, o)
			n, seen, plays = out.State, append(seen, o), append(plays, out.Plays...)
			next := plan(n, o.Kind, now, 0, 3*time.Minute).At
			if watched {
				next = instant.Earlier(next, now.Add(seconds(t, 1, 180)))
			}
			now = next
		}
		// If the last poll got a false answer, the play is still open. Two more idle
		// answers end it.
		for i := range 2 {
			o := songspy.Observation{Kind: songspy.ObservedIdle, At: tr[1].End.Add(time.Duration(i+1) * idleConfirmAfter)}
			out := Step(n, o)
			n, seen, plays = out.State, append(seen, o), append(plays, out.Plays...)
		}
		count := 0
		for _, p := range plays {
			if p.TrackURI == item.URI {
				count++
			}
		}
		if count > 1 || count == 0 && last.Sub(first) >= songspy.HistoryPlayMin {
			t.Fatalf("%s was played once and counts %d times\n%s", item.URI, count, describe(tr, seen, plays))
		}
	})
}
