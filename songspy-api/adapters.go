package main

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"

	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
)

// keptPeople is the store in the words of its consumers, which do not know it.
type usersAdapter struct{ *store.Store }

func (k usersAdapter) EraseUser(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := k.Store.EraseUser(ctx, id)
	return httpapi.Erasure(erased), err
}

func (k usersAdapter) Unlink(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := k.Store.Unlink(ctx, id)
	return httpapi.Erasure(erased), err
}

func (k usersAdapter) SaveLink(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return k.Store.SaveLink(ctx, store.NewLink(l))
}

func (k usersAdapter) SavePendingGrant(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return k.Store.SavePendingGrant(ctx, store.NewLink(l))
}

// askedSpotify is the Spotify client in the words of linking.
type spotifyAdapter struct{ *spotify.Client }

func (a spotifyAdapter) Exchange(ctx context.Context, r linking.AuthorizationCode) (songspy.Grant, error) {
	return a.Client.Exchange(ctx, spotify.AuthorizationCode{Code: r.Code, RedirectURI: r.RedirectURI, Verifier: r.Verifier})
}
