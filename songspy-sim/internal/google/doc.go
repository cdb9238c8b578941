// Package google simulates Google's sign-in: the authorize page, the token
// endpoint, all forms of tokeninfo and userinfo, and the discovery, keys and ID
// tokens of OpenID Connect.
//
// Two apps (OAuth clients) are registered: Songspy's and a foreign one. So tests can send
// Songspy a token that was issued to the foreign app. As at Google, userinfo accepts such
// a token, and only tokeninfo reveals to which app it was issued.
package google
