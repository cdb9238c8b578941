package people

import (
	"context"
	"crypto/rand"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// Sharing returns the caller's present sharing settings, and when the caller's share link was
// created, or nil if there is no share link.
func (s *Service) Sharing(ctx context.Context, self visibility.Self) (songspy.Sharing, *time.Time, error) {
	settings, err := s.store.Sharing(ctx, self.ID())
	if err != nil {
		return songspy.Sharing{}, nil, err
	}
	link, err := s.store.ShareLink(ctx, self.ID())
	switch {
	case err == nil:
		return settings, &link.CreatedAt, nil
	case songspy.CodeOf(err) == songspy.CodeNotFound:
		return settings, nil, nil
	default:
		return songspy.Sharing{}, nil, err
	}
}

// ChangeSharing calls the function change, which edits the caller's sharing settings in place,
// and stores the result. If HiddenUntil is not in the future, it hides nothing any more, so it
// is stored as nil.
func (s *Service) ChangeSharing(ctx context.Context, self visibility.Self, change func(*songspy.Sharing)) error {
	_, err := s.store.ChangeSharing(ctx, self.ID(), func(settings *songspy.Sharing) error {
		change(settings)
		if until := settings.HiddenUntil; until != nil && !until.After(s.now()) {
			settings.HiddenUntil = nil
		}
		return nil
	})
	return err
}

// CreateShareLink replaces the caller's share link and returns the secret of the new one.
func (s *Service) CreateShareLink(ctx context.Context, self visibility.Self) (songspy.Secret, error) {
	secret := songspy.Secret(rand.Text())
	_, err := s.store.SaveShareLink(ctx, self.ID(), attempt.Hash(secret))
	return secret, err
}

// DeleteShareLink deletes the caller's share link, if there is one.
func (s *Service) DeleteShareLink(ctx context.Context, self visibility.Self) error {
	if err := s.store.DeleteShareLink(ctx, self.ID()); songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	return nil
}

// HiddenItems returns up to limit items (artists and tracks) that the caller hides, sorted by
// URI. They begin after the URI in the argument after, or with the first item if it is empty.
func (s *Service) HiddenItems(ctx context.Context, self visibility.Self, after string, limit int) ([]songspy.HiddenItem, error) {
	return s.store.HiddenItems(ctx, self.ID(), after, limit)
}

// HiddenItem returns the item if the caller hides it, else CodeNotFound.
func (s *Service) HiddenItem(ctx context.Context, self visibility.Self, uri string) (songspy.HiddenItem, error) {
	own, err := s.store.People(ctx, []songspy.UserID{self.ID()})
	if err != nil {
		return songspy.HiddenItem{}, err
	}
	for _, p := range own {
		for _, item := range p.Rule.Hidden {
			if item.URI == uri && item.EndedAt == nil {
				return item, nil
			}
		}
	}
	return songspy.HiddenItem{}, errNotFound
}

// HideItem hides an artist or a track from others.
func (s *Service) HideItem(ctx context.Context, self visibility.Self, uri string) (songspy.HiddenItem, error) {
	return s.store.HideItem(ctx, self.ID(), uri)
}

// ShowItem shows an artist or a track again. It returns CodeNotFound if it is not hidden.
func (s *Service) ShowItem(ctx context.Context, self visibility.Self, uri string) error {
	return s.store.ShowItem(ctx, self.ID(), uri)
}

// AuditEvents returns up to limit audit events of the caller, newest first. If the argument
// before is not 0, it is the id of an event, and all of them are older.
func (s *Service) AuditEvents(ctx context.Context, self visibility.Self, before int64, limit int) ([]songspy.AuditEvent, error) {
	return s.store.AuditEvents(ctx, self.ID(), before, limit)
}
