// Package logkey defines the keys of structured log attributes, so that every
// process and package logs the same thing under the same name.
package logkey

// The keys of log attributes. An attribute that only one place in the code logs
// needs no constant.
const (
	App     = "app"     // the name of a Spotify app
	Cause   = "cause"   // why a circuit breaker blocks calls
	Circuit = "circuit" // a host of a Spotify app: accounts or api
	Error   = "error"   // the text of an error
	Job     = "job"     // the name of a periodic job
	Polls   = "polls"   // a number of polls
	Request = "request" // the ID of an HTTP request
	Route   = "route"   // the template of an HTTP route
	Run     = "run"     // the number of a job's run
	Shards  = "shards"  // a number of shards
	Until   = "until"   // when a state ends
	UserID  = "user_id" // the ID of one user
	Users   = "users"   // a number of users
)
