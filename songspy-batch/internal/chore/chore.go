// Package chore is what an operator has the batch do once and by hand, over
// every listener: sealing tokens anew, and asking everybody's history. A chore
// shows how far it is, can be ended at any moment and begun again, and says at
// the end what came of it.
package chore

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// sayEvery is the time between two lines of progress where there is no terminal.
const sayEvery = 10 * time.Second

// progress shows how much of a chore is done: a bar on a terminal, else a line
// now and then.
type progress struct {
	to    io.Writer
	what  string
	total int64
	done  int64
	said  time.Time
	now   func() time.Time
	bar   *progressbar.ProgressBar // nil: no terminal
}

func newProgress(to io.Writer, what string, total int64, now func() time.Time) *progress {
	p := &progress{to: to, what: what, total: total, now: now, said: now()}
	if isTerminal(to) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) add(n int) {
	p.done += int64(n)
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn is no failure
		return
	}
	if now := p.now(); now.Sub(p.said) >= sayEvery {
		p.said = now
		fmt.Fprintf(p.to, "%s: %d of %d\n", p.what, p.done, p.total)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
