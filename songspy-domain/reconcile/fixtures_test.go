package reconcile

import "github.com/songspy/songspy/songspy-domain/playback/playbacktest"

// The fixtures of package playbacktest under short names.
type (
	timeline = playbacktest.Timeline
	span     = playbacktest.Span
)

var (
	base           = playbacktest.Base
	songA          = playbacktest.SongA
	songB          = playbacktest.SongB
	short          = playbacktest.Short
	at             = playbacktest.At
	secondsIn      = playbacktest.SecondsIn
	playing        = playbacktest.Playing
	paused         = playbacktest.Paused
	idleAt         = playbacktest.IdleAt
	seconds        = playbacktest.DrawSeconds
	describe       = playbacktest.Describe
	storeRoundTrip = playbacktest.StoreRoundTrip
)
