// Command throwaway runs a command with a Postgres server that lives as long as the
// command, so that the tests need no prepared database:
//
//	go run ./songspy-domain/store/storetest/throwaway -- go test work
//
// The command gets the server's URL in SONGSPY_TEST_POSTGRES_URL. If that variable is
// already set, throwaway starts no server. Otherwise it starts the PostgreSQL that is
// installed on the machine, or one in Docker if none is installed. If
// SONGSPY_TEST_POSTGRES_IMAGE is set, it always uses Docker, with that image instead of
// postgres:17. The exit status is the command's.
//
// SONGSPY_TEST_PG_DUMP tells the command how to run a pg_dump of the server's version: a
// program and its arguments, separated by spaces.
//
// If pgbouncer is installed, throwaway starts one in transaction mode in front of the
// server. The command gets its URL in SONGSPY_TEST_PGBOUNCER_URL.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	urlVariable  = "SONGSPY_TEST_POSTGRES_URL"
	dumpVariable = "SONGSPY_TEST_PG_DUMP"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run starts a server, runs the command in args, stops the server, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, "usage: throwaway -- command [argument …]")
		return 2
	}
	server, err := start(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "throwaway:", err)
		return 1
	}
	status := command(ctx, args, server, stdout, stderr)
	if err := server.stop(); err != nil {
		fmt.Fprintln(stderr, "throwaway: the server did not end cleanly:", err)
		return max(status, 1)
	}
	return status
}

// server is a running Postgres.
type server struct {
	url    string
	pooler string // the URL of a pgbouncer in front of the server; empty if there is none
	dump   string // the command of a pg_dump of the server's version; empty means the pg_dump on PATH
	stop   func() error
}

// start returns the server at the URL in SONGSPY_TEST_POSTGRES_URL. If that variable is
// empty, start starts a server and returns once it responds.
func start(ctx context.Context) (server, error) {
	if url := os.Getenv(urlVariable); url != "" {
		return server{url: url, pooler: os.Getenv(poolerVariable), dump: os.Getenv(dumpVariable), stop: func() error { return nil }}, nil
	}
	image := os.Getenv("SONGSPY_TEST_POSTGRES_IMAGE")
	if bin := installedServer(); bin != "" && image == "" {
		return startInstalled(ctx, bin)
	}
	if exec.CommandContext(ctx, "docker", "info").Run() == nil {
		return startDocker(ctx, cmp.Or(image, "postgres:17"))
	}
	return server{}, errors.New("there is neither PostgreSQL nor a running Docker here; `apt-get install postgresql` or `brew install postgresql@17` is enough")
}

// command runs args with the URLs of the server and the pooler in the environment, and
// returns the exit status. It runs args in a process group of their own, so that it can end
// every process that they have started when ctx ends.
func command(ctx context.Context, args []string, s server, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // running its arguments is the purpose of this program
	cmd.Env = append(os.Environ(), urlVariable+"="+s.url, poolerVariable+"="+s.pooler, dumpVariable+"="+s.dump)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		// Kill the rest of the process group, because its processes must not run longer
		// than the server. If the group has no processes left, Kill returns an error, which
		// does not matter.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(stderr, "throwaway:", err)
		return 1
	}
	return 0
}

// waitUntilReady returns nil once the server at url responds. It returns an error if the
// server has ended, if ctx ends, or if two minutes have passed before that. The channel
// ended is closed when the server ends; if it is nil, the end of the server is not noticed.
func waitUntilReady(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ticker.C:
		case <-ended:
			return errors.New("the server ended as soon as it had started")
		case <-ctx.Done():
			return fmt.Errorf("the server does not respond: %w", err)
		}
	}
}
