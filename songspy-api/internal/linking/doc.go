// Package linking links users to Spotify accounts. It builds the authorization URL,
// exchanges the code for tokens, checks the granted scopes, and stores the link. It
// also chooses the Spotify app of a link, and handles requests for seats in these apps.
package linking
