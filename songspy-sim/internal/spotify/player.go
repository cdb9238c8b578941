package spotify

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// bufferPool holds the buffers for responses.
var bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

var contentTypeJSON = []string{"application/json; charset=utf-8"}

// The part of an answer that lists what the user cannot do, by the player's
// state. In an advertisement the user can neither skip nor seek.
const (
	disallowsPlaying = `,"actions":{"disallows":{"resuming":true}}`
	disallowsPaused  = `,"actions":{"disallows":{"pausing":true}}`
	disallowsAd      = `,"actions":{"disallows":{"resuming":true,"seeking":true,"skipping_prev":true,"skipping_next":true}}`
)

// currentlyPlaying answers what a person's player shows. Load tests call it
// most, so it only verifies one token, generates one listening session and
// fills one buffer.
func (s *Server) currentlyPlaying(w *requestlog.Writer, r *http.Request) {
	if !s.admit(w, r, requestlog.CurrentlyPlaying, CurrentlyPlaying|PlaybackState) {
		return
	}
	view := s.World.View(w.Person, w.ReceivedAt)
	if view.State == population.Idle || view.Hidden || view.Spurious {
		if s.Quirks.Get().Idle404 {
			writeError(w, http.StatusNotFound, faults.IdleText)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if view.Kind == population.KindLocal && s.Quirks.Get().LocalFiles400 {
		writeError(w, http.StatusBadRequest, "invalid id")
		return
	}
	// Spotify sends no item and no context for an episode or a chapter unless the
	// request has additional_types=episode.
	bare := (view.Kind == population.KindEpisode || view.Kind == population.KindChapter) && !wantsEpisodes(r.URL.RawQuery)

	buffer := bufferPool.Get().(*[]byte)
	b := append((*buffer)[:0], `{"timestamp":`...)
	if view.Frozen {
		b = strconv.AppendInt(b, view.Start, 10)
	} else {
		b = strconv.AppendInt(b, w.ReceivedAt.UnixMilli(), 10)
	}
	b = append(b, `,"context":`...)
	if bare {
		b = append(b, "null"...)
	} else {
		b = appendContext(b, view.Key, view.Track)
	}
	b = append(b, `,"progress_ms":`...)
	if view.NoProgress {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, view.Progress, 10)
	}
	b = append(b, `,"item":`...)
	if bare || view.Track == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, s.itemJSON(view.Track)...)
	}
	b = append(b, `,"currently_playing_type":"`...)
	b = append(b, playingType(view.Kind)...)
	b = append(b, '"')
	switch {
	case view.Kind == population.KindAd:
		b = append(b, disallowsAd...)
	case view.State == population.Paused:
		b = append(b, disallowsPaused...)
	default:
		b = append(b, disallowsPlaying...)
	}
	b = append(b, `,"is_playing":`...)
	b = strconv.AppendBool(b, view.State == population.Playing)
	b = append(b, '}')

	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	_, _ = w.Write(b)
	*buffer = b
	bufferPool.Put(buffer)
}

func wantsEpisodes(rawQuery string) bool {
	if !strings.Contains(rawQuery, "additional_types") {
		return false
	}
	q, err := url.ParseQuery(rawQuery)
	return err == nil && strings.Contains(","+q.Get("additional_types")+",", ",episode,")
}

// playingType returns the Web API's name of a kind of item. The Web API calls a
// local file a track.
func playingType(k population.Kind) string {
	if k == population.KindLocal {
		return "track"
	}
	return string(k)
}

// appendContext appends the context of a play as JSON: the show of an episode, the
// audiobook of a chapter, and for other items null, a playlist or the album, which
// the key of the play chooses.
func appendContext(b []byte, key uint64, t *population.Track) []byte {
	kind, id := "", ""
	switch {
	case t != nil && t.Kind == population.KindEpisode:
		kind, id = "show", t.AlbumID
	case t != nil && t.Kind == population.KindChapter:
		kind, id = "audiobook", t.AlbumID
	case key%3 == 0:
		return append(b, "null"...)
	case key%3 == 1 || t == nil || t.AlbumID == "":
		kind, id = "playlist", "37i9dQZF1DX"+strconv.FormatUint(key%999_983, 36)
	default:
		kind, id = "album", t.AlbumID
	}
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","href":"https://api.spotify.com/v1/`...)
	b = append(b, kind...)
	b = append(b, "s/"...)
	b = append(b, id...)
	b = append(b, `","external_urls":{"spotify":"https://open.spotify.com/`...)
	b = append(b, kind...)
	b = append(b, '/')
	b = append(b, id...)
	b = append(b, `"},"uri":"spotify:`...)
	b = append(b, kind...)
	b = append(b, ':')
	b = append(b, id...)
	return append(b, `"}`...)
}

