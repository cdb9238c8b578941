package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// serverDirs are patterns of the directories into which packages install the programs of
// the PostgreSQL server. These directories are seldom on PATH.
var serverDirs = []string{
	"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
	"/usr/pgsql-*/bin",                  // Red Hat, packages of postgresql.org
	"/opt/homebrew/opt/postgresql*/bin", // macOS
	"/usr/local/opt/postgresql*/bin",    // macOS on Intel
}

// installedServer returns the directory with the programs of the newest installed
// PostgreSQL server, or an empty string if none is installed.
func installedServer() string {
	var found []string
	for _, dir := range serverDirs {
		matches, _ := filepath.Glob(filepath.Join(dir, "initdb")) // the patterns are well formed
		found = append(found, matches...)
	}
	if len(found) > 0 {
		return filepath.Dir(newestPath(found))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

// newestPath returns the path with the newest version: the one whose first number is the
// greatest. It compares numbers and not texts, so that 17 is newer than 9.
func newestPath(paths []string) string {
	version := func(path string) int {
		digits := ""
		for _, r := range path {
			if r >= '0' && r <= '9' {
				digits += string(r)
			} else if digits != "" {
				break
			}
		}
		n, _ := strconv.Atoi(digits) // a path without a number counts as 0, the oldest
		return n
	}
	return slices.MaxFunc(paths, func(a, b string) int { return version(a) - version(b) })
}

// startInstalled starts the Postgres server whose programs are in the directory bin, and
// pgbouncer if that is installed. The server listens only on a Unix socket in a directory
// of its own, so no port can collide, and no other user can reach the server. Postgres
// refuses to run as root. If this program runs as root, the server runs as another user:
// see unprivilegedUser.
func startInstalled(ctx context.Context, bin string) (server, error) {
	dir, release, err := claimDir()
	if err != nil {
		return server{}, err
	}
	as, err := unprivilegedUser(dir)
	if err != nil {
		return server{}, errors.Join(err, release())
	}
	data := filepath.Join(dir, "data")
	var log bytes.Buffer
	process := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
		// The server gets its own process group, so that an interrupt at the terminal does
		// not end it before the command that uses it.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
		return cmd
	}
	fail := func(err error) (server, error) {
		return server{}, errors.Join(fmt.Errorf("%s: %w\n%s", bin, err, log.Bytes()), release())
	}
	if err := process(ctx, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").Run(); err != nil {
		return fail(err)
	}
	// The data need not survive a crash, and Postgres is much faster without the settings
	// that protect them.
	postgres := process(context.WithoutCancel(ctx), "postgres", "-D", data, "-k", dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=300")
	if err := postgres.Start(); err != nil {
		return fail(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = postgres.Wait() // its log says how it ended
	}()

	address := "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}}.Encode()
	if err := waitUntilReady(ctx, address, ended); err != nil {
		_ = postgres.Process.Signal(syscall.SIGQUIT) // fails if the server has ended already
		<-ended
		return fail(err)
	}
	stop := func() error {
		err := postgres.Process.Signal(syscall.SIGINT) // Postgres's fast shutdown, which ends sessions instead of waiting for them
		<-ended
		return errors.Join(err, release())
	}
	pooler, err := startPgbouncer(ctx, "host="+dir+" port=5432", dir, as)
	if err != nil {
		return server{}, errors.Join(err, stop())
	}
	dump, _ := exec.LookPath(filepath.Join(bin, "pg_dump")) // empty if the server was installed without the client programs
	return server{address, pooler.url, dump, func() error { return errors.Join(pooler.stop(), stop()) }}, nil
}

// unprivilegedUser returns the user that Postgres and pgbouncer run as, and makes that user
// the owner of dir. It returns nil if the current user is not root: they run as the current
// user then.
func unprivilegedUser(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody")
}
