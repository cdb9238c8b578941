package spotify

import (
	"errors"
	"strings"

	"github.com/valyala/fastjson"
)

// longestMS bounds times within a track; what exceeds it is nonsense.
const longestMS = 1e10

var parsers fastjson.ParserPool

// read parses an answer and makes of it what as does. Spotify's answers are
// large, hardly any of it concerns us, and fields are missing or of another
// type now and then: those count as missing. What as gives must not hold on to
// the value.
func read[T any](body []byte, as func(*fastjson.Value) T) (answer T, err error) {
	parser := parsers.Get()
	if len(body) <= keepLimit {
		defer parsers.Put(parser)
	}
	v, err := parser.ParseBytes(body)
	if err != nil { // which quotes the answer
		return answer, unavailable(errors.New("spotify's answer is no JSON, or was cut off"), 0)
	}
	return as(v), nil
}

// text is the string at a path.
func text(v *fastjson.Value, path ...string) string {
	return strings.ToValidUTF8(string(v.GetStringBytes(path...)), "\uFFFD")
}

// milliseconds is a time within a track; false if it makes no sense as one.
func milliseconds(v *fastjson.Value) (ms int64, known bool) {
	if v == nil {
		return 0, false
	}
	n, err := v.Float64()
	if err != nil || !(n >= 0 && n <= longestMS) { // NaN is neither
		return 0, false
	}
	return int64(n), true
}
