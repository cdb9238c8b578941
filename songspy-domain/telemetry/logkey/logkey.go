// Package logkey defines the keys of structured log attributes, so that every
// process and package logs the same thing under the same name.
package logkey

// The keys of log attributes, and what the value of each attribute is. A key that
// only one statement of the code logs needs no constant.
const (
	App     = "app"     // the name of a Spotify app
	Cause   = "cause"   // why a circuit breaker blocks calls
	Circuit = "circuit" // the host that a Spotify app calls: accounts or api
	Error   = "error"   // the text of an error
	Job     = "job"     // the name of a periodic job
	Polls   = "polls"   // the numbers of polls, by outcome
	Request = "request" // the ID of an HTTP request
	Route   = "route"   // the pattern of an HTTP route, without the values of its parameters
	Run     = "run"     // the number of a job's run
	Shards  = "shards"  // a number of shards (parts of the users)
	Until   = "until"   // the time at which the logged state ends
	UserID  = "user_id" // the ID of one user
	Users   = "users"   // a number of users
)
