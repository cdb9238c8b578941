package main

import (
	"context"
	"fmt"
	"io"

	"github.com/songspy/songspy/songspy-sim/internal/populate"
)

// populateCommand signs people up and says what came of it.
func populateCommand(ctx context.Context, s *settings, stdout io.Writer) error {
	run, err := populate.New(populate.Options{
		API: s.api, Simulator: s.url, People: s.people, Workers: s.workers, Wait: s.wait, Invite: s.invite,
		GoogleRedirect: s.googleRedirect, SpotifyRedirect: s.spotifyRedirect, Progress: s.stderr,
	})
	if err != nil {
		return err
	}
	result, err := run.Run(ctx)
	if result != (populate.Result{}) {
		fmt.Fprintf(stdout, "%d people signed in, %d of them linked Spotify and %d chose a nickname just now\n",
			result.SignedIn, result.Linked, result.Named)
	}
	return err
}
