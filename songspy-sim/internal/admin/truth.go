package admin

import (
	"fmt"
	"net/http"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/population"
)

// playJSON is population.Play as JSON, with durations in milliseconds.
type playJSON struct {
	URI          string     `json:"uri"`
	HistoryURI   string     `json:"historyUri,omitempty"`
	Kind         string     `json:"kind"`
	Title        string     `json:"title,omitempty"`
	Artists      []string   `json:"artists,omitempty"`
	Album        string     `json:"album,omitempty"`
	ISRC         string     `json:"isrc,omitempty"`
	DurationMS   int64      `json:"durationMs"`
	Start        time.Time  `json:"start"`
	End          time.Time  `json:"end,omitzero"`
	FromMS       int64      `json:"fromMs,omitempty"`
	PauseAfterMS int64      `json:"pauseAfterMs,omitempty"`
	PauseForMS   int64      `json:"pauseForMs,omitempty"`
	JumpMS       int64      `json:"jumpMs,omitempty"`
	LingerMS     int64      `json:"lingerMs,omitempty"`
	ListenedMS   int64      `json:"listenedMs"`
	Complete     bool       `json:"complete,omitempty"`
	Skipped      bool       `json:"skipped,omitempty"`
	Private      bool       `json:"private,omitempty"`
	Offline      bool       `json:"offline,omitempty"`
	Unlisted     bool       `json:"unlisted,omitempty"`
	NoProgress   bool       `json:"noProgress,omitempty"`
	Speed        float64    `json:"speed,omitempty"`
	InsertedMS   int64      `json:"insertedMs,omitempty"`
	Stall        string     `json:"stall,omitempty"`
	ZeroProgress bool       `json:"zeroProgress,omitempty"`
	MixedMS      int64      `json:"mixedMs,omitempty"`
	PlayedAt     *time.Time `json:"playedAt,omitempty"`
	ListedAt     *time.Time `json:"listedAt,omitempty"`
}

func toPlayJSON(p population.Play) playJSON {
	out := playJSON{
		URI: p.Track.URI, Kind: string(p.Track.Kind), Title: p.Track.Title, Artists: p.Track.Artists, Album: p.Track.Album,
		ISRC: p.Track.ISRC, DurationMS: p.Track.Duration.Milliseconds(), Start: p.Start, End: p.End, FromMS: p.From.Milliseconds(),
		PauseAfterMS: p.PauseAfter.Milliseconds(), PauseForMS: p.PauseFor.Milliseconds(), JumpMS: p.Jump.Milliseconds(),
		LingerMS: p.Linger.Milliseconds(), ListenedMS: p.Listened.Milliseconds(), Complete: p.Complete, Skipped: p.Skipped,
		Private: p.Private, Offline: p.Offline, Unlisted: p.Unlisted, NoProgress: p.NoProgress,
		Speed: p.Speed, InsertedMS: p.Inserted.Milliseconds(), Stall: string(p.Stall), ZeroProgress: p.ZeroProgress, MixedMS: p.MixedFor.Milliseconds(),
	}
	if p.Track.HistoryURI != p.Track.URI {
		out.HistoryURI = p.Track.HistoryURI
	}
	if !p.PlayedAt.IsZero() {
		out.PlayedAt, out.ListedAt = &p.PlayedAt, &p.ListedAt
	}
	return out
}

func (p playJSON) toPlay() population.Play {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	out := population.Play{
		Track: population.Track{
			Kind: population.Kind(p.Kind), URI: p.URI, HistoryURI: p.HistoryURI, Title: p.Title, Artists: p.Artists,
			Album: p.Album, ISRC: p.ISRC, Duration: ms(p.DurationMS),
		},
		Start: p.Start, End: p.End, From: ms(p.FromMS), PauseAfter: ms(p.PauseAfterMS), PauseFor: ms(p.PauseForMS),
		Jump: ms(p.JumpMS), Linger: ms(p.LingerMS), Complete: p.Complete, Skipped: p.Skipped,
		Private: p.Private, Offline: p.Offline, Unlisted: p.Unlisted, NoProgress: p.NoProgress,
		Speed: p.Speed, Inserted: ms(p.InsertedMS), Stall: population.Stall(p.Stall), ZeroProgress: p.ZeroProgress, MixedFor: ms(p.MixedMS),
	}
	if p.PlayedAt != nil {
		out.PlayedAt = *p.PlayedAt
	}
	if p.ListedAt != nil {
		out.ListedAt = *p.ListedAt
	}
	return out
}

// getTruth returns the plays of a person that overlap the interval [from, to), whose bounds
// are query parameters. By default, the interval ends now and is 24 hours long.
func (s *Server) getTruth(w http.ResponseWriter, r *http.Request, person int) {
	to, err := timeParameter(r, "to", s.Now())
	if err == nil {
		var from time.Time
		if from, err = timeParameter(r, "from", to.Add(-24*time.Hour)); err == nil && to.Sub(from) > 400*24*time.Hour {
			err = fmt.Errorf("from and to are more than 400 days apart: use a shorter period")
		} else if err == nil {
			plays := []playJSON{}
			for _, p := range s.World.Truth(person, from, to) {
				plays = append(plays, toPlayJSON(p))
			}
			writeJSON(w, http.StatusOK, map[string]any{"items": plays})
			return
		}
	}
	writeError(w, http.StatusBadRequest, err)
}

// getNow returns what a person's player really does at the time in the query parameter
// "at", or now if the query has no such parameter.
func (s *Server) getNow(w http.ResponseWriter, r *http.Request, person int) {
	at, err := timeParameter(r, "at", s.Now())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, playbackJSON(s.World.PlaybackAt(person, at)))
}

func playbackJSON(now population.Playback) map[string]any {
	out := map[string]any{"state": now.State, "visible": now.Visible, "progressMs": now.Progress.Milliseconds(), "play": nil}
	if now.State != population.Idle {
		out["play"] = toPlayJSON(now.Play)
	}
	return out
}

// putScript replaces a person's plays by the plays in the field "items" of the body. If that
// field is null or missing, putScript restores the plays that the simulator generates.
func (s *Server) putScript(w http.ResponseWriter, r *http.Request, person int) {
	var body struct {
		Items *[]playJSON `json:"items"`
	}
	if err := readJSON(w, r, &body); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if body.Items == nil {
		s.World.Script(person, nil)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	plays := make([]population.Play, 0, len(*body.Items))
	for i, p := range *body.Items {
		if p.Start.IsZero() {
			writeError(w, http.StatusBadRequest, fmt.Errorf("items[%d] has no start", i))
			return
		}
		plays = append(plays, p.toPlay())
	}
	s.World.Script(person, plays)
	w.WriteHeader(http.StatusNoContent)
}
