// Package faults simulates errors of Spotify and Google, as they have been
// observed at the real services.
package faults
