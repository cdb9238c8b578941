package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// Settings of the simulator.
const (
	seed       = 1
	population = "tenth"
)

// stopTimeout is how long a process may take to end after a signal.
const stopTimeout = 15 * time.Second

// build builds commands with the release's build flags into dir.
func build(ctx context.Context, dir string, commands ...string) error {
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}
	for _, c := range commands {
		args = append(args, "github.com/songspy/songspy/"+c)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %v failed: %w\n%s", commands, err, out)
	}
	return nil
}

func (b *bench) startSim(ctx context.Context) (*process, error) {
	return b.start(ctx, "songspy-sim", nil,
		"serve", "-addr", "127.0.0.1:0", "-people", strconv.Itoa(b.people), "-population", population, "-seed", strconv.Itoa(seed))
}

func (b *bench) startBatch(ctx context.Context, interval time.Duration) (*process, error) {
	provider := "http://" + b.sim.address
	return b.start(ctx, "songspy-batch", []string{
		"SONGSPY_ENV=development", "SONGSPY_LOG_FORMAT=text", "SONGSPY_BATCH_ADDR=127.0.0.1:0",
		"SONGSPY_DATABASE_URL=" + b.db.url, "SONGSPY_SEAL_KEYS=" + b.db.sealKeys(),
		"SONGSPY_SPREAD=false", "SONGSPY_POLL_INTERVAL=" + interval.String(),
		"SONGSPY_POLL_CONCURRENCY=" + strconv.Itoa(b.workers),
		"SONGSPY_SPOTIFY_CLIENT_ID=" + sim.SpotifyClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET=" + sim.SpotifyClientSecret,
		"SONGSPY_SPOTIFY_AUTHORIZE_URL=" + provider + "/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL=" + provider + "/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL=" + provider + "/spotify/api",
		"SONGSPY_GOOGLE_CLIENT_ID=" + sim.GoogleClientID,
		"SONGSPY_GOOGLE_USERINFO_URL=" + provider + "/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL=" + provider + "/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL=" + provider + "/google",
	}, "serve")
}

// process is a running binary.
type process struct {
	name    string
	cmd     *exec.Cmd
	address string // the address on which it listens
	log     *logTail
	ending  chan struct{} // closed when the bench ends the process
	ended   chan struct{} // closed when the process has ended
	once    sync.Once
}

// start starts a binary and waits until it listens. If the process ends
// unexpectedly, the measurement fails with the end of its log.
func (b *bench) start(ctx context.Context, name string, env []string, args ...string) (*process, error) {
	p := &process{
		name: name, log: &logTail{listening: make(chan string, 1)},
		ending: make(chan struct{}), ended: make(chan struct{}),
	}
	p.cmd = exec.CommandContext(ctx, filepath.Join(b.dir, name), args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = b.dir, p.log, p.log
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir}, env...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		defer close(p.ended)
		err := p.cmd.Wait()
		select {
		case <-p.ending:
		default:
			b.fail(fmt.Errorf("%s ended unexpectedly: %w\n%s", name, err, p.log.end()))
		}
	}()
	select {
	case p.address = <-p.log.listening:
		return p, nil
	case <-p.ended:
		return nil, context.Cause(ctx)
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), p.stop())
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop sends SIGTERM to the process and waits until it has ended.
func (p *process) stop() error { return p.end(syscall.SIGTERM) }

// kill sends SIGKILL to the process and waits until it has ended.
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

// end sends the signal, unless the process has ended already, and waits for its end. If the process
// does not end within stopTimeout, end kills it and returns an error.
func (p *process) end(signal syscall.Signal) error {
	p.once.Do(func() { close(p.ending) })
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end within %s after the signal and was killed", p.name, stopTimeout), p.cmd.Process.Kill())
	}
}

// logTail keeps the last lines of a started process's log, to show them if it
// fails. It also finds, in the process's "listening" message, the address at
// which the process listens.
type logTail struct {
	listening chan string

	mu           sync.Mutex
	text         []byte
	foundAddress bool
}

const logTailBytes = 8 << 10

var listeningPattern = regexp.MustCompile(`msg=listening addr(?:ess)?=(\S+)\n`)

// Write implements io.Writer.
func (t *logTail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if m := listeningPattern.FindSubmatch(t.text); m != nil && !t.foundAddress {
		t.foundAddress = true
		t.listening <- string(m[1])
	}
	if over := len(t.text) - logTailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *logTail) end() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.text)
}

// cpuTime is processor time that a process has used.
type cpuTime time.Duration

func (c cpuTime) sub(before cpuTime) cpuTime { return c - before }

// perCall returns the time of one call in microseconds.
func (c cpuTime) perCall(calls int) float64 {
	return float64(time.Duration(c).Microseconds()) / float64(max(calls, 1))
}

// cpuOf returns the processor time that the process has used.
func cpuOf(pid int) (cpuTime, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("reading the process from /proc failed (the bench needs Linux): %w", err)
	}
	stat, err := proc.Stat()
	return cpuTime(stat.CPUTime() * float64(time.Second)), err
}

// peakRSS returns the process's peak resident memory in bytes.
func peakRSS(pid int) (uint64, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	status, err := proc.NewStatus()
	return status.VmHWM, err
}
