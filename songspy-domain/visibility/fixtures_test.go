package visibility_test

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

const (
	owner songspy.UserID = 7
	other songspy.UserID = 9
	third songspy.UserID = 11
)

// minute returns the time n minutes after noon, when the owner signed up.
func minute(n float64) time.Time {
	return time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Minute)))
}

func ptr[T any](v T) *T { return &v }

// song returns a track with two artists.
func song() *songspy.Track {
	return &songspy.Track{
		URI: "spotify:track:1", Kind: songspy.KindTrack, Title: "One", Artists: "Air, Blue",
		ArtistRefs: []songspy.Artist{{URI: "spotify:artist:air", Name: "Air"}, {URI: "spotify:artist:blue", Name: "Blue"}},
	}
}

func play(from, to float64) *songspy.Play {
	return &songspy.Play{UserID: owner, StartedAt: minute(from), EndedAt: minute(to)}
}

// shares returns sharing settings that begin at minute(from). They show the given audience
// everything that the owner plays and has played.
func shares(from float64, a songspy.Audience) songspy.Sharing {
	return songspy.Sharing{UserID: owner, BeganAt: minute(from), Now: a, History: a}
}

func ruleOf(periods ...songspy.Sharing) visibility.Rule {
	return visibility.Rule{Owner: owner, Periods: periods}
}

// signedIn returns the viewer who is signed in as the user with the given ID, and has the
// given follows and blocks.
func signedIn(id songspy.UserID, follows []songspy.Follow, blocks []songspy.Block) visibility.Viewer {
	self := visibility.NewSelf(id)
	return visibility.SignedIn(self, visibility.NewRelations(self, follows, blocks))
}

func follows(follower, followed songspy.UserID, state songspy.FollowState) []songspy.Follow {
	return []songspy.Follow{{UserID: followed, FollowerID: follower, State: state}}
}

func sees(r visibility.Rule, th visibility.Thing, by visibility.Viewer, at time.Time) bool {
	value := "value"
	seen, ok := visibility.Reveal(&value, owner, r, th, by, at)
	if ok && seen.Value() != value {
		panic("Reveal returned another value")
	}
	return ok
}

// viewers returns a viewer of each kind, by name. The name describes the viewer's
// relation to the owner. For example, "follower" is a follower of the owner.
func viewers() map[string]visibility.Viewer {
	block := func(a, b songspy.UserID) []songspy.Block { return []songspy.Block{{UserID: a, BlockedID: b}} }
	approved := follows(other, owner, songspy.FollowApproved)
	return map[string]visibility.Viewer{
		"anonymous":               visibility.Anonymous(),
		"signed in":               signedIn(other, nil, nil),
		"has asked to follow":     signedIn(other, follows(other, owner, songspy.FollowRequested), nil),
		"follows a third":         signedIn(other, follows(other, third, songspy.FollowApproved), nil),
		"link, anonymous":         visibility.LinkHolder(visibility.Anonymous(), owner),
		"link, signed in":         visibility.LinkHolder(signedIn(other, nil, nil), owner),
		"link of a third":         visibility.LinkHolder(signedIn(other, nil, nil), third),
		"follower":                signedIn(other, approved, nil),
		"follower with link":      visibility.LinkHolder(signedIn(other, approved, nil), owner),
		"asked by the owner":      signedIn(other, follows(owner, other, songspy.FollowRequested), nil),
		"followed by the owner":   signedIn(other, follows(owner, other, songspy.FollowApproved), nil),
		"blocked":                 visibility.LinkHolder(signedIn(other, append(follows(owner, other, songspy.FollowApproved), approved...), block(owner, other)), owner),
		"has blocked":             visibility.LinkHolder(signedIn(other, append(follows(owner, other, songspy.FollowApproved), approved...), block(other, owner)), owner),
		"blocks a third":          signedIn(other, nil, block(other, third)),
		"preview as stranger":     visibility.PreviewOf(visibility.NewSelf(owner), visibility.Stranger),
		"preview as follower":     visibility.PreviewOf(visibility.NewSelf(owner), visibility.Follower),
		"preview as owner":        visibility.PreviewOf(visibility.NewSelf(owner), visibility.Owner),
		"preview of a third":      visibility.PreviewOf(visibility.NewSelf(third), visibility.Follower),
		"signed in without an id": signedIn(0, nil, nil),
		"owner":                   signedIn(owner, nil, nil),
	}
}
