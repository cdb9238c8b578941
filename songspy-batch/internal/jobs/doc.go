// Package jobs holds the periodic jobs of the batch, each a type with a Run
// method: SeatAssignment assigns free seats in Spotify apps to the waiting list, LinkRetry
// tries again the links of users that were not registered with the Spotify app, LinkMetrics
// counts links for the metrics, and Cleanup deletes rows that are not needed any more.
package jobs
