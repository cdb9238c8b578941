// Package spotify simulates Spotify's accounts service and Web API: the
// authorize page, /api/token, /v1/me, currently-playing and recently-played,
// with their error bodies and quirks (deviations from the documentation).
package spotify
