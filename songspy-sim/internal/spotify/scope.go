package spotify

import "strings"

// Scopes is a set of Spotify's OAuth scopes, one bit each.
type Scopes uint8

// The scopes that the simulator knows.
const (
	CurrentlyPlaying Scopes = 1 << iota
	RecentlyPlayed
	PlaybackState
	Email
	Private
	TopRead

	// ListeningScopes are the scopes that Songspy requests.
	ListeningScopes = CurrentlyPlaying | RecentlyPlayed
)

var scopeNames = []string{
	"user-read-currently-playing", "user-read-recently-played", "user-read-playback-state",
	"user-read-email", "user-read-private", "user-top-read",
}

// ParseScopes returns the set of the scopes with the given names. If a name is unknown, it
// returns no scopes and the first unknown name.
func ParseScopes(names []string) (set Scopes, unknown string) {
next:
	for _, name := range names {
		for i, known := range scopeNames {
			if name == known {
				set |= 1 << i
				continue next
			}
		}
		return 0, name
	}
	return set, ""
}

// Names returns the names of the scopes.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (s Scopes) String() string { return strings.Join(s.Names(), " ") }
