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

// bufferPool holds the buffers in which currentlyPlaying builds its responses.
var bufferPool = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

var contentTypeJSON = []string{"application/json; charset=utf-8"}

// The member "actions" of an answer, which lists what the user cannot do in each state of
// the player. During an advertisement the user can neither skip nor seek.
const (
	disallowsPlaying = `,"actions":{"disallows":{"resuming":true}}`
	disallowsPaused  = `,"actions":{"disallows":{"pausing":true}}`
	disallowsAd      = `,"actions":{"disallows":{"resuming":true,"seeking":true,"skipping_prev":true,"skipping_next":true}}`
)

// currentlyPlaying answers with what a person's player shows. Load tests call it more often
// than any other function, so it does little: it verifies a token, generates one listening
// session and fills one buffer.
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
	// For an episode or a chapter, Spotify sends the item null and the context null unless
	// the request's additional_types contains "episode".
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

// playingType returns the currently_playing_type of a kind. For a local file, the Web API
// sends "track".
func playingType(k population.Kind) string {
	if k == population.KindLocal {
		return "track"
	}
	return string(k)
}

// appendContext appends the context of a play as JSON. For an episode it is the show, and
// for a chapter the audiobook. For other tracks it is null, a playlist or the album. The
// key of the play determines which, so that all answers about the play agree.
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
	if r.Host == "api.spotify.com" { // a request within the process, see sim.Transport
		return "https://api.spotify.com/v1/me/player/recently-played"
	}
	return "http://" + r.Host + "/spotify/api/v1/me/player/recently-played"
}

// recentlyPlayed answers with a page of the person's history: the last fifty plays, newest
// first.
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

// page is the part of the history that a request asks for, by its query parameters.
type page struct {
	limit         int   // the maximum number of items
	after, before int64 // bounds of played_at, both exclusive, in milliseconds since 1970; 0 if absent
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

// slice returns the items of the page: the newest items of the history between after and
// before, at most limit of them. The argument all is the history, newest first. The result
// more says that an older item between the bounds was left out.
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
