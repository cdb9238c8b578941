// Package spotify answers as Spotify's accounts service and Web API do: the
// authorize page, /api/token, /v1/me, currently-playing and recently-played,
// with their quirks and their error bodies.
package spotify
