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
	// sayEvery is the time between two lines of progress where there is no terminal.
	progressLineInterval = 10 * time.Second
	// drawEvery is the time between two drawings of a bar: what is drawn for each
	// of a million would be what takes longest.
	redrawInterval = 100 * time.Millisecond
)

// progress shows how much of a chore is done: a bar on a terminal, else a line
// now and then. It is safe for use by several goroutines.
type progress struct {
	out   io.Writer
	label string
	total int64
	now   func() time.Time
	bar   *progressbar.ProgressBar // nil: no terminal

	mu         sync.Mutex
	done       int64
	startedAt  time.Time
	lastLineAt time.Time
	waitUntil  time.Time // until when nothing can be done; zero: there is nothing to wait for
}

func newProgress(to io.Writer, what, unit string, total int64, now func() time.Time) *progress {
	p := &progress{out: to, label: what, total: total, now: now, startedAt: now(), lastLineAt: now()}
	if isTerminal(to) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit),
			progressbar.OptionThrottle(redrawInterval), progressbar.OptionClearOnFinish())
	}
	return p
}

// add notes that so many more are done.
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
		_ = p.bar.Add(n) // a bar that cannot be drawn is no failure
		return
	}
	if now.Sub(p.lastLineAt) >= progressLineInterval {
		p.lastLineAt = now
		fmt.Fprintf(p.out, "%s: %d of %d%s\n", p.label, p.done, p.total, p.eta(now))
	}
}

// left says how long the rest takes at the pace so far.
func (p *progress) eta(now time.Time) string {
	if p.done <= 0 || p.done >= p.total {
		return ""
	}
	left := time.Duration(float64(now.Sub(p.startedAt)) * float64(p.total-p.done) / float64(p.done))
	return fmt.Sprintf(", about %s to go", left.Round(time.Second))
}

// wait says, once, that nothing can be done for so long.
func (p *progress) showWait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.now().Add(d)
	if !until.After(p.waitUntil.Add(time.Second)) {
		return
	}
	p.waitUntil = until
	words := fmt.Sprintf("waiting for Spotify until %s UTC", until.UTC().Format(time.TimeOnly))
	if p.bar != nil {
		p.bar.Describe(words)
		return
	}
	p.lastLineAt = p.now()
	fmt.Fprintf(p.out, "%s: %d of %d, %s\n", p.label, p.done, p.total, words)
}

// end takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// isTerminal reports whether a bar can be drawn on what is written to.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
