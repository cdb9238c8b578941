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

// value takes a call's value and fails the test on its error.
func value[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// same fails the test unless got reads as want does, in JSON: there pointers
// are what they point to, and a time shows its zone. Secrets show as masks.
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

// refused fails the test unless err has the code and the reason.
func requireError(t testing.TB, err error, code songspy.Code, reason string) {
	t.Helper()
	RequireCode(t, err, code)
	same(t, "the error's reason", songspy.ReasonOf(err), reason)
}

// statements records what a store asked its database, and lets a test step in
// after a statement.
type statementLog struct {
	mu       sync.Mutex
	executed []string
	// after is called when a statement has run, within its transaction.
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

// during returns what was asked while fn ran.
func (s *statementLog) recordDuring(fn func()) []string {
	s.mu.Lock()
	s.executed = nil
	s.mu.Unlock()
	fn()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.executed
}

// stepIn calls fn once, right after the first statement that holds the text.
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
