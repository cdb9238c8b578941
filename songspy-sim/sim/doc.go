// Package sim imitates Spotify and Google on this machine, for tests, load
// tests and demonstrations. It returns the responses and errors of the real
// services for people who do not exist, whose plays are known to the
// millisecond.
//
//	s, err := sim.New(sim.Options{People: 24, Population: "lively"})
//	server := httptest.NewServer(s.Handler())
//	access, refresh := s.SpotifyTokens(7)
//
// Spotify is at /spotify/accounts and /spotify/api, Google at /google.
// Transport serves the same without a socket, so a test can use
// testing/synctest, where days pass in seconds:
//
//	client := &http.Client{Transport: s.Transport()}
//
// People are numbered from 0. Their identities and plays are a pure function of
// Options.Seed and the clock. So two processes agree on them and accept each
// other's tokens.
package sim
