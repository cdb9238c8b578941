package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// load creates the tables of the database and fills it with all users and their
// links to Spotify.
func (b *bench) load(ctx context.Context) error {
	began := time.Now()
	s, err := store.Open(ctx, store.Options{URL: b.db.url, SealKeys: []store.SealKey{b.db.key}})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	b.tokens = make([]string, b.people)
	if err := storetest.Load(ctx, s, b.db.conn, b.links(ctx)); err != nil {
		return fmt.Errorf("loading the users failed: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Vacuum now. Otherwise Postgres would start autovacuum on the new rows during
	// the measurement.
	if err := b.db.vacuum(ctx); err != nil {
		return err
	}
	b.logf("loaded %d users in %s", b.people, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// links yields the simulator's people as users 1 to b.people. Their links to
// Spotify are new, and their access tokens stay valid longer than the run. It
// keeps the access tokens in b.tokens.
func (b *bench) links(ctx context.Context) iter.Seq2[songspy.User, songspy.Link] {
	now := time.Now()
	scope := strings.Join(songspy.NeededScopes(), " ")
	return func(yield func(songspy.User, songspy.Link) bool) {
		for n := range b.people {
			if n%max(b.people/10, 1) == 0 {
				b.logf("loading: %3d %%", 100*n/b.people)
			}
			person := b.world.Person(n)
			access, refresh := b.world.SpotifyTokens(n)
			b.tokens[n] = access
			user := songspy.User{
				ID: userOf(n), GoogleSub: person.GoogleID, Audience: songspy.AudienceEveryone, CreatedAt: now, UpdatedAt: now,
			}
			link := songspy.Link{
				App: sim.SpotifyClientID, AccountID: &person.AccountID, LegacyID: &person.SpotifyID, AuthMethod: songspy.AuthBasic,
				AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh), Scope: scope,
				AccessExpiresAt: now.Add(23 * time.Hour), AuthorizedAt: now, State: songspy.LinkActive, StateSince: now,
				Generation: 1, Version: 1, CreatedAt: now, UpdatedAt: now,
			}
			if ctx.Err() != nil || !yield(user, link) {
				return
			}
		}
	}
}

// userOf returns the user ID of a person of the simulator.
func userOf(person int) songspy.UserID { return songspy.UserID(person + 1) }
