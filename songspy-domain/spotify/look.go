package spotify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// answerLimit bounds the answers of the Web API, in bytes. A track with every
// market listed is some ten kilobytes.
const answerLimit = 1 << 20

// keepLimit is the largest buffer that is kept for the next answer.
const keepLimit = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Header values that all calls share.
var (
	headerAgent  = []string{userAgent}
	headerAccept = []string{"application/json"}
)

// CurrentlyPlaying looks at the player of the person whose access token it is.
//
// Errors carry a Disposition: RenewToken, NotRegistered, AppPaused,
// NeedsPerson where the link's permissions do not suffice, else RetryLater.
func (c *Client) CurrentlyPlaying(ctx context.Context, access songspy.Secret) (songspy.Observation, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer recycle(buf)
	a, err := c.get(ctx, call{endpointPlaying, c.looks, c.playing}, access, buf)
	if err != nil {
		return songspy.Observation{}, err
	}
	switch a.status {
	case http.StatusOK:
		return readPlayer(buf.Bytes(), a.at)
	case http.StatusNoContent, http.StatusNotFound:
		return songspy.Observation{Sighting: songspy.SightingNothing, Progress: songspy.UnknownProgress, At: a.at}, nil
	default:
		return unreadable(a.at), nil
	}
}

// Account asks who the access token belongs to. Its errors are those of
// CurrentlyPlaying.
func (c *Client) Account(ctx context.Context, access songspy.Secret) (songspy.Account, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer recycle(buf)
	if _, err := c.get(ctx, call{endpointAccount, c.urgent, c.account}, access, buf); err != nil {
		return songspy.Account{}, err
	}
	return readAccount(buf.Bytes())
}

func recycle(buf *bytes.Buffer) {
	if buf.Cap() <= keepLimit {
		buf.Reset()
		buffers.Put(buf)
	}
}

// call is one endpoint of the Web API and the way to it.
type call struct {
	endpoint string
	via      http.RoundTripper
	url      *url.URL
}

// answer is what was not refused: its status, and when it arrived by our clock.
type answer struct {
	status int
	at     time.Time
}

// get makes one call and reads a success's body into buf. It goes through the
// transport itself: http.Client would follow redirects with the token, and
// costs as much as the call.
func (c *Client) get(ctx context.Context, to call, access songspy.Secret, buf *bytes.Buffer) (a answer, err error) {
	asked := c.config.Now()
	defer func() { c.config.Observe(to.endpoint, outcome(err), c.config.Now().Sub(asked)) }()
	if c.fault != nil {
		return answer{}, c.fault
	}
	if access == "" {
		return answer{}, refused(http.StatusUnauthorized, nil, nil, asked)
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	req := (&http.Request{
		Method: http.MethodGet,
		URL:    to.url,
		Host:   to.url.Host,
		Header: http.Header{
			"Authorization": {"Bearer " + access.Reveal()},
			"User-Agent":    headerAgent,
			"Accept":        headerAccept,
		},
	}).WithContext(ctx)
	resp, err := to.via.RoundTrip(req)
	if err != nil {
		return answer{}, unreached(ctx, err)
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, at: c.now()}
	if a.status == http.StatusNoContent {
		return a, nil
	}
	limit := int64(answerLimit)
	if a.status >= http.StatusMultipleChoices {
		limit = refusalLimit
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case a.status == http.StatusBadRequest && says(buf.Bytes(), "invalid id"):
		return a, nil // how a local file used to be shown: an answer, and nothing in it
	case a.status == http.StatusNotFound && to.endpoint == endpointPlaying && says(buf.Bytes(), "non existing id"):
		return a, nil // what an idle player sometimes answers: the same as a 204
	case a.status < http.StatusOK || a.status >= http.StatusMultipleChoices:
		return answer{}, refused(a.status, resp.Header, buf.Bytes(), a.at)
	case err != nil:
		return answer{}, unreached(ctx, err)
	case n > limit:
		return answer{}, unavailable(errors.New("spotify's answer is too long"), 0)
	}
	return a, nil
}
