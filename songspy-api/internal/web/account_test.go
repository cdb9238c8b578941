package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// account answers the requests of the page for which a test has set an answer, most of them
// about the viewer's account. The API's handler answers all other requests. account also records
// the changes that the page requests.
type account struct {
	mu      sync.Mutex
	answers map[string]string
	changes []string
}

// answerWith sets answers by route. A key is a route, such as "GET /me/gaps", or a route with a
// query, which then has its own answer: "GET /me/gaps?limit=10". A value is the data of the
// answer as JSON; or an error, with status, code and message: "409 SPOTIFY_NO_SEAT All are
// taken."; or only a status, "502", for an error page of a proxy.
func (a *account) answerWith(answers map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answers == nil {
		a.answers = map[string]string{}
	}
	maps.Copy(a.answers, answers)
}

// asked returns the changes that the page has requested, in order: all requests except GET that
// have an answer of the test, such as "PATCH /me/sharing {"now":"nobody"}".
func (a *account) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.changes)
}

// answer answers the request if the test has set an answer for it. Otherwise it writes nothing
// and returns false.
func (a *account) answer(w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/songspy")
	if !ok {
		return false // a page, such as /me
	}
	route := r.Method + " " + path
	data, ok := a.answers[route+"?"+r.URL.RawQuery]
	if !ok {
		data, ok = a.answers[route]
	}
	if !ok {
		return false
	}
	if r.Method != http.MethodGet {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		a.changes = append(a.changes, strings.TrimSpace(route+" "+string(body)))
	}
	w.Header().Set("Content-Type", "application/json")
	status, failure, _ := strings.Cut(data, " ")
	if n, err := strconv.Atoi(status); err == nil && n >= http.StatusBadRequest {
		code, message, _ := strings.Cut(failure, " ")
		w.WriteHeader(n)
		if code == "" {
			_, _ = io.WriteString(w, "<html>An error</html>")
			return true
		}
		_, _ = fmt.Fprintf(w, `{"result":"ERROR","data":null,"error":{"code":%q,"message":%q,"field":null}}`, code, message)
		return true
	}
	_, _ = fmt.Fprintf(w, `{"result":"SUCCESS","data":%s,"error":null}`, data)
	return true
}

// signedIn returns a page test in which the user of the first entry is signed in and follows
// nobody. It passes the answers to account.answerWith.
func signedIn(t *testing.T, entries []songspy.BoardEntry, answers map[string]string) *pageTest {
	s := newPageTest(t, entries...)
	s.feed.viewer = entries[0].User.ID
	s.account.answerWith(answers)
	return s
}

// contractJSON returns data of the contract as JSON.
func contractJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// noItems is an empty list of the contract.
const noItems = `{"items":[],"nextCursor":null}`
