// Package google simulates Google's sign-in: the authorize page, the token
// endpoint, all forms of tokeninfo and userinfo, and the discovery, keys and ID
// tokens of OpenID Connect.
//
// Two apps are registered, so that tests can use a token of a foreign app:
// userinfo accepts it, and only tokeninfo shows the difference.
package google
