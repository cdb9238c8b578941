// Package sim is a local Spotify and Google for tests, load tests and
// demonstrations: what they serve, what they refuse and how they fail, for
// people who do not exist and whose listening is known to the millisecond.
//
//	s, err := sim.New(sim.Options{People: 24, Population: "lively"})
//	server := httptest.NewServer(s.Handler())
//	access, refresh := s.SpotifyTokens(7)
//
// Spotify lives under /spotify/accounts and /spotify/api, Google under
// /google. Transport serves the same without a socket, so that whole runs go
// through testing/synctest, where days pass in seconds:
//
//	client := &http.Client{Transport: s.Transport()}
//
// People are numbered from 0. Who they are, what they hear and when is a pure
// function of Options.Seed and the clock, so two processes agree on it, and
// on each other's tokens.
package sim
