package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// poolerVariable names the environment variable with pgbouncer's URL.
const poolerVariable = "SONGSPY_TEST_PGBOUNCER_URL"

// poolerSettings is the format string of the configuration file of a pgbouncer in
// transaction mode. Its socket is in the directory %[1]s, and the server is at %[2]s. The
// pgbouncer accepts every role of the server. It closes unused connections to the server
// after two seconds, because every test uses another role, whose connections the other tests
// cannot use.
const poolerSettings = `[databases]
* = %[2]s
[pgbouncer]
listen_port = 6432
unix_socket_dir = %[1]s
auth_type = trust
auth_file = %[1]s/roles
auth_user = postgres
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1
pool_mode = transaction
max_client_conn = 2000
default_pool_size = 12
max_db_connections = 150
server_idle_timeout = 2
log_connections = 0
log_disconnections = 0
`

// pgbouncer returns the path of the installed pgbouncer, or an empty string.
func pgbouncer() string {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// startPgbouncer starts the installed pgbouncer in front of the server at target, which
// must trust every client. pgbouncer runs as the user given by the parameter as, or as the
// current user if that is nil. This user must own dir, the directory for pgbouncer's files.
// If pgbouncer is not installed, startPgbouncer returns a server without a URL.
func startPgbouncer(ctx context.Context, target, dir string, as *syscall.Credential) (server, error) {
	path := pgbouncer()
	if path == "" {
		return server{stop: func() error { return nil }}, nil
	}
	settings := filepath.Join(dir, "pgbouncer.ini")
	if err := errors.Join(
		os.WriteFile(settings, fmt.Appendf(nil, poolerSettings, dir, target), 0o644),    //nolint:gosec // pgbouncer reads it as another user
		os.WriteFile(filepath.Join(dir, "roles"), []byte("\"postgres\" \"\"\n"), 0o644), //nolint:gosec // likewise; it contains no secret
	); err != nil {
		return server{}, err
	}
	var log bytes.Buffer
	pooler := exec.CommandContext(context.WithoutCancel(ctx), path, settings)
	pooler.Dir, pooler.Stdout, pooler.Stderr = dir, &log, &log
	pooler.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if err := pooler.Start(); err != nil {
		return server{}, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pooler.Wait() // its log says how it ended
	}()
	stop := func() error {
		_ = pooler.Process.Signal(syscall.SIGTERM) // ends pgbouncer at once; fails if it has ended already
		<-ended
		return nil
	}
	address := "postgres:///postgres?" + url.Values{"host": {dir}, "port": {"6432"}, "user": {"postgres"}}.Encode()
	if err := waitUntilReady(ctx, address, ended); err != nil {
		return server{}, errors.Join(fmt.Errorf("%s: %w", path, err), stop(), errors.New(log.String()))
	}
	return server{url: address, stop: stop}, nil
}
