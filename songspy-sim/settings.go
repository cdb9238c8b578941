package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// settings are what flags and environment say.
type settings struct {
	stderr io.Writer

	// serve
	addr                string
	allowNetwork        bool
	seed                uint64
	people              int
	population          string
	publicURL           string
	rotateRefreshTokens bool
	tokenLife           time.Duration
	redirectURIs        string

	// populate and health
	apiURL          string
	simURL          string
	wait            time.Duration
	workers         int
	invite          string
	stayAddr        string
	googleRedirect  string
	spotifyRedirect string
}

// readSettings reads the flags of a command; what a flag does not say the
// environment may, under SONGSPY_SIM_ and the flag's name.
func readSettings(command string, args []string, lookup func(string) (string, bool), stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("songspy-sim "+command, flag.ContinueOnError)
	f.SetOutput(stderr)
	switch command {
	case "serve":
		f.IntVar(&s.people, "people", 24, "how many people there are")
		f.StringVar(&s.addr, "addr", "127.0.0.1:8090", "address to listen on")
		f.BoolVar(&s.allowNetwork, "allow-network", false, "listen also beyond this machine; for a container's internal network")
		f.Uint64Var(&s.seed, "seed", 1, "decides who everybody is and what they hear")
		f.StringVar(&s.population, "population", "lively", "lively, tenth, regular, restless or awkward")
		f.StringVar(&s.publicURL, "public-url", "http://127.0.0.1:8090", "address under which browsers reach the simulator")
		f.BoolVar(&s.rotateRefreshTokens, "rotate-refresh-tokens", false, "give PKCE clients a new refresh token at each refresh")
		f.DurationVar(&s.tokenLife, "token-life", time.Hour, "life of Spotify's access tokens")
		f.StringVar(&s.redirectURIs, "redirect-uris", "", "registered with Spotify, comma-separated; empty: any path on loopback")
	case "populate":
		f.IntVar(&s.people, "people", 24, "how many people to sign up")
		f.StringVar(&s.apiURL, "api", "http://127.0.0.1:8080", "address of Songspy's API")
		f.StringVar(&s.simURL, "sim", "http://127.0.0.1:8090", "address of the simulator")
		f.DurationVar(&s.wait, "wait", 2*time.Minute, "how long to wait until both are ready")
		f.IntVar(&s.workers, "workers", 4, "how many people are signed up at a time")
		f.StringVar(&s.invite, "invite", "", "the code of an invite, if signing up needs one")
		f.StringVar(&s.stayAddr, "stay", "", "when all are signed up, answer /healthz at this address until stopped; empty: end")
		f.StringVar(&s.googleRedirect, "google-redirect", "http://127.0.0.1:3000/callback/google", "redirect URI of the frontend for Google")
		f.StringVar(&s.spotifyRedirect, "spotify-redirect", "http://127.0.0.1:3000/callback/spotify", "redirect URI of the frontend for Spotify")
	case "health":
		f.StringVar(&s.simURL, "sim", "http://127.0.0.1:8090", "address of the simulator")
	}
	var problem error
	f.VisitAll(func(fl *flag.Flag) {
		name := "SONGSPY_SIM_" + strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_"))
		if fl.Name == "sim" {
			name = "SONGSPY_SIM_URL"
		}
		if value, ok := lookup(name); ok && value != "" {
			if err := f.Set(fl.Name, value); err != nil && problem == nil {
				problem = fmt.Errorf("%s=%q: %w", name, value, err)
			}
		}
	})
	if problem != nil {
		return nil, problem
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%s takes no argument %q", command, f.Arg(0))
	}
	return s, nil
}
