package spotify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// responseLimit is the length of the longest successful answer of the Web API that is
// accepted, in bytes. The longest real answers are those of recently-played: 50 tracks,
// each of about ten kilobytes if it lists every market.
const responseLimit = 1 << 20

// bodyKeepMax is the largest capacity of a body, in bytes, with which a callBuffer is
// returned to the pool.
const bodyKeepMax = 64 << 10

// callBuffer is the memory of one call: the header of its request, and the body of its
// answer. It is reused for later calls, because making a new header takes about as long
// as a whole poll of an idle player, not counting the time in the transport.
type callBuffer struct {
	header http.Header
	body   bytes.Buffer
}

var callBuffers = sync.Pool{New: func() any {
	return &callBuffer{header: http.Header{authorization: {""}, "User-Agent": {userAgent}, "Accept": {"application/json"}}}
}}

const authorization = "Authorization"

// reuse returns the callBuffer of a successful call to the pool for later calls. It must
// not be called after a failed call, because the transport may still be reading the
// header.
func (b *callBuffer) reuse() {
	if b.body.Cap() <= bodyKeepMax {
		b.header[authorization][0] = ""
		b.body.Reset()
		callBuffers.Put(b)
	}
}

// CurrentlyPlaying polls the player of the user whose access token is given.
// Spotify answers 204 if the player is idle.
//
// The Disposition of an error is RenewToken, NotRegistered, Refused,
// AppBlocked, MayNotCall, NeedsUser (if the link lacks a permission), or
// RetryLater.
func (c *Client) CurrentlyPlaying(ctx context.Context, access songspy.Secret) (songspy.Observation, error) {
	buf := callBuffers.Get().(*callBuffer)
	a, err := c.get(ctx, endpointCall{endpointPlaying, c.routine, c.playingURL}, access, buf)
	if err != nil {
		return songspy.Observation{}, err
	}
	defer buf.reuse()
	switch a.status {
	case http.StatusOK:
		return readPlayer(buf.body.Bytes(), a.at)
	case http.StatusNoContent, http.StatusNotFound:
		return songspy.Observation{Kind: songspy.ObservedIdle, Progress: songspy.UnknownProgress, At: a.at}, nil
	default:
		return unreadableObservation(a.at), nil
	}
}

// Account returns the Spotify account that the access token belongs to. Its errors are
// those of CurrentlyPlaying, except MayNotCall.
func (c *Client) Account(ctx context.Context, access songspy.Secret) (songspy.SpotifyAccount, error) {
	buf := callBuffers.Get().(*callBuffer)
	if _, err := c.get(ctx, endpointCall{endpointAccount, c.urgent, c.accountURL}, access, buf); err != nil {
		return songspy.SpotifyAccount{}, err
	}
	defer buf.reuse()
	return readAccount(buf.body.Bytes())
}

// endpointCall is one endpoint of the Web API and the transport for it.
type endpointCall struct {
	endpoint string
	via      *guardedTransport
	url      *url.URL
}

// response is the answer to a call that succeeded: its HTTP status, and the time by the
// local clock at which it arrived.
type response struct {
	status int
	at     time.Time
}

// get makes one call and reads the body of a successful answer into buf. After an error,
// the caller must not reuse buf. get uses the transport directly, because an http.Client
// would send the token to the targets of redirects, and takes as much time as the rest of
// the call.
func (c *Client) get(ctx context.Context, to endpointCall, access songspy.Secret, buf *callBuffer) (a response, err error) {
	started := c.config.Now()
	defer func() { c.config.Observe(to.endpoint, outcomeLabel(err), c.config.Now().Sub(started)) }()
	if c.configErr != nil {
		return response{}, c.configErr
	}
	if access == "" {
		return response{}, refusalError(http.StatusUnauthorized, nil, nil, started)
	}
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	buf.header[authorization][0] = "Bearer " + access.Reveal()
	req := (&http.Request{Method: http.MethodGet, URL: to.url, Host: to.url.Host, Header: buf.header}).WithContext(ctx)
	resp, arrived, err := to.via.call(req)
	if err != nil {
		return response{}, unreachable(ctx, err)
	}
	defer resp.Body.Close()
	a = response{status: resp.StatusCode, at: storedTime(arrived)}
	if a.status == http.StatusNoContent {
		return a, nil
	}
	limit := int64(responseLimit)
	if a.status >= http.StatusMultipleChoices {
		limit = refusalLimit
	}
	n, err := buf.body.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case a.status == http.StatusBadRequest && says(buf.body.Bytes(), "invalid id"):
		return a, nil // Spotify once answered so while a local file played, so CurrentlyPlaying returns an unreadable observation
	case a.status == http.StatusNotFound && to.endpoint == endpointPlaying && says(buf.body.Bytes(), "non existing id"):
		return a, nil // Spotify sometimes answers so if the player is idle; it means the same as 204
	case a.status < http.StatusOK || a.status >= http.StatusMultipleChoices:
		return response{}, refusalError(a.status, resp.Header, buf.body.Bytes(), a.at)
	case err != nil:
		return response{}, unreachable(ctx, err)
	case n > limit:
		return response{}, unavailable(errors.New("spotify's answer is too long"), 0)
	}
	return a, nil
}

// RecentlyPlayed returns the history of the user whose access token is given: the items
// played after the given time, or all items if that is the zero time, oldest first. The
// result has at most songspy.HistoryItemsMax items, because Spotify keeps no more. The
// call is a background call (see breaker.Background): other calls go first.
//
// Its errors are those of CurrentlyPlaying.
func (c *Client) RecentlyPlayed(ctx context.Context, access songspy.Secret, after time.Time) ([]songspy.HistoryItem, error) {
	buf := callBuffers.Get().(*callBuffer)
	to := endpointCall{endpointHistory, c.background, nil}
	if c.configErr == nil {
		to.url = historyRequestURL(c.historyURL, after)
	}
	if _, err := c.get(ctx, to, access, buf); err != nil {
		return nil, err
	}
	defer buf.reuse()
	return readHistory(buf.body.Bytes())
}

// historyRequestURL returns the URL that requests the items played after the given
// time, or the latest items if that is the zero time. It requests the largest page, so
// the cursors of the answer are not needed: one page contains everything.
func historyRequestURL(base *url.URL, after time.Time) *url.URL {
	u := *base
	q := url.Values{"limit": {strconv.Itoa(songspy.HistoryItemsMax)}}
	if ms := after.UnixMilli(); ms > 0 {
		q.Set("after", strconv.FormatInt(ms, 10))
	}
	u.RawQuery = q.Encode()
	return &u
}
