package httpapi

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// Plays returns as many plays as requested, one microsecond apart, as if the history had no end.
// Every second play is probable (not certain yet).
func (h *fakeBackend) Plays(_ context.Context, _ visibility.Self, after songspy.Play, limit int) (plays []songspy.PlayWithTrack, err error) {
	newest := int64(newestPlay)
	if !after.StartedAt.IsZero() {
		newest = after.StartedAt.UnixMicro() - 1
	}
	for n := range int64(limit) {
		plays = append(plays, songspy.PlayWithTrack{
			Play:  songspy.Play{ID: songspy.PlayID(newestPlay + 1 - (newest - n)), StartedAt: time.UnixMicro(newest - n), Source: songspy.SourceLive, Probable: n%2 == 1},
			Track: songspy.Track{Kind: songspy.KindTrack, PublicID: 1},
		})
	}
	return plays, h.failure()
}

// newestPlay is the start of the newest play, which has the id 1, in microseconds since 1970.
const newestPlay = 1e15

// DeletePlay finds only the play with the id 1.
func (h *fakeBackend) DeletePlay(_ context.Context, _ songspy.UserID, play songspy.PlayID, _ time.Time) error {
	if play != 1 {
		return errNotFound
	}
	return h.failure()
}

// Gaps returns no gap.
func (h *fakeBackend) Gaps(context.Context, songspy.UserID, songspy.Gap, int) ([]songspy.Gap, error) {
	return nil, h.failure()
}

func TestLists_NameTheInvalidField(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	encoded := func(s string) string { return "cursor=" + base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, list := range []string{"/me/plays", "/me/gaps"} {
		for query, field := range map[string]string{
			"limit=0": "limit", "limit=101": "limit", "limit=many": "limit", "limit=-1": "limit", "limit=1.5": "limit", "limit=99999999999999999999": "limit",
			"cursor=%21": "cursor", "cursor=" + strings.Repeat("a", 200): "cursor", "cursor=": "cursor",
			encoded(""): "cursor", encoded("1 x"): "cursor", encoded("x 1"): "cursor", encoded("-1 1"): "cursor",
			encoded("9223372036854775807 1"): "cursor", encoded("1 x'; --"): "cursor", encoded("1 99999999999999999999"): "cursor",
		} {
			a := e.Call("GET", contracttest.Prefix+list+"?"+query, nil, bearer...)
			if a.Status != 400 || a.ErrorCode() != "INVALID_REQUEST" || !strings.Contains(a.Error.Message, " "+field+" ") {
				t.Errorf("%s?%s: status %d, %s", list, query, a.Status, a.Body)
			}
		}
		if a := e.Call("GET", contracttest.Prefix+list, nil); a.Status != 401 {
			t.Errorf("%s without a token: status %d", list, a.Status)
		}
	}
}

func TestLists_ContinueAfterTheCursor(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	var first, second PlaysPage
	e.Call("GET", contracttest.Prefix+"/me/plays", nil, bearer...).DecodeData(t, &first)
	if len(first.Items) != defaultPageSize || first.NextCursor == nil {
		t.Fatalf("the page has %d items, next cursor %v", len(first.Items), first.NextCursor)
	}
	if first.Items[0].Probable || !first.Items[1].Probable {
		t.Errorf("probable: %t, then %t, want only the second", first.Items[0].Probable, first.Items[1].Probable)
	}
	e.Call("GET", contracttest.Prefix+"/me/plays?limit=3&cursor="+url.QueryEscape(*first.NextCursor), nil, bearer...).DecodeData(t, &second)
	if len(second.Items) != 3 || second.Items[0].Id != newestPlay-defaultPageSize {
		t.Errorf("the next page begins with %+v", second.Items)
	}
}

func TestDeleteMyPlay_DeletesOnlyTheCallersPlays(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for id, status := range map[string]int{"1000000000000000": 200, "999999999999999": 404, "0": 400, "x": 400} {
		if a := e.Call("DELETE", contracttest.Prefix+"/me/plays/"+id, nil, bearer...); a.Status != status {
			t.Errorf("deleting %s: status %d, %s", id, a.Status, a.Body)
		}
	}
	if a := e.Call("DELETE", contracttest.Prefix+"/me/plays/1000000000000000", nil); a.Status != 401 {
		t.Errorf("deleting without a token: status %d", a.Status)
	}
}

func TestCursor_RoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, latestCursor).Draw(t, "at")).UTC()
		tieBreaker := rapid.StringMatching(`[a-z0-9_]{1,20}`).Draw(t, "tie")
		cursor := newCursor(at, tieBreaker)
		if gotAt, gotTieBreaker, err := parseCursor(&cursor); err != nil || !gotAt.Equal(at) || gotTieBreaker != tieBreaker {
			t.Fatalf("%s decodes to %v %q, error %v", cursor, gotAt, gotTieBreaker, err)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", "!", "MSAx", "LTEgMQ", strings.Repeat("a", 128)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		at, tieBreaker, err := parseCursor(&cursor)
		if err == nil && (tieBreaker == "" || at.Year() > 9999 || at.Before(time.Unix(0, 0))) {
			t.Fatalf("%q decodes to %v %q", cursor, at, tieBreaker)
		}
	})
}
