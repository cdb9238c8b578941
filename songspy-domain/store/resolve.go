package store

import (
	"slices"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// resolve puts track ids where the hearings name URIs. A hearing that names a
// track which nobody knows is set aside. A local file is resolved by its URI even
// where the hearing brings an id: the track may have been deleted since.
func (w *writing) resolve(batch []indexed) ([]indexed, error) {
	tracks := map[string]songspy.Track{}
	for i := range batch {
		batch[i].Hearing = cleanURIs(batch[i].Hearing)
		for _, t := range batch[i].Tracks {
			tracks[t.URI] = t
		}
	}
	named := map[string]bool{} // by their URI alone
	for _, h := range batch {
		for _, r := range references(&h.Hearing) {
			if _, given := tracks[r.uri]; !given && (*r.id == 0 || songspy.IsLocal(r.uri)) {
				named[r.uri] = true
			}
		}
	}
	uris := make([]string, 0, len(named))
	for uri := range named {
		uris = append(uris, uri)
	}
	ids, err := w.s.trackIDsOf(w.ctx, w.conn, tracks, uris)
	if err != nil {
		return nil, err
	}
	w.trackIDs = ids
	ready := batch[:0]
	for _, h := range batch {
		if err := fill(&h.Hearing, ids); err != nil {
			w.outcome[h.index] = songspy.Written{Err: err}
			continue
		}
		ready = append(ready, h)
	}
	return ready, nil
}

// reference is one place of a hearing that holds a track's id and its URI.
type reference struct {
	id  *songspy.TrackID
	uri string
}

func references(h *songspy.Hearing) []reference {
	refs := make([]reference, 0, 1+len(h.Plays))
	if h.Playing.Open() {
		refs = append(refs, reference{&h.Playing.TrackID, h.Playing.TrackURI})
	}
	for i := range h.Plays {
		refs = append(refs, reference{&h.Plays[i].TrackID, h.Plays[i].TrackURI})
	}
	return refs
}

// fill takes an id from ids; where the URI is not among them an id that the
// hearing brought stands, save for a local file.
func fill(h *songspy.Hearing, ids map[string]songspy.TrackID) error {
	if !h.Playing.Open() {
		h.Playing.TrackID = 0
	}
	for _, r := range references(h) {
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
func cleanURIs(h songspy.Hearing) songspy.Hearing {
	h.Playing.TrackURI = clean(h.Playing.TrackURI)
	h.Tracks, h.Plays = slices.Clone(h.Tracks), slices.Clone(h.Plays)
	for i := range h.Tracks {
		h.Tracks[i].URI = clean(h.Tracks[i].URI)
	}
	for i := range h.Plays {
		h.Plays[i].TrackURI = clean(h.Plays[i].TrackURI)
		h.Plays[i].UserID = h.Playing.UserID
	}
	return h
}
