package store

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// resolve puts track ids where the hearings name URIs. A hearing that names a
// track which nobody knows is set aside. A local file is resolved by its URI even
// where the hearing brings an id: the track may have been deleted since.
func (w *writeTx) resolveTracks(batch []indexedUpdate) ([]indexedUpdate, error) {
	tracks := map[string]songspy.Track{}
	for i := range batch {
		batch[i].PlaybackUpdate = cleanURIs(batch[i].PlaybackUpdate)
		for _, t := range batch[i].Tracks {
			tracks[t.URI] = t
		}
	}
	named := map[string]bool{} // by their URI alone
	for _, h := range batch {
		for _, r := range trackReferences(&h.PlaybackUpdate) {
			if _, given := tracks[r.uri]; !given && (*r.id == 0 || songspy.IsLocal(r.uri)) {
				named[r.uri] = true
			}
		}
	}
	uris := make([]string, 0, len(named))
	for uri := range named {
		uris = append(uris, uri)
	}
	ids, err := w.s.ensureTracks(w.ctx, w.conn, tracks, uris)
	if err != nil {
		return nil, err
	}
	w.trackIDs = ids
	ready := batch[:0]
	for _, h := range batch {
		if err := fillTrackIDs(&h.PlaybackUpdate, ids); err != nil {
			w.results[h.index] = songspy.PlaybackUpdateResult{Err: err}
			continue
		}
		ready = append(ready, h)
	}
	return ready, nil
}

// reference is one place of a hearing that holds a track's id and its URI.
type trackReference struct {
	id  *songspy.TrackID
	uri string
}

func trackReferences(h *songspy.PlaybackUpdate) []trackReference {
	refs := make([]trackReference, 0, 1+len(h.Plays))
	if h.Playing.IsOpen() {
		refs = append(refs, trackReference{&h.Playing.TrackID, h.Playing.TrackURI})
	}
	for i := range h.Plays {
		refs = append(refs, trackReference{&h.Plays[i].TrackID, h.Plays[i].TrackURI})
	}
	return refs
}

// fill takes an id from ids; where the URI is not among them an id that the
// hearing brought stands, save for a local file.
func fillTrackIDs(h *songspy.PlaybackUpdate, ids map[string]songspy.TrackID) error {
	if !h.Playing.IsOpen() {
		h.Playing.TrackID = 0
	}
	for _, r := range trackReferences(h) {
		if id, ok := ids[r.uri]; ok || songspy.IsLocal(r.uri) {
			*r.id = id
		}
		if *r.id == 0 {
			return &songspy.Error{
				Code:    songspy.CodeInvalid,
				Message: "The hearing names a track that it does not bring and that is not stored; add it to Tracks.",
			}
		}
	}
	return nil
}

// cleanURIs makes the URIs what the table will hold, since rows are matched by
// them, and gives every play to the hearing's person. It leaves the caller's
// slices alone.
func cleanURIs(h songspy.PlaybackUpdate) songspy.PlaybackUpdate {
	h.Playing.TrackURI = cleanText(h.Playing.TrackURI)
	h.Tracks, h.Plays = slices.Clone(h.Tracks), slices.Clone(h.Plays)
	for i := range h.Tracks {
		h.Tracks[i].URI = cleanText(h.Tracks[i].URI)
	}
	for i := range h.Plays {
		h.Plays[i].TrackURI = cleanText(h.Plays[i].TrackURI)
		h.Plays[i].UserID = h.Playing.UserID
	}
	return h
}
