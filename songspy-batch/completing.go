package main

import (
	"context"
	"errors"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// complete asks whose account the kept grant of a user is for, and links it.
// The app did not know the user when they consented. A link that was changed or
// removed meanwhile stays as it is; the error is then CodeGone.
func (b *batch) completeLink(ctx context.Context, id songspy.UserID) error {
	link, err := b.db.Link(ctx, id)
	if err != nil {
		return err
	}
	client, err := b.apps.Client(link.App)
	if err != nil {
		return err
	}
	if !b.now().Before(link.AccessExpiresAt) {
		if link, err = b.renewer.Renew(ctx, id, link.Version); err != nil {
			return err
		}
	}
	if !link.IsPendingGrant() {
		return &songspy.Error{Code: songspy.CodeGone, Message: "The kept grant is gone."}
	}
	account, err := client.Account(ctx, link.AccessToken)
	if err != nil {
		return err
	}
	seats := 0
	apps, err := b.settings.Spotify.Apps()
	if err != nil {
		return err
	}
	for _, app := range apps {
		if app.ClientID == link.App {
			seats = app.Seats
		}
	}
	_, err = b.db.SaveLink(ctx, store.NewLink{
		UserID: id, App: link.App, Seats: seats, Account: account, ConsentedAt: link.AuthorizedAt, IfVersion: link.Version,
		Grant: link.Grant(),
	})
	if songspy.CodeOf(err) == songspy.CodeConflict { // a full app, or somebody else's account: theirs to decide
		return &songspy.Error{Code: songspy.CodeConflict, Reason: songspy.ReasonOf(err), Message: "The link cannot be completed.", Err: errors.Unwrap(err)}
	}
	return err
}
