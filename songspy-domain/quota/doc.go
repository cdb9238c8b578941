// Package quota decides how many calls a developer account may make, and who
// gets them.
//
// Spotify counts an account's calls to the Web API over a rolling 24 hours and
// does not publish how many it allows. So the quota is learned: Calls counts
// what the account has called, in buckets of five minutes; a refusal says that
// the count has reached the quota; Account plans below it and probes upward
// slowly; Plan divides what is left between users who are listening and users
// who are idle.
//
// The package is pure: values in, values out, time passed in. The caller holds
// the lock, and shares counts and refusals through the database.
package quota
