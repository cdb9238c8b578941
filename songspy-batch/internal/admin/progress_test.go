package admin

import (
	"bytes"
	"os"
	"testing"
	"time"
)

func TestWithoutATerminalProgressIsPrintedInLines(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	p := newProgress(&out, "counting sheep", "sheep", 100, func() time.Time { return now })
	for range 100 {
		p.add(1)
		now = now.Add(time.Second / 2)
	}
	p.showWait(time.Minute)
	p.showWait(time.Minute + 10*time.Millisecond) // by another worker
	p.finish()
	want := `counting sheep: 21 of 100, about 38s to go
counting sheep: 41 of 100, about 29s to go
counting sheep: 61 of 100, about 19s to go
counting sheep: 81 of 100, about 9s to go
counting sheep: 100 of 100, waiting for Spotify until 12:01:50 UTC
`
	if out.String() != want {
		t.Errorf("the output is\n%swant\n%s", out.String(), want)
	}
}

func TestIsTerminal_RejectsOtherWriters(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(&bytes.Buffer{}) {
		t.Error("a file or buffer counts as a terminal")
	}
}
