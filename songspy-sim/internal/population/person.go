package population

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The salts separate streams of random numbers. With a different salt, the same seed and
// the same person give independent numbers.
const (
	saltTrack uint64 = iota + 1
	saltAlbum
	saltArtist
	saltDuration
	saltPhase
	saltSession
	saltTaste
	saltPerson
	saltSpurious
	saltAccount
	saltGoogle
	saltScripted
	saltUnlisted
	saltWhole
	saltDistort
)

// Person is a person's identity at the two providers.
type Person struct {
	Number int

	SpotifyID   string // the id in the answer of /v1/me; unlike AccountID, it is sometimes a name that the person chose
	AccountID   string // the account_id in that answer
	DisplayName string // at Spotify; empty if the Web API answers null
	HasImage    bool   // the person has a picture at Spotify

	GoogleID   string // Google's sub, 21 digits
	Email      string
	GivenName  string
	FamilyName string // empty for some people
	HasPicture bool   // the person has a picture at Google
	Nickname   string // the nickname that the person chooses in Songspy; empty if they choose none

	PlayedAtIsEnd   bool          // in history, played_at is the end of a play, not its start
	FrozenTimestamp bool          // in answers of currently-playing, timestamp stays at the play's start
	Free            bool          // the person has no Premium and gets advertisements
	Crossfade       time.Duration // how long before the end of a song the next one begins
}

// traits are the properties of a person that are needed to compute what the
// person's player and history show.
type traits struct {
	playedAtIsEnd, frozen, free bool
	wholeOnly                   bool  // history lists only plays that reached the end of their track
	crossfade                   int64 // how long before the end of a song the next one begins, in milliseconds
}

func (w *World) traits(person int) traits {
	h := hash(w.seed, saltPerson, uint64(person))
	t := traits{playedAtIsEnd: h&1 == 1, frozen: h&2 == 2, free: toUnit(mix(h+1)) < w.habits.Free}
	t.wholeOnly = w.habits.WholeOnly > 0 && toUnit(hash(w.seed, saltWhole, uint64(person))) < w.habits.WholeOnly
	if f := mix(h + 2); f%10 == 0 {
		t.crossfade = int64(3000 + f/10%9000)
	}
	return t
}

// Person returns a person's identity. The number must be in [0, People).
func (w *World) Person(number int) Person {
	t := w.traits(number)
	r := random{hash(w.seed, saltPerson, uint64(number), saltPerson)}
	p := Person{
		Number:          number,
		PlayedAtIsEnd:   t.playedAtIsEnd,
		FrozenTimestamp: t.frozen,
		Free:            t.free,
		Crossfade:       time.Duration(t.crossfade) * time.Millisecond,
		GivenName:       pick(&r, givenNames),
		FamilyName:      pick(&r, familyNames),
		HasImage:        !r.chance(0.15),
		HasPicture:      !r.chance(0.1),
	}
	// The function mix is a bijection, so different people have different IDs.
	p.AccountID = base62(mix(uint64(number)+w.seed*goldenRatio), hash(w.seed, saltAccount, uint64(number)))
	p.SpotifyID = "31" + strconv.FormatUint(mix(uint64(number)+w.seed), 36)
	if r.chance(0.2) {
		p.SpotifyID = fmt.Sprintf("%s.%s_%d", strings.ToLower(p.GivenName), strings.ToLower(p.FamilyName), number)
	}
	p.DisplayName = p.GivenName
	if r.chance(0.08) {
		p.DisplayName = ""
	}
	p.GoogleID = fmt.Sprintf("1%020d", mix(uint64(number)+w.seed+saltGoogle))
	p.Email = fmt.Sprintf("%s.%d@example.com", strings.ToLower(p.GivenName), number)
	if r.chance(0.1) {
		p.FamilyName = ""
	}
	if !r.chance(0.12) {
		p.Nickname = pick(&r, nicknames)
		if number >= len(nicknames) {
			p.Nickname = fmt.Sprintf("%s %d", p.Nickname, number)
		}
	}
	return p
}
