// Package spotify simulates Spotify's accounts service and Web API: the
// authorize page, /api/token, /v1/me, currently-playing and recently-played,
// with their quirks and error bodies.
package spotify
