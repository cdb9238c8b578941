package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// settings holds the values of the flags of a command. A command has only some of them.
type settings struct {
	stderr io.Writer

	// The flags of the command serve. The command populate also takes -people. The command
	// view also takes -people and -seed.
	addr                string
	allowNetwork        bool
	seed                uint64
	people              int
	population          string
	publicURL           string
	rotateRefreshTokens bool
	tokenLife           time.Duration
	redirectURIs        string

	// The flags of view.
	hostile int
	speed   float64

	// The flags of populate. The command view also has apiURL, simURL, wait and
	// googleRedirect, and health has simURL.
	apiURL          string
	simURL          string
	wait            time.Duration
	workers         int
	invite          string
	stayAddr        string
	googleRedirect  string
	spotifyRedirect string
}

// readSettings reads the flags of a command from args. If a flag is not given, it takes the
// value of an environment variable: for example, -public-url takes that of
// SONGSPY_SIM_PUBLIC_URL. The variable of -sim is SONGSPY_SIM_URL. The function lookup looks
// up environment variables, as os.LookupEnv does.
func readSettings(command string, args []string, lookup func(string) (string, bool), stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("songspy-sim "+command, flag.ContinueOnError)
	f.SetOutput(stderr)
	services := func() {
		f.StringVar(&s.apiURL, "api", "http://127.0.0.1:8080", "address of Songspy's API")
		f.StringVar(&s.simURL, "sim", "http://127.0.0.1:8090", "address of the simulator")
		f.DurationVar(&s.wait, "wait", 2*time.Minute, "how long to wait for both to be ready")
		f.StringVar(&s.googleRedirect, "google-redirect", "http://127.0.0.1:3000/callback/google", "redirect URI of the frontend for Google")
	}
	switch command {
	case "serve":
		f.IntVar(&s.people, "people", 24, "the number of people")
		f.StringVar(&s.addr, "addr", "127.0.0.1:8090", "address to listen on")
		f.BoolVar(&s.allowNetwork, "allow-network", false, "allow an address beyond this machine, as in a container's internal network")
		f.Uint64Var(&s.seed, "seed", 1, "determines the people and what they play")
		f.StringVar(&s.population, "population", "lively", "lively, tenth, regular, restless or awkward")
		f.StringVar(&s.publicURL, "public-url", "http://127.0.0.1:8090", "address under which browsers reach the simulator")
		f.BoolVar(&s.rotateRefreshTokens, "rotate-refresh-tokens", false, "return a new refresh token to PKCE clients at each refresh")
		f.DurationVar(&s.tokenLife, "token-life", time.Hour, "lifetime of Spotify's access tokens")
		f.StringVar(&s.redirectURIs, "redirect-uris", "", "redirect URIs that are registered with Spotify, comma-separated; empty: any path on loopback")
	case "populate":
		services()
		f.IntVar(&s.people, "people", 24, "how many people to sign up")
		f.IntVar(&s.workers, "workers", 4, "how many people are signed up at once")
		f.StringVar(&s.invite, "invite", "", "the code of an invite, if signing up requires one")
		f.StringVar(&s.stayAddr, "stay", "", "keep running after all are signed up and answer /healthz at this address; empty: end")
		f.StringVar(&s.spotifyRedirect, "spotify-redirect", "http://127.0.0.1:3000/callback/spotify", "redirect URI of the frontend for Spotify")
	case "view":
		services()
		f.IntVar(&s.people, "people", 24, "how many people view, and follow some of each other")
		f.IntVar(&s.hostile, "hostile", 0, "how many viewers without an account watch all the time")
		f.Uint64Var(&s.seed, "seed", 1, "determines which people follow each other, and when they visit the page")
		f.Float64Var(&s.speed, "speed", 1, "how many times as often the people visit the page; with 1, six times a day")
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
		return nil, fmt.Errorf("%s does not accept the argument %q", command, f.Arg(0))
	}
	return s, nil
}
