// Package quota decides how many calls a developer account may make, and how
// they are divided.
//
// Spotify counts an account's calls to the Web API over a rolling 24 hours and
// does not publish how many it allows. So the quota is learned. Calls counts
// the account's calls in buckets of five minutes. A refusal shows that the
// count has reached the quota. Account plans fewer calls than that, and
// increases the plan slowly. Plan divides the calls between users who are
// listening and users who are idle.
//
// The package is pure: values in, values out, time passed in. The caller holds
// the lock, and shares counts and refusals through the database.
package quota
