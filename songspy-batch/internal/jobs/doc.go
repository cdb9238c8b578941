// Package jobs holds the periodic jobs of the batch, each a type with a Run
// method: SeatAssignment gives free seats to waiting users, LinkRetry retries
// links of users that were not registered, LinkMetrics counts links for the
// metrics, and Cleanup deletes rows that are not needed any more.
package jobs
