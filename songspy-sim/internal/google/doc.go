// Package google answers as Google does around sign-in: the authorize page,
// the token endpoint, tokeninfo and userinfo in their several forms, and
// OpenID Connect's discovery, keys and ID tokens.
//
// Two apps are registered, so that a token issued to somebody else can be
// tried: userinfo accepts it gladly, and only tokeninfo tells.
package google
