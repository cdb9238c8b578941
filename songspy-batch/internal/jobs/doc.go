// Package jobs holds the periodic jobs of the batch, each a type with a Run
// method: SeatAssignment gives free seats to waiting users, LinkRetry retries
// links that Spotify refused as not registered, LinkMetrics counts links for the
// metrics, and Cleanup deletes rows that nothing reads any more.
package jobs
