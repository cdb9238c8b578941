package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// labeledOutput writes the output of several programs to one writer. It writes whole lines
// only, so that lines of two programs do not mix, each with the name of its program.
type labeledOutput struct {
	mu  sync.Mutex
	out io.Writer
}

func newLabeledOutput(out io.Writer) *labeledOutput { return &labeledOutput{out: out} }

// writer returns the writer for the output of the program with the given name.
func (l *labeledOutput) writer(name string) io.Writer {
	return &labeledWriter{labeledOutput: l, label: fmt.Sprintf("%-6s| ", strings.TrimPrefix(name, "songspy-"))}
}

type labeledWriter struct {
	*labeledOutput
	label   string
	partial []byte // the beginning of a line whose end the program has not written yet
}

// Write writes the complete lines of text. It keeps an incomplete last line until a later
// call completes it.
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
