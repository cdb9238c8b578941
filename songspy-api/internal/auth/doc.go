// Package auth signs users up and in with Google, issues their tokens, and finds
// the user and session of each request.
//
// A client holds two tokens; a browser may hold a session cookie instead. The JWT is
// short-lived and names the user and the session. The refresh token is opaque and is stored
// only as a hash. A refresh replaces it by its successor, which is derived from it with a key
// of the server. So two tabs that refresh at the same time get the same successor, although
// the server does not store it. A later use of the replaced token ends the session.
//
// SignUp decides who may sign up. It sees only addresses that Google has verified, and does not
// store them. The interface Addresses stores them, if the instance sends mail.
package auth
