package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

var (
	fuzzRequests = flag.Int("fuzzed.requests", 400, "how many requests to draw from the contract")
	fuzzSeed     = flag.Uint64("fuzzed.seed", 0, "the seed of the requests; 0 chooses one")
)

// fuzzer draws random requests for the operations of the contract. Some obey the contract, some
// do not.
type fuzzer struct {
	*testAPI
	t     *testing.T
	r     *rand.Rand
	users []signedIn
	texts []string // texts that mean something to the service, such as handles (public ids)
}

type fuzzedOperation struct {
	method, path string
	*openapi3.Operation
}

// TestAPI_FuzzedRequestsGetAnAnswerOfTheContract sends requests to the whole server. Package
// contracttest validates every answer of an operation, except streams that begin, and every
// other request that succeeded.
func TestAPI_FuzzedRequestsGetAnAnswerOfTheContract(t *testing.T) {
	seed := *fuzzSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_WRITES_PER_MINUTE", "0", "SONGSPY_LINKINGS_PER_MINUTE", "0", "SONGSPY_SIGN_INS_PER_MINUTE", "0",
		"SONGSPY_SPOTIFY_SEATS", "5", "SONGSPY_OPERATORS", emailOf(t, 0))
	doc, err := openapi3.NewLoader().LoadFromData(contract)
	if err != nil {
		t.Fatal(err)
	}
	var operations []fuzzedOperation
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			operations = append(operations, fuzzedOperation{method, path, o})
		}
	}
	slices.SortFunc(operations, func(a, b fuzzedOperation) int { return strings.Compare(a.OperationID, b.OperationID) })
	f := &fuzzer{testAPI: w, t: t, r: rand.New(rand.NewPCG(seed, 0)), users: make([]signedIn, 3)}
	statuses := map[int]int{}
	for i := 0; i < *fuzzRequests && !t.Failed(); i++ {
		if i%500 == 0 {
			f.begin()
		}
		o := operations[i%len(operations)] // each as often as the others
		statuses[f.send(o)]++
	}
	t.Logf("-fuzzed.seed=%d: %d requests to %d operations, statuses %v", seed, *fuzzRequests, len(operations), statuses)
}

// begin signs all users in, with new sessions, and lets Ann link Spotify and play a song. It
// also resets the texts that mean something to the service.
func (f *fuzzer) begin() {
	f.texts = []string{"window", "following", "spotify:artist:0000000000000000000001", "00000000001", "stranger", "앤", "2026-11-27T00:00:00.000Z", "MTA"}
	for person := range f.users {
		f.users[person] = f.signIn(f.t, person)
		f.texts = append(f.texts, f.users[person].handle(), "person:"+f.users[person].handle(), fmt.Sprint(f.users[person].ID))
	}
	ann := f.users[0]
	f.wantStatus(f.t, f.Call("POST", prefix+"/spotify-auth", map[string]any{"code": f.spotifyCode(0, ""), "move": true}, ann.bearer()...), 200, "")
	f.writePlayback(f.t, ann.UserID, "A song")
}

// send sends one request and returns the status of the answer.
func (f *fuzzer) send(o fuzzedOperation) int {
	f.t.Helper()
	path, query, header := o.path, url.Values{}, []string{}
	for _, ref := range o.Parameters {
		p := ref.Value
		text := fmt.Sprint(f.value(p.Schema, 0))
		switch {
		case p.In == openapi3.ParameterInPath:
			if text == "" || text == "." || text == ".." {
				text = "0"
			}
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(text), 1)
		case !p.Required && f.once(3):
		case p.In == openapi3.ParameterInQuery:
			query.Add(p.Name, text)
		case !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }): // clients cannot send other characters in a header
			header = append(header, p.Name, text)
		}
	}
	if f.once(10) {
		query.Add(pickOne(f.r, "limit", "cursor", "unknown", "as", ""), f.text())
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	user := f.users[f.r.IntN(len(f.users))]
	switch f.r.IntN(10) {
	case 0:
	case 1:
		header = append(header, "Authorization", "Bearer "+pickOne(f.r, "x", user.RefreshToken, user.Token+"x"))
	default:
		header = append(header, user.bearer()...)
	}
	var body any
	if o.RequestBody != nil && !f.once(20) {
		for _, media := range o.RequestBody.Value.Content {
			content, err := json.Marshal(f.value(media.Schema, 0))
			if err != nil {
				f.t.Fatal(err)
			}
			body = f.corrupt(string(content))
			break
		}
		if f.once(20) {
			header = append(header, "Content-Type", pickOne(f.r, "text/plain", "application/json; charset=euc-kr", "application/x-www-form-urlencoded", "application/vnd.x+json", "/", "multipart/form-data"))
		}
	}
	method := o.method
	if f.once(50) {
		method = pickOne(f.r, "OPTIONS", "TRACE") // no operation has them
	}
	var a contracttest.Response
	if o.OperationID == "streamListening" && method == "GET" {
		a = f.openStream(path, header)
	} else {
		a = f.Call(method, path, body, header...)
	}
	known := a.Status >= 200 && a.Status < 500 || a.Status == 503
	if !known || a.Status >= 400 && a.Error == nil {
		f.t.Errorf("the answer %d is not one of the contract: %s", a.Status, a.Body)
	}
	if f.t.Failed() {
		f.t.Logf("the request was %s %s, body %.2000q, headers %q", method, path, fmt.Sprint(body), header)
	}
	if a.Status == 200 && slices.Contains([]string{"deleteMe", "logout", "endMySessions", "endMySession"}, o.OperationID) {
		f.begin()
	}
	return a.Status
}

