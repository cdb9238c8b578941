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
type keptPeople struct{ *store.Store }

func (k keptPeople) EraseUser(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := k.Store.EraseUser(ctx, id)
	return httpapi.Erasure(erased), err
}

func (k keptPeople) Unlink(ctx context.Context, id songspy.UserID) (httpapi.Erasure, error) {
	erased, err := k.Store.Unlink(ctx, id)
	return httpapi.Erasure(erased), err
}

func (k keptPeople) SaveLink(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return k.Store.SaveLink(ctx, store.NewLink(l))
}

func (k keptPeople) KeepGrant(ctx context.Context, l linking.NewLink) (songspy.Link, error) {
	return k.Store.KeepGrant(ctx, store.NewLink(l))
}

// askedSpotify is the Spotify client in the words of linking.
type askedSpotify struct{ *spotify.Client }

func (a askedSpotify) Exchange(ctx context.Context, r linking.Redemption) (songspy.Grant, error) {
	return a.Client.Exchange(ctx, spotify.Code{Code: r.Code, RedirectURI: r.RedirectURI, Verifier: r.Verifier})
}
