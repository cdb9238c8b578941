package storetest

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// value returns a function that takes the two results of a call. The function returns the
// first one, and fails the test if the second one is an error:
// value[int64](t)(s.LinkCount(ctx)).
func value[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// same fails the test unless got and want have the same JSON. So pointers are compared by
// what they point to, and times by their zones too. Secrets are masked in JSON, so they are
// not compared.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := jsonText(t, got), jsonText(t, want); g != w {
		t.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// requireError fails the test unless err has the code and the reason.
func requireError(t testing.TB, err error, code songspy.Code, reason string) {
	t.Helper()
	RequireCode(t, err, code)
	same(t, "the error's reason", songspy.ReasonOf(err), reason)
}

// statementLog records the statements of a store. The store calls its method observe after
// each statement, because the test sets it as Options.Observe. A test can also let the log
// run code after a statement.
type statementLog struct {
	mu       sync.Mutex
	executed []string
	// after is called after each statement, before the transaction of the statement
	// continues. It may be nil.
	after func(statement string)
}

func (s *statementLog) observe(statement string, _ time.Duration) {
	s.mu.Lock()
	s.executed = append(s.executed, statement)
	after := s.after
	s.mu.Unlock()
	if after != nil {
		after(statement)
	}
}

// recordDuring returns the statements that run during fn.
func (s *statementLog) recordDuring(fn func()) []string {
	s.mu.Lock()
	s.executed = nil
	s.mu.Unlock()
	fn()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.executed
}

// runAfter makes the log call fn once: directly after the next statement that contains the
// text, and before the transaction of that statement continues.
func (s *statementLog) runAfter(text string, fn func()) {
	var once sync.Once
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = func(statement string) {
		if strings.Contains(statement, text) {
			once.Do(fn)
		}
	}
}