// openStream sends a request for a stream. If a stream begins, it closes the stream and returns
// an answer without a body. Otherwise it sends the request again with Call, which reads and
// validates the whole answer.
func (f *fuzzer) openStream(path string, header []string) contracttest.Response {
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.publicListener.Addr().String()+path, http.NoBody)
	if err != nil {
		f.t.Fatal(err)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return contracttest.Response{Status: http.StatusOK}
	}
	return f.Call(http.MethodGet, path, nil, header...)
}

func (f *fuzzer) once(in int) bool { return f.r.IntN(in) == 0 }

// text returns a text that means something to the service, or one of a list of unusual texts
// that may break a parser or a limit.
func (f *fuzzer) text() string {
	if f.once(2) {
		return pickOne(f.r, f.texts...)
	}
	return pickOne(f.r, "", "0", "-1", "1e400", "9223372036854775808", "9007199254740993", "null", "true", "\x00", "a\u202eb", "\xff\xfe", "𝒜👩‍👩‍👧‍👦", "' OR 1=1 --",
		"%", "_", "../..", "//evil.example", "http://127.0.0.1:1/", "https://example.invalid/x", "2026-11-27T25:00:00Z", "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z",
		strings.Repeat("x", 129), strings.Repeat("가", 600), strings.Repeat("x", 5000))
}

// value returns a random value that usually fits the schema. With a probability of 1 in 12, and
// always at a depth of more than 5, it returns a value of any type instead.
func (f *fuzzer) value(ref *openapi3.SchemaRef, depth int) any {
	s := ref.Value
	if len(s.AllOf) > 0 && s.Type == nil {
		return f.value(s.AllOf[0], depth)
	}
	switch {
	case f.once(12) || depth > 5:
		return pickOne[any](f.r, nil, f.text(), f.r.IntN(200)-50, 1.5, true, []any{f.text()}, map[string]any{"a": 1})
	case len(s.Enum) > 0:
		return pickOne(f.r, s.Enum...)
	case s.Type.Is("boolean"):
		return f.once(2)
	case s.Type.Is("integer"), s.Type.Is("number"):
		return pickOne[any](f.r, 0, 1, 2, 50, 100, 101, -1, int64(1)<<53, int64(-1)<<63, f.users[0].ID)
	case s.Type.Is("array"):
		list := make([]any, f.r.IntN(4))
		for i := range list {
			list[i] = f.value(s.Items, depth+1)
		}
		return list
	case s.Type.Is("object"):
		object := map[string]any{}
		for _, name := range sortedKeys(s.Properties) {
			if !slices.Contains(s.Required, name) && f.once(3) || f.once(25) {
				continue
			}
			object[name] = f.value(s.Properties[name], depth+1)
			if name == "accessToken" && f.once(2) {
				object[name] = f.sim.GoogleToken(f.r.IntN(len(f.users)), sim.GoogleClientID)
			}
			if name == "refreshToken" && f.once(2) {
				object[name] = f.users[f.r.IntN(len(f.users))].RefreshToken
			}
			if name == "code" && f.once(2) {
				object[name] = f.spotifyCode(f.r.IntN(len(f.users)), "", songspy.NeededScopes()...)
			}
		}
		if f.once(15) {
			object[f.text()] = f.text()
		}
		return object
	}
	if s.Format == "date-time" && f.once(2) {
		return time.Date(2026, 11, 27, 0, 0, f.r.IntN(60), 0, time.UTC).Format(time.RFC3339)
	}
	return f.text()
}

func sortedKeys(schemas openapi3.Schemas) []string {
	keys := make([]string, 0, len(schemas))
	for name := range schemas {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys
}

// corrupt damages the JSON of a body, with a probability of 1 in 12.
func (f *fuzzer) corrupt(content string) string {
	if !f.once(12) {
		return content
	}
	at := f.r.IntN(len(content) + 1)
	return pickOne(f.r, content[:at], content[:at]+"\xff"+content[at:], content+content, content+" x", "["+content+"]", "", "null",
		strings.Repeat("[", 20_000), `{"a":`+strings.Repeat(`{"a":`, 5000), strings.Repeat(" ", 70_000)+content)
}
