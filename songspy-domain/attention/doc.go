// Package attention decides which polls are worth most while somebody watches.
//
// Viewers see a wrong track (another one than the user plays) if the user's track has changed
// since the last poll. Risk is the probability of that, as a function of the time since the last
// poll. It also says how many seconds with a wrong track a poll is expected to save each viewer.
// Allowance counts the calls that may be made for viewers, and divides them among the viewers.
//
// A user is polled as soon as the saved seconds of all viewers together reach a fixed
// minimum. The more of a viewer's share is used up, the less the viewer's seconds count. So
// while calls are scarce, a poll must save more time, and each call goes where it saves
// most.
//
// The package is pure: values in, values out, and the time is an argument. It has no locks; the
// caller must lock.
package attention
