package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// labeledOutput writes whole lines of several programs to one writer, each with
// the name of its program.
type labeledOutput struct {
	mu  sync.Mutex
	out io.Writer
}

func newLabeledOutput(out io.Writer) *labeledOutput { return &labeledOutput{out: out} }

// writer returns the writer of one program.
func (l *labeledOutput) writer(name string) io.Writer {
	return &labeledWriter{labeledOutput: l, label: fmt.Sprintf("%-6s| ", strings.TrimPrefix(name, "songspy-"))}
}

type labeledWriter struct {
	*labeledOutput
	label   string
	partial []byte // the last line, while it has no end
}

// Write writes the complete lines of text, and keeps the rest until the next
// call completes the line.
func (l *labeledWriter) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, text...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(l.out, "%s%s\n", l.label, line); err != nil {
			return 0, err
		}
		l.partial = rest
	}
}
