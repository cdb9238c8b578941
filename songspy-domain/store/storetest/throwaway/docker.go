package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
)

// startDocker starts a Postgres server in a Docker container of the image. The server
// listens on a free port of the loopback interface and keeps its data in memory. If
// pgbouncer is installed on this machine, startDocker also starts one in front of the
// server.
func startDocker(ctx context.Context, image string) (server, error) {
	id, err := docker(ctx, "run", "--detach", "--rm", "--publish", "127.0.0.1::5432",
		"--tmpfs", "/var/lib/postgresql/data", "--env", "POSTGRES_HOST_AUTH_METHOD=trust", image,
		"postgres", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=300")
	if err != nil {
		return server{}, err
	}
	stop := func() error {
		_, err := docker(context.WithoutCancel(ctx), "rm", "--force", "--volumes", id)
		return err
	}
	published, err := docker(ctx, "port", id, "5432/tcp")
	if err != nil {
		return server{}, errors.Join(err, stop())
	}
	_, port, err := net.SplitHostPort(published)
	if err != nil {
		return server{}, errors.Join(err, stop())
	}
	url := "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable"
	if err := waitUntilReady(ctx, url, nil); err != nil {
		return server{}, errors.Join(err, stop())
	}
	dir, err := os.MkdirTemp("", "songspy-pg-")
	if err != nil {
		return server{}, errors.Join(err, stop())
	}
	clean := func() error { return errors.Join(stop(), os.RemoveAll(dir)) }
	as, err := unprivilegedUser(dir)
	if err != nil {
		return server{}, errors.Join(err, clean())
	}
	pooler, err := startPgbouncer(ctx, "host=127.0.0.1 port="+port, dir, as)
	if err != nil {
		return server{}, errors.Join(err, clean())
	}
	dump := "docker run --rm --network=host " + image + " pg_dump"
	return server{url, pooler.url, dump, func() error { return errors.Join(pooler.stop(), clean()) }}, nil
}

// docker runs the docker command with the arguments and returns the first line of its
// output.
func docker(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	line, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return line, nil
}
