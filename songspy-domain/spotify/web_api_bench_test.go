package spotify

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// aTrack is an answer of Spotify's currently-playing while a track plays. Its long lists,
// such as the markets, are shortened.
const aTrack = `{"timestamp":1790000000000,"context":{"type":"playlist","href":"https://api.spotify.com/v1/playlists/37i9dQZF1DX","external_urls":{"spotify":"https://open.spotify.com/playlist/37i9dQZF1DX"},"uri":"spotify:playlist:37i9dQZF1DX"},"progress_ms":73012,"item":{"album":{"album_type":"album","artists":[{"external_urls":{"spotify":"https://open.spotify.com/artist/0TnOYISbd1XYRBk9myaseg"},"href":"https://api.spotify.com/v1/artists/0TnOYISbd1XYRBk9myaseg","id":"0TnOYISbd1XYRBk9myaseg","name":"Somebody","type":"artist","uri":"spotify:artist:0TnOYISbd1XYRBk9myaseg"}],"available_markets":["AD","AE","AR","AT","AU","BE","BG","BR","CA","CH","CL","CO","CZ","DE","DK","ES","FI","FR","GB","GR","HK","HU","ID","IE","IL","IN","IS","IT","JP","KR"],"external_urls":{"spotify":"https://open.spotify.com/album/4aawyAB9vmqN3uQ7FjRGTy"},"href":"https://api.spotify.com/v1/albums/4aawyAB9vmqN3uQ7FjRGTy","id":"4aawyAB9vmqN3uQ7FjRGTy","images":[{"height":640,"url":"https://i.scdn.co/image/640","width":640},{"height":300,"url":"https://i.scdn.co/image/300","width":300},{"height":64,"url":"https://i.scdn.co/image/64","width":64}],"name":"An Album","release_date":"2012-11-13","release_date_precision":"day","total_tracks":18,"type":"album","uri":"spotify:album:4aawyAB9vmqN3uQ7FjRGTy"},"artists":[{"external_urls":{"spotify":"https://open.spotify.com/artist/0TnOYISbd1XYRBk9myaseg"},"href":"https://api.spotify.com/v1/artists/0TnOYISbd1XYRBk9myaseg","id":"0TnOYISbd1XYRBk9myaseg","name":"Somebody","type":"artist","uri":"spotify:artist:0TnOYISbd1XYRBk9myaseg"}],"available_markets":["AD","AE","AR","AT","AU","BE","BG","BR","CA","CH","CL","CO","CZ","DE","DK","ES","FI","FR","GB","GR","HK","HU","ID","IE","IL","IN","IS","IT","JP","KR"],"disc_number":1,"duration_ms":238173,"explicit":false,"external_ids":{"isrc":"USRC11200786"},"external_urls":{"spotify":"https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"},"href":"https://api.spotify.com/v1/tracks/4uLU6hMCjMI75M1A2tKUQC","id":"4uLU6hMCjMI75M1A2tKUQC","is_local":false,"name":"A Song","popularity":64,"preview_url":null,"track_number":3,"type":"track","uri":"spotify:track:4uLU6hMCjMI75M1A2tKUQC"},"currently_playing_type":"track","actions":{"disallows":{"resuming":true}},"is_playing":true}`

// BenchmarkCurrentlyPlaying measures the time and the allocations of a call, not counting
// the transport.
func BenchmarkCurrentlyPlaying(b *testing.B) {
	for _, c := range []struct {
		name   string
		status int
		body   string
	}{
		{"idle", http.StatusNoContent, ""},
		{"a track", http.StatusOK, aTrack},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := New(Config{ClientID: "bench", Transport: instantTransport(func() *http.Response {
				return &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(c.body))}
			})})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.CurrentlyPlaying(b.Context(), "a token"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// instantTransport answers immediately.
type instantTransport func() *http.Response

func (f instantTransport) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }
