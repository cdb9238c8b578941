package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	readyTimeout = 2 * time.Minute  // how long a program may take to become ready; longer than a cold start on a slow machine
	stopTimeout  = 15 * time.Second // how long a program may take to stop after SIGTERM; the services need at most ten seconds
)

// supervisor starts the programs and stops them together.
type supervisor struct {
	bin     string   // the directory of the programs
	environ []string // the environment variables of the programs
	out     *labeledOutput
	running []*process    // the processes that the method start has started, in order
	ended   chan *process // receives each of these processes when it has ended
}

// process is one run of a program. When it has ended, err is set, and then done is closed.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func newSupervisor(bin string, environ []string, out io.Writer) *supervisor {
	return &supervisor{bin: bin, environ: environ, out: newLabeledOutput(out), ended: make(chan *process, 8)}
}

// startAll starts the programs of the plan one after another, each when the previous one is
// ready. Then it runs the plan's command populate to its end, and starts the command view. It
// returns an error if a program cannot be started, does not become ready or ends, if populate
// fails, or if ctx ends.
func (s *supervisor) startAll(ctx context.Context, p plan) error {
	for _, program := range p.programs {
		if _, err := s.start(program.name, program.args...); err != nil {
			return err
		}
		if err := s.waitReady(ctx, program); err != nil {
			return err
		}
	}
	if p.populate == nil {
		return nil
	}
	populate := s.command("songspy-sim", p.populate...)
	if err := populate.cmd.Start(); err != nil {
		return err
	}
	go populate.wait()
	select {
	case <-populate.done:
		if populate.err != nil {
			return fmt.Errorf("the users could not be signed up: %w", populate.err)
		}
		if p.view == nil {
			return nil
		}
		_, err := s.start("songspy-sim", p.view...)
		return err
	case p := <-s.ended:
		return errors.Join(p.exitError(), populate.stop())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), populate.stop())
	}
}

func (s *supervisor) command(name string, args ...string) *process {
	cmd := exec.Command(filepath.Join(s.bin, name), args...) //nolint:gosec // the programs of this repository
	cmd.Env = s.environ
	out := s.out.writer(name)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processGroup()
	cmd.WaitDelay = time.Second // limits how long cmd.Wait waits for a child of the program that still holds the output open
	return &process{name: name, cmd: cmd, done: make(chan struct{})}
}

func (s *supervisor) start(name string, args ...string) (*process, error) {
	p := s.command(name, args...)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.running = append(s.running, p)
	go func() {
		p.wait()
		s.ended <- p
	}()
	return p, nil
}

// waitReady waits until the program is ready. It returns an error if the program is not ready
// within readyTimeout, if any running program ends, or if ctx ends.
func (s *supervisor) waitReady(ctx context.Context, p program) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("%s is not ready after %s", p.name, readyTimeout))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !isReady(ctx, p.readyURL) {
		select {
		case <-ticker.C:
		case p := <-s.ended:
			return p.exitError()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func isReady(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// wait waits until a program or ctx ends. It returns an error that names the program, or
// the error of ctx.
func (s *supervisor) wait(ctx context.Context) error {
	select {
	case p := <-s.ended:
		return p.exitError()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopAll stops the running programs one after another, the one that was started last first.
// It returns when all have ended, with an error if it had to kill one.
func (s *supervisor) stopAll() error {
	var errs []error
	for _, p := range slices.Backward(s.running) {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.done)
}

// stop sends SIGTERM to the process group of p and waits until p has ended. If p has not
// ended after stopTimeout, stop kills the group and returns an error.
func (p *process) stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // a negative PID means the process group; the group may have ended already
	insist := time.NewTimer(stopTimeout)
	defer insist.Stop()
	select {
	case <-p.done:
		return nil
	case <-insist.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the process group
		<-p.done
		return fmt.Errorf("%s did not end within %s and was killed", p.name, stopTimeout)
	}
}

// exitError returns the error for a program that has ended although nobody stopped it.
func (p *process) exitError() error {
	return fmt.Errorf("%s ended: %v; see its output above", p.name, p.cmd.ProcessState)
}
