package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// deletionKey makes the hashes that stand for the tracks of a user's deleted
// plays. Each user has a key of their own: nobody can tell whether two users
// deleted the same track, and all hashes are void once the user is erased. The
// key is random and lies sealed in the user's row, so that rotating the seal
// keys changes no hash. The nil key makes no hash.
type deletionKey []byte

const deletionKeyBytes = 32

// ofURI is the hash of a track's URI.
func (k deletionKey) ofURI(uri string) []byte { return k.hash("uri", cleanText(uri)) }

// ofISRC is the hash of a track's ISRC; nil if the track has none.
func (k deletionKey) ofISRC(isrc string) []byte {
	if isrc == "" {
		return nil
	}
	return k.hash("isrc", strings.ToUpper(cleanText(isrc)))
}

func (k deletionKey) hash(what, text string) []byte {
	if len(k) == 0 {
		return nil
	}
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(what + "\x00" + text))
	return mac.Sum(nil)
}

// orNull is the hash as a column takes it.
func nullIfEmpty(hash []byte) any {
	if len(hash) == 0 {
		return nil
	}
	return hash
}

// deletionKeyPlace is where the sealed key of a user lies.
func deletionKeyAAD(id songspy.UserID) []byte {
	return columnAAD(deletionKeys.table, deletionKeys.column, id)
}

// newDeletionKey gives the user a new key. It expects the user to be locked.
func (s *Store) newDeletionKey(ctx context.Context, conn gorm.ConnPool, id songspy.UserID) (deletionKey, error) {
	key := make(deletionKey, deletionKeyBytes)
	rand.Read(key) // never fails
	sealed, err := s.sealer.seal(songspy.Secret(key), deletionKeyAAD(id))
	if err != nil {
		return nil, err
	}
	_, err = conn.ExecContext(ctx, `UPDATE users SET deletion_key_sealed = $2 WHERE id = $1`, int64(id), sealed)
	return key, err
}

// openDeletionKey opens a user's key; nil if there is none, or if it does not
// open. Then the user's deleted plays are known by their times alone.
func (s *Store) openDeletionKey(ctx context.Context, id songspy.UserID, sealed []byte) deletionKey {
	if len(sealed) == 0 {
		return nil
	}
	key, err := s.sealer.open(sealed, deletionKeyAAD(id))
	if err != nil {
		s.log.WarnContext(ctx, "The key of a user's deleted plays does not open. Their deleted plays are known by their times alone.",
			"user_id", int64(id), "error", err)
		return nil
	}
	return deletionKey(key)
}