// recentlyPlayedHref returns the address of recently-played that the caller
// used, so that the link to the next page leads to the simulator and not to
// Spotify.
func recentlyPlayedHref(r *http.Request) string {
	if r.Host == "api.spotify.com" { // in-process, see sim.Transport
		return "https://api.spotify.com/v1/me/player/recently-played"
	}
	return "http://" + r.Host + "/spotify/api/v1/me/player/recently-played"
}

// recentlyPlayed serves pages of the last fifty plays, newest first.
func (s *Server) recentlyPlayed(w *requestlog.Writer, r *http.Request) {
	if !s.admit(w, r, requestlog.RecentlyPlayed, RecentlyPlayed) {
		return
	}
	page, problem := readPage(r.URL.Query())
	if problem != "" {
		writeError(w, http.StatusBadRequest, problem)
		return
	}
	items, more := page.slice(s.World.History(w.Person, w.ReceivedAt, s.Quirks.Get().HistoryCompleteOnly))
	limit, href := strconv.Itoa(page.limit), recentlyPlayedHref(r)

	b := []byte(`{"items":[`)
	for i, h := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"track":`...)
		if h.Track.HistoryURI == h.Track.URI {
			b = append(b, s.itemJSON(h.Track)...)
		} else {
			b = append(b, s.renderItem(h.Track, h.Track.HistoryURI)...)
		}
		b = append(b, `,"played_at":"`...)
		b = time.UnixMilli(h.PlayedAt).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
		b = append(b, `","context":`...)
		b = appendContext(b, h.Key, h.Track)
		b = append(b, '}')
	}
	b = append(b, `],"next":`...)
	if len(items) == 0 {
		b = append(b, `null,"cursors":null`...)
	} else {
		before := strconv.FormatInt(items[len(items)-1].PlayedAt, 10)
		if more {
			b = append(b, `"`+href+`?before=`+before+`&limit=`+limit+`"`...)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, `,"cursors":{"after":"`+strconv.FormatInt(items[0].PlayedAt, 10)+`","before":"`+before+`"}`...)
	}
	b = append(b, `,"limit":`+limit+`,"href":"`+href+`?limit=`+limit+`"}`...)
	w.Header()["Content-Type"] = contentTypeJSON
	_, _ = w.Write(b)
}

// page is the part of the history that a request asks for.
type page struct {
	limit         int
	after, before int64 // exclusive, milliseconds since 1970; 0: absent
}

func readPage(q url.Values) (page, string) {
	p := page{limit: 20}
	if q.Has("after") && q.Has("before") {
		return p, "Only one of after and before may be given"
	}
	var err error
	if q.Has("limit") {
		if p.limit, err = strconv.Atoi(q.Get("limit")); err != nil || p.limit < 1 || p.limit > 50 {
			return p, "Invalid limit"
		}
	}
	for name, field := range map[string]*int64{"after": &p.after, "before": &p.before} {
		if !q.Has(name) {
			continue
		}
		if *field, err = strconv.ParseInt(q.Get(name), 10, 64); err != nil || *field < 0 {
			return p, "Invalid " + name
		}
	}
	return p, ""
}

// slice returns the items of all, newest first, that the page contains: those
// between after and before, at most limit. more says that there are older ones.
func (p page) slice(all []population.HistoryItem) (items []population.HistoryItem, more bool) {
	for _, h := range all {
		switch {
		case p.before != 0 && h.PlayedAt >= p.before:
			continue
		case p.after != 0 && h.PlayedAt <= p.after:
			return items, false
		case len(items) == p.limit:
			return items, true
		}
		items = append(items, h)
	}
	return items, false
}
