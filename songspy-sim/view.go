package main

import (
	"context"
	"io"

	"github.com/songspy/songspy/songspy-sim/internal/viewing"
)

// view signs people in and lets them look at what others listen to, until ctx ends.
func view(ctx context.Context, s *settings, stdout io.Writer) error {
	viewers, err := viewing.New(viewing.Options{
		API: s.apiURL, Simulator: s.simURL, People: s.people, Hostile: s.hostile, Seed: s.seed, Speed: s.speed, ReadyTimeout: s.wait,
		GoogleRedirect: s.googleRedirect, Output: stdout,
	})
	if err != nil {
		return err
	}
	return viewers.Run(ctx)
}
