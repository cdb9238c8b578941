package embeds

import (
	"context"
	"crypto/rand"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/board"
)

// Store stores embed tokens.
type Store interface {
	CreateEmbedToken(ctx context.Context, t songspy.EmbedToken) (songspy.EmbedToken, error)
	EmbedTokens(ctx context.Context, id songspy.UserID) ([]songspy.EmbedToken, error)
	// EmbedTokenOwner returns CodeNotFound if no token of the purpose has the SHA-256 hash.
	EmbedTokenOwner(ctx context.Context, purpose songspy.EmbedPurpose, hash []byte) (songspy.UserID, error)
	DeleteEmbedToken(ctx context.Context, id songspy.UserID, token songspy.PublicID) error
}

// Service manages embed tokens, and returns what their holders may see.
type Service struct {
	store Store
	board *board.Board
}

// New returns a Service.
func New(store Store, b *board.Board) *Service { return &Service{store, b} }

// Create creates a token of the caller and returns its secret. Only the hash of the secret is
// stored.
func (s *Service) Create(ctx context.Context, self visibility.Self, purpose songspy.EmbedPurpose, label string) (songspy.EmbedToken, songspy.Secret, error) {
	secret := songspy.Secret(rand.Text())
	t, err := s.store.CreateEmbedToken(ctx, songspy.EmbedToken{UserID: self.ID(), Purpose: purpose, Label: label, Hash: attempt.Hash(secret)})
	return t, secret, err
}

// List returns the caller's tokens, newest first.
func (s *Service) List(ctx context.Context, self visibility.Self) ([]songspy.EmbedToken, error) {
	return s.store.EmbedTokens(ctx, self.ID())
}

// Revoke deletes the token of the caller with the id. It returns CodeNotFound if the caller has
// no such token.
func (s *Service) Revoke(ctx context.Context, self visibility.Self, id songspy.PublicID) error {
	return s.store.DeleteEmbedToken(ctx, self.ID(), id)
}

// NowPlaying returns what the owner of the token plays now. It returns nil if there is no such
// token, or if its holder sees nothing.
func (s *Service) NowPlaying(ctx context.Context, purpose songspy.EmbedPurpose, secret songspy.Secret) (*visibility.Seen[songspy.BoardEntry], error) {
	// The board is checked first, so that known and unknown tokens get the same error while it
	// is unavailable.
	if err := s.board.Ready(); err != nil {
		return nil, err
	}
	owner, err := s.store.EmbedTokenOwner(ctx, purpose, attempt.Hash(secret))
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	seen, ok, err := s.board.NowPlaying(visibility.LinkHolder(visibility.Anonymous(), owner), owner)
	if !ok {
		return nil, err
	}
	return &seen, err
}
