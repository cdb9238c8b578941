// Package identity knows who speaks: it signs people up with Google, gives
// them tokens, and tells for each request whether the session behind its token
// still lives.
//
// Two tokens are given out. The JWT is short-lived and names the person and the
// session; the refresh token is opaque, good for one use and stored as a hash
// alone. Its successor is derived from it under a key of the server, so that
// two tabs that refresh at once get the same one without the server having
// kept it.
//
// Who may sign up is a rule of its own, SignUp: of a newcomer's address it sees
// only what Google has verified, and keeps nothing. Where mail is sent, Addresses
// keeps it.
package auth
