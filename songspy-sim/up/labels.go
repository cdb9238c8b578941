package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// labels writes the lines of several programs to one place, whole, each behind
// its program's name.
type labels struct {
	mu  sync.Mutex
	out io.Writer
}

func newLabels(out io.Writer) *labels { return &labels{out: out} }

// of is the writer of one program.
func (l *labels) of(name string) io.Writer {
	return &labelled{labels: l, label: fmt.Sprintf("%-6s| ", strings.TrimPrefix(name, "songspy-"))}
}

type labelled struct {
	*labels
	label string
	begun []byte // a line whose end has not come yet
}

// Write keeps what follows the last line's end for the next call.
func (l *labelled) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = append(l.begun, text...)
	for {
		line, rest, whole := bytes.Cut(l.begun, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(l.out, "%s%s\n", l.label, line); err != nil {
			return 0, err
		}
		l.begun = rest
	}
}
