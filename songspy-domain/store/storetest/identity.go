package storetest

import (
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// identified adds two artists and an album to the track and returns it.
func identified(t songspy.Track) songspy.Track {
	id := t.URI[strings.LastIndexByte(t.URI, ':')+1:]
	for _, n := range []string{"b", "a"} {
		t.ArtistRefs = append(t.ArtistRefs, songspy.Artist{URI: "spotify:artist:" + n + id, Name: "Artist " + n + id, URL: "https://o.example/artist/" + n + id})
	}
	t.AlbumRef = songspy.Album{URI: "spotify:album:" + id, Name: "Album " + id, URL: "https://o.example/album/" + id, ImageURL: "https://i.example/" + id}
	return t
}

// identity checks the artists and albums of tracks, and their public ids.
func identity() suite {
	// onBoard returns the track in the user's board entry.
	onBoard := func(t *testing.T, b *fixture, id songspy.UserID) songspy.Track {
		t.Helper()
		return value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{id}))[0].Track
	}
	identityOf := func(t songspy.Track) []any { return []any{t.ArtistRefs, t.AlbumRef} }
	requireIdentity := func(t *testing.T, what string, got, want songspy.Track) {
		t.Helper()
		same(t, what, identityOf(got), identityOf(want))
	}
	return suite{
		"Tracks_HaveTheirArtistsInOrderAndTheirAlbum": func(t *testing.T, b *fixture) {
			l, track := b.newLinkedUser(t), identified(song(1))
			update := playingUpdate(l, track, start)
			update.Plays = []songspy.Play{finishedPlay(track, start.Add(-time.Hour))}
			b.write(t, update)
			requireIdentity(t, "on the board", onBoard(t, b, l.UserID), track)
			requireIdentity(t, "of a play", value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))[0].Track, track)
		},
		"Tracks_OfHistoryHaveTheirIdentityToo": func(t *testing.T, b *fixture) {
			l, track := b.newLinkedUser(t), identified(song(1))
			items := []songspy.HistoryItem{historyItem(track, start.Add(-time.Hour))}
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items, addAll(items)))
			requireIdentity(t, "of a play", value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))[0].Track, track)
		},
		"Tracks_ShareArtistsAndAlbums": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			first, second := identified(song(1)), identified(song(2))
			second.ArtistRefs, second.AlbumRef = append(second.ArtistRefs[:1], first.ArtistRefs...), first.AlbumRef
			b.write(t, playingUpdate(one, first, start), playingUpdate(two, second, start))
			requireIdentity(t, "one", onBoard(t, b, one.UserID), first)
			requireIdentity(t, "two", onBoard(t, b, two.UserID), second)
		},
		"Tracks_StoredWithoutIdentityGetItOnce": func(t *testing.T, b *fixture) {
			one, two, track := b.newLinkedUser(t), b.newLinkedUser(t), identified(song(1))
			b.write(t, playingUpdate(one, song(1), start))
			requireIdentity(t, "before", onBoard(t, b, one.UserID), song(1))
			publicID := onBoard(t, b, one.UserID).PublicID
			other := b.openAnother(t) // its cache of tracks is empty
			value[[]songspy.PlaybackUpdateResult](t)(other.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{playingUpdate(one, song(1), start.Add(time.Second))}))
			executed := b.statements.recordDuring(func() { b.write(t, playingUpdate(two, track, start)) })
			same(t, "whether the track was written", strings.Contains(strings.Join(executed, "\n"), "UPDATE tracks"), true)
			requireIdentity(t, "afterwards", onBoard(t, b, one.UserID), track)
			same(t, "the public id", onBoard(t, b, one.UserID).PublicID, publicID)
			for i, process := range []*store.Store{b.Store, b.Store, other, other} {
				executed := b.statements.recordDuring(func() {
					update := playingUpdate(two, track, start.Add(time.Duration(i+1)*time.Second))
					value[[]songspy.PlaybackUpdateResult](t)(process.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
				})
				for _, statement := range executed {
					if i != 2 && (strings.Contains(statement, " tracks ") || strings.Contains(statement, "artists") || strings.Contains(statement, "albums")) {
						t.Errorf("write %d reads or writes a known track: %s", i, statement)
					}
				}
			}
			requireIdentity(t, "in the end", onBoard(t, b, two.UserID), track)
		},
		"Tracks_WithoutIdentityDoNotLoseIt": func(t *testing.T, b *fixture) {
			l, track := b.newLinkedUser(t), identified(song(1))
			b.write(t, playingUpdate(l, track, start))
			b.write(t, playingUpdate(l, song(1), start.Add(time.Second)))
			requireIdentity(t, "on the board", onBoard(t, b, l.UserID), track)
		},
		"Tracks_MayHaveArtistsOrAnAlbumOnly": func(t *testing.T, b *fixture) {
			one, two, single, episode := b.newLinkedUser(t), b.newLinkedUser(t), identified(song(1)), identified(song(2))
			single.AlbumRef, episode.ArtistRefs = songspy.Album{}, nil
			b.write(t, playingUpdate(one, single, start), playingUpdate(two, episode, start))
			requireIdentity(t, "without an album", onBoard(t, b, one.UserID), single)
			requireIdentity(t, "without artists", onBoard(t, b, two.UserID), episode)
		},
		"LocalFiles_AddNothingToArtistsAndAlbums": func(t *testing.T, b *fixture) {
			l, tape := b.newLinkedUser(t), identified(localFile("Tape"))
			b.write(t, playingUpdate(l, tape, start))
			tape.ArtistRefs, tape.AlbumRef = nil, songspy.Album{}
			requireIdentity(t, "on the board", onBoard(t, b, l.UserID), tape)
			for _, table := range []string{"artists", "albums", "track_artists"} {
				var n int
				must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
				same(t, "rows of "+table, n, 0)
			}
		},
		"PublicIDs_OfTracksAndUsersDiffer": func(t *testing.T, b *fixture) {
			seen := map[songspy.PublicID]bool{}
			for i := range 20 {
				l := b.newLinkedUser(t)
				b.write(t, playingUpdate(l, song(i), start))
				entry := value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{l.UserID}))[0]
				for _, id := range []songspy.PublicID{entry.User.PublicID, entry.Track.PublicID} {
					same(t, "a valid id", id.IsValid(), true)
					seen[id] = true
				}
				same(t, "by the public id", value[songspy.Person](t)(b.PersonByPublicID(t.Context(), entry.User.PublicID)).User, entry.User)
			}
			same(t, "different ids", len(seen), 40)
		},
	}
}
