package admin

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

const (
	// progressLineInterval is the time between two lines of progress if the
	// output is not a terminal.
	progressLineInterval = 10 * time.Second
	// redrawInterval is the time between two drawings of a bar. Drawing it a
	// million times would take longer than the work.
	redrawInterval = 100 * time.Millisecond
)

// progress shows how far a command has come: as a bar on a terminal, else as
// lines. It is safe for concurrent use.
type progress struct {
	out   io.Writer
	label string
	total int64
	now   func() time.Time
	bar   *progressbar.ProgressBar // nil if out is not a terminal

	mu         sync.Mutex
	done       int64
	startedAt  time.Time
	lastLineAt time.Time
	waitUntil  time.Time // until when the command waits for Spotify; zero if it does not wait
}

func newProgress(out io.Writer, label, unit string, total int64, now func() time.Time) *progress {
	p := &progress{out: out, label: label, total: total, now: now, startedAt: now(), lastLineAt: now()}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(label), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionThrottle(redrawInterval), progressbar.OptionClearOnFinish())
	}
	return p
}

// add adds n to the number of finished items.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(n)
	now := p.now()
	if !p.waitUntil.IsZero() && !now.Before(p.waitUntil) {
		p.waitUntil = time.Time{}
		if p.bar != nil {
			p.bar.Describe(p.label)
		}
	}
	if p.bar != nil {
		_ = p.bar.Add(n) // an error of the bar must not stop the command
		return
	}
	if now.Sub(p.lastLineAt) >= progressLineInterval {
		p.lastLineAt = now
		fmt.Fprintf(p.out, "%s: %d of %d%s\n", p.label, p.done, p.total, p.eta(now))
	}
}

// eta returns a text with the remaining time at the present rate, or "" if it is
// unknown.
func (p *progress) eta(now time.Time) string {
	if p.done <= 0 || p.done >= p.total {
		return ""
	}
	left := time.Duration(float64(now.Sub(p.startedAt)) * float64(p.total-p.done) / float64(p.done))
	return fmt.Sprintf(", about %s to go", left.Round(time.Second))
}

// showWait shows that the command waits for the duration d. If several workers
// wait until the same time, to within a second, only one line is shown.
func (p *progress) showWait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.now().Add(d)
	if !until.After(p.waitUntil.Add(time.Second)) {
		return
	}
	p.waitUntil = until
	text := fmt.Sprintf("waiting for Spotify until %s UTC", until.UTC().Format(time.TimeOnly))
	if p.bar != nil {
		p.bar.Describe(text)
		return
	}
	p.lastLineAt = p.now()
	fmt.Fprintf(p.out, "%s: %d of %d, %s\n", p.label, p.done, p.total, text)
}

// finish removes the bar.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// isTerminal reports whether w is a terminal that can show a bar.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
