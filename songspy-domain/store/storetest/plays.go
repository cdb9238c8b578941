package storetest

import (
	"database/sql"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func plays() suite {
	return suite{
		"Plays_AreStoredUnchanged": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			guess := finishedPlay(song(2), start.Add(-time.Hour))
			guess.Provisional, guess.ListenedMS = true, 61_000
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-2*time.Hour)), guess}
			update.Tracks = append(update.Tracks, song(2))
			track := b.write(t, update)[0].TrackID
			stored := storedPlays(t, b.sql(t), l.UserID)
			for i := range stored {
				if (stored[i].TrackID == track) != (i == 0) || stored[i].ID == 0 {
					t.Fatalf("play %d is of track %d and has the id %d", i, stored[i].TrackID, stored[i].ID)
				}
				stored[i].ID, stored[i].TrackID, stored[i].TrackURI = 0, 0, update.Plays[i].TrackURI
				update.Plays[i].UserID = l.UserID
			}
			same(t, "plays", stored, update.Plays)
		},
		"DeletePlay_KeepsTheRowAndCountsOneLess": func(t *testing.T, b *fixture) {
			l, stranger := b.newLinkedUser(t), b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-2*time.Hour)), finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			play := storedPlays(t, b.sql(t), l.UserID)[0]
			RequireCode(t, b.DeletePlay(t.Context(), stranger.UserID, play.ID, start), songspy.CodeNotFound)
			same(t, "plays before", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))), 2)
			must(t, b.DeletePlay(t.Context(), l.UserID, play.ID, start))
			RequireCode(t, b.DeletePlay(t.Context(), l.UserID, play.ID, start), songspy.CodeNotFound)
			same(t, "plays after", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))), 1)
			same(t, "counted", storedTracks(t, b.sql(t), l.UserID)[0].Plays, 1)
			same(t, "deleted at", b.storedPlays(t, l, historyItem(song(1), play.StartedAt)).Plays[0].Play.DeletedAt, start)
		},
		"UserTracks_CountPlaysAndStoreFirstAndLast": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			same(t, "while it plays for the first time", storedTracks(t, b.sql(t), l.UserID), []songspy.UserTrack{
				{FirstPlayedAt: start.Add(-time.Minute), LastPlayedAt: start, Plays: 0},
			})
			update := playingUpdate(l, song(1), start.Add(10*time.Minute))
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Minute)), finishedPlay(song(1), start.Add(2*time.Minute))}
			b.write(t, update)
			same(t, "after two plays", storedTracks(t, b.sql(t), l.UserID), []songspy.UserTrack{
				{FirstPlayedAt: start.Add(-time.Minute), LastPlayedAt: start.Add(10 * time.Minute), Plays: 2},
			})
			update = playingUpdate(l, song(2), start.Add(20*time.Minute))
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			same(t, "after an earlier time", storedTracks(t, b.sql(t), l.UserID), []songspy.UserTrack{
				{FirstPlayedAt: start.Add(-time.Hour), LastPlayedAt: start.Add(10 * time.Minute), Plays: 3},
				{FirstPlayedAt: start.Add(19 * time.Minute), LastPlayedAt: start.Add(20 * time.Minute), Plays: 0},
			})
		},
	}
}

func storedPlays(t *testing.T, db *sql.DB, id songspy.UserID) (plays []songspy.Play) {
	t.Helper()
	rows := value[*sql.Rows](t)(db.QueryContext(t.Context(), `SELECT id, user_id, track_id, started_at, ended_at, listened_ms, inferred_ms, source, provisional, deleted_at
		FROM plays WHERE user_id = $1 ORDER BY started_at`, int64(id)))
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p songspy.Play
		must(t, rows.Scan(&p.ID, &p.UserID, &p.TrackID, &p.StartedAt, &p.EndedAt, &p.ListenedMS, &p.InferredMS, &p.Source, &p.Provisional, &p.DeletedAt))
		p.StartedAt, p.EndedAt = p.StartedAt.UTC(), p.EndedAt.UTC()
		plays = append(plays, p)
	}
	must(t, rows.Err())
	return plays
}

// storedTracks returns the user's tracks in the order of their track ids. It sets only the
// two times and the number of plays.
func storedTracks(t *testing.T, db *sql.DB, id songspy.UserID) (tracks []songspy.UserTrack) {
	t.Helper()
	rows := value[*sql.Rows](t)(db.QueryContext(t.Context(),
		`SELECT first_played_at, last_played_at, plays FROM user_tracks WHERE user_id = $1 ORDER BY track_id`, int64(id)))
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var u songspy.UserTrack
		must(t, rows.Scan(&u.FirstPlayedAt, &u.LastPlayedAt, &u.Plays))
		u.FirstPlayedAt, u.LastPlayedAt = u.FirstPlayedAt.UTC(), u.LastPlayedAt.UTC()
		tracks = append(tracks, u)
	}
	must(t, rows.Err())
	return tracks
}
