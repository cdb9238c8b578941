package spotify

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// RecentlyPlayed asks what the person whose access token it is has played
// after the time, or lately if it is the zero time: at most
// songspy.HistoryMost items, which is all that Spotify remembers, oldest
// first. It is the call that gives way to all others.
//
// Its errors are those of CurrentlyPlaying.
func (c *Client) RecentlyPlayed(ctx context.Context, access songspy.Secret, after time.Time) ([]songspy.HistoryItem, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer putBuffer(buf)
	to := endpointCall{endpointHistory, c.background, nil}
	if c.configErr == nil {
		to.url = historyRequestURL(c.historyURL, after)
	}
	if _, err := c.get(ctx, to, access, buf); err != nil {
		return nil, err
	}
	return readHistory(buf.Bytes())
}

// asking is the address of one question. The cursors of an answer are not
// followed: one page holds all there is.
func historyRequestURL(base *url.URL, after time.Time) *url.URL {
	u := *base
	q := url.Values{"limit": {strconv.Itoa(songspy.HistoryItemsMax)}}
	if ms := after.UnixMilli(); ms > 0 {
		q.Set("after", strconv.FormatInt(ms, 10))
	}
	u.RawQuery = q.Encode()
	return &u
}
