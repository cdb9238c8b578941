package main

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
)

// usersAdapter gives the store the types that linking and httpapi declare; they
// do not import the store.
type usersAdapter struct{ *store.Store }

func (a usersAdapter) EraseUser(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := a.Store.EraseUser(ctx, id)
	return httpapi.Erasure(erased), err
}

func (a usersAdapter) Unlink(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := a.Store.Unlink(ctx, id)
	return httpapi.Erasure(erased), err
}

func (a usersAdapter) SaveLink(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return a.Store.SaveLink(ctx, store.NewLink(l))
}

func (a usersAdapter) SavePendingGrant(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return a.Store.SavePendingGrant(ctx, store.NewLink(l))
}

// spotifyAdapter gives the Spotify client the types that linking declares.
type spotifyAdapter struct{ *spotify.Client }

func (a spotifyAdapter) Exchange(ctx context.Context, r linking.AuthorizationCode) (songspy.Grant, error) {
	return a.Client.Exchange(ctx, spotify.AuthorizationCode{Code: r.Code, RedirectURI: r.RedirectURI, Verifier: r.Verifier})
}
