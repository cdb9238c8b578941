package httpapi

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// defaultPageSize is the page size of a request without a limit. The contract bounds
// the limit.
const defaultPageSize = 50

func (s *server) ListMyPlays(ctx context.Context, r ListMyPlaysRequestObject) (ListMyPlaysResponseObject, error) {
	at, tieBreaker, err := parseCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	after := songspy.Play{StartedAt: at}
	if tieBreaker != "" {
		id, err := strconv.ParseInt(tieBreaker, 10, 64)
		if err != nil {
			return nil, newCursorError()
		}
		after.ID = songspy.PlayID(id)
	}
	plays, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.PlayWithTrack, error) {
		return s.opts.History.Plays(ctx, callerFrom(ctx).UserID, after, limit)
	}, func(p songspy.PlayWithTrack) string {
		return newCursor(p.Play.StartedAt, strconv.FormatInt(int64(p.Play.ID), 10))
	})
	if err != nil {
		return nil, err
	}
	data := PlaysPage{Items: make([]MyPlay, len(plays)), NextCursor: next}
	for i, p := range plays {
		data.Items[i] = MyPlay{
			Id: int64(p.Play.ID), StartedAt: Time(p.Play.StartedAt), EndedAt: Time(p.Play.EndedAt),
			ListenedMs: p.Play.ListenedMS, Source: MyPlaySource(p.Play.Source), Provisional: p.Play.Provisional, Probable: p.Play.Probable,
			Track: PlayedTrack{
				Id: s.opts.TrackIDs.Of(p.Play.UserID, p.Track.ID), Title: p.Track.Title, ArtistName: p.Track.Artists, AlbumName: p.Track.Album,
				OriginalUrl: p.Track.URL, AlbumImageUrl: p.Track.ImageURL,
				Kind: PlayedTrackKind(p.Track.Kind), DurationMs: p.Track.DurationMS,
			},
		}
	}
	return ListMyPlays200JSONResponse{Result: SUCCESS, Data: data}, nil
}

func (s *server) DeleteMyPlay(ctx context.Context, r DeleteMyPlayRequestObject) (DeleteMyPlayResponseObject, error) {
	if err := s.opts.History.DeletePlay(ctx, callerFrom(ctx).UserID, songspy.PlayID(r.Id), s.opts.Now()); err != nil {
		return nil, err
	}
	return DeleteMyPlay200JSONResponse{Result: SUCCESS, Data: true}, nil
}

// gapReasons are the reasons that a cursor may contain.
var gapReasons = []songspy.GapReason{
	songspy.GapLinkBroken, songspy.GapAppBlocked, songspy.GapProviderDown, songspy.GapBatchDown, songspy.GapUnseen,
}

func (s *server) ListMyGaps(ctx context.Context, r ListMyGapsRequestObject) (ListMyGapsResponseObject, error) {
	at, tieBreaker, err := parseCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	after := songspy.Gap{BeganAt: at, Reason: songspy.GapReason(tieBreaker)}
	if tieBreaker != "" && !slices.Contains(gapReasons, after.Reason) {
		return nil, newCursorError()
	}
	gaps, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.Gap, error) {
		return s.opts.History.Gaps(ctx, callerFrom(ctx).UserID, after, limit)
	}, func(g songspy.Gap) string { return newCursor(g.BeganAt, string(g.Reason)) })
	if err != nil {
		return nil, err
	}
	data := GapsPage{Items: make([]MyGap, len(gaps)), NextCursor: next}
	for i, g := range gaps {
		data.Items[i] = MyGap{From: Time(g.BeganAt), To: timeOrNull(g.EndedAt), Reason: MyGapReason(g.Reason)}
	}
	return ListMyGaps200JSONResponse{Result: SUCCESS, Data: data}, nil
}

// newCursor encodes the position of an item: its time, and a tie breaker among items
// with the same time. Cursors are opaque to clients.
func newCursor(at time.Time, tieBreaker string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 10) + " " + tieBreaker))
}

// parseCursor decodes a cursor of newCursor. Without a cursor, time and tie breaker are
// zero; with one, neither is.
func parseCursor(cursor *string) (at time.Time, tieBreaker string, err error) {
	if cursor == nil {
		return time.Time{}, "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil {
		return time.Time{}, "", newCursorError()
	}
	micros, tieBreaker, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || n < 0 || n > latestCursor || tieBreaker == "" {
		return time.Time{}, "", newCursorError()
	}
	return time.UnixMicro(n).UTC(), tieBreaker, nil
}

// latestCursor is the year 9999 in microseconds. Later times never reach the database.
const latestCursor = 253_370_764_800_000_000

func newCursorError() error { return newFieldError("cursor", problemOther) }

// readPage reads one item more than requested, to see whether another page follows.
// next is the cursor of that page; name returns the cursor of an item.
func readPage[T any](requested *int, read func(limit int) ([]T, error), name func(T) string) (items []T, next *string, err error) {
	limit := defaultPageSize
	if requested != nil {
		limit = *requested
	}
	if items, err = read(limit + 1); err != nil || len(items) <= limit {
		return items, nil, err
	}
	cursor := name(items[limit-1])
	return items[:limit], &cursor, nil
}
