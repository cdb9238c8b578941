// Package journey tests the built services, songspy-api and songspy-batch, over HTTP, with a
// simulated frontend, Spotify and Google, on every database; it tests the page on SQLite only.
// It follows the sequence diagrams of the original service.
package journey
