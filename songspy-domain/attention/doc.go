// Package attention decides which polls are worth most while somebody watches.
//
// Risk is the probability that the picture of a user, the track that viewers see, is
// wrong some time after the last poll. It says how much a poll saves: the expected time with a wrong picture that later
// viewers do not see. Allowance counts the calls that may be made for viewers, and
// divides them equally among the viewers.
//
// A user is polled as soon as the saved time, for all viewers together, reaches a price.
// A viewer counts less the more of their share is used up, so the price rises while
// calls are scarce, and each call goes where it saves most.
//
// The package is pure: values in, values out, time passed in. The caller holds the lock.
package attention
