// Package sim imitates Spotify and Google on this machine, for tests, load tests and
// demonstrations. It returns the responses and errors of the real services for
// simulated people. A test can read what these people really play, to the millisecond.
//
//	s, err := sim.New(sim.Options{People: 24, Population: "lively"})
//	server := httptest.NewServer(s.Handler())
//	access, refresh := s.SpotifyTokens(7)
//
// The simulated Spotify is at /spotify/accounts and /spotify/api, and the simulated
// Google at /google. Transport serves the same without a socket. So a test can use
// package testing/synctest, whose fake clock lets days pass in seconds:
//
//	client := &http.Client{Transport: s.Transport()}
//
// People are numbered from 0. Their identities and plays are a pure function of
// Options.Seed, the population and the time. So two processes with the same options
// agree on them and accept each other's tokens.
package sim
