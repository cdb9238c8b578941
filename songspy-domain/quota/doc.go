// Package quota decides how many calls a developer account may make, and how
// they are divided.
//
// Spotify counts an account's calls to the Web API over a rolling 24 hours and
// does not publish how many it allows. So the quota is learned. Calls counts
// the account's calls in buckets of five minutes. When Spotify refuses a call,
// the count has reached the quota. From then on Account plans fewer calls than
// that, and raises the number of planned calls slowly. Plan divides the planned
// calls between users who are listening and users who are idle.
//
// The package is pure: it does no I/O, and time is an argument. Its types are not
// safe for concurrent use, so the caller locks. The caller also shares counts and
// refusals with other processes through the database.
package quota
