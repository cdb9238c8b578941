// Package faults simulates errors of Spotify and Google in the forms in which they have
// been observed at the real services. It also has the rolling time windows in which the
// simulated Spotify counts calls for its rate limit and its quota.
package faults
