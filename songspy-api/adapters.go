package main

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// ownAdapter adapts the Store to the interfaces of package httpapi. The methods below take the
// caller of a request as visibility.Self, so that they reach only the caller's own data.
type ownAdapter struct{ *store.Store }

func (a ownAdapter) User(ctx context.Context, self visibility.Self) (songspy.User, error) {
	return a.Store.User(ctx, self.ID())
}

func (a ownAdapter) UpdateUser(ctx context.Context, self visibility.Self, change func(*songspy.User) error) (songspy.User, error) {
	return a.Store.UpdateUser(ctx, self.ID(), change)
}

func (a ownAdapter) Plays(ctx context.Context, self visibility.Self, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error) {
	return a.Store.Plays(ctx, self.ID(), after, limit)
}
