package spotify

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
)

// grantLimit bounds the answers of the token endpoint, in bytes, as oauth2 does.
const grantLimit = 1 << 20

// longestLife bounds how long an access token is taken to live, in seconds.
const tokenLifeMax = 24 * 60 * 60

// tidied returns the body as tidyGrant rewrites it. A body that cannot be read
// to its end fails where it fails.
func tidyGrantBody(body io.ReadCloser) io.ReadCloser {
	b, err := io.ReadAll(io.LimitReader(body, grantLimit))
	_ = body.Close()
	if err != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(b), errorReader{err}))
	}
	return io.NopCloser(bytes.NewReader(tidyGrant(b)))
}

// failing is a reader that returns its error.
type errorReader struct{ err error }

func (f errorReader) Read([]byte) (int, error) { return 0, f.err }

// tidyGrant keeps of a granted answer what oauth2 reads, in the types that it
// expects. oauth2 drops the whole answer when one field has another type, and
// the refresh token in it may be the only one that still works: a field that
// makes no sense is left out instead. A body that is no JSON object, or that
// holds no access token, stays as it is.
func tidyGrant(body []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	tidy := make(map[string]any, len(fields))
	for _, name := range []string{"access_token", "token_type", "refresh_token", "scope", "error", "error_description"} {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			tidy[name] = text
		}
	}
	if tidy["access_token"] == nil {
		return body
	}
	if life, ok := parseTokenLife(fields["expires_in"]); ok {
		tidy["expires_in"] = life
	}
	b, err := json.Marshal(tidy)
	if err != nil { // strings and a number
		return body
	}
	return b
}

// lifeOf reads an access token's life in whole seconds. Integers, decimals and
// both in quotes occur.
func parseTokenLife(raw json.RawMessage) (seconds int64, ok bool) {
	text := strings.TrimSpace(strings.Trim(string(raw), `"`))
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 1 {
		return 0, false
	}
	return int64(min(n, tokenLifeMax)), true
}
