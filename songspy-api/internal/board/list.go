package board

import (
	"errors"
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

// ListSize is how many users a page of the list of listening users shows at most.
const ListSize = windowSize

// list is the rendered list of listening users as strangers see it. Other viewers who see the
// same users get the same answer.
type list struct {
	answer *Answer
	shown  []visibility.Seen[songspy.BoardEntry]
	// users are the users in the list and, if there is a next page, the first user of that
	// page.
	users []songspy.UserID
}

// ListeningAnswer returns the first ListSize users that the viewer sees, newest start first,
// and the rendered answer with these users. Most viewers see what strangers see: they share
// one answer, which is rendered once.
func (b *Board) ListeningAnswer(v visibility.Viewer) (answer *Answer, shown []visibility.Seen[songspy.BoardEntry], err error) {
	var next *Position
	var failed error
	err = b.read(func(x *index, now time.Time) {
		if b.list == nil || !b.list.answer.isValidAt(now) {
			if b.list, failed = b.renderList(now); failed != nil {
				return
			}
		}
		if x.isSeenAsByStrangers(b.list.users, v, now) {
			answer, shown = b.list.answer, b.list.shown
		} else {
			shown, next = x.listening(v, AllVisible, beginning, ListSize, now)
		}
	})
	if err = errors.Join(err, failed); err != nil || answer != nil {
		return answer, shown, err
	}
	body, err := b.opts.RenderList(shown, next)
	return &Answer{Body: body, ETag: ETag(body)}, shown, err
}

// renderList renders the list for strangers. The caller holds the lock.
func (b *Board) renderList(now time.Time) (*list, error) {
	shown, next, users, until := b.index.list(ListSize, now)
	body, err := b.opts.RenderList(shown, next)
	if err != nil {
		return nil, fmt.Errorf("render the list of listeners: %w", err)
	}
	return &list{&Answer{Body: body, ETag: ETag(body), validUntil: until}, shown, users}, nil
}

// list returns the first n entries as strangers see them, newest start first. The result next is
// the position of the last of them if more entries follow, and nil otherwise. The result users
// holds the users of these entries and, if next is not nil, the user of the next entry. The time
// until is when the results become invalid, or zero if only a change makes them invalid.
func (x *index) list(n int, now time.Time) (shown []visibility.Seen[songspy.BoardEntry], next *Position, users []songspy.UserID, until time.Time) {
	shown, until = x.top(n+1, now)
	for _, seen := range shown {
		users = append(users, seen.Value().User.ID)
	}
	if len(shown) > n {
		shown = shown[:n]
		last := shown[n-1].Value()
		next = &Position{last.Playing.StartedAt, last.User.PublicID}
	}
	return shown, next, users, until
}

// isSeenAsByStrangers reports whether the viewer sees the list of these users as strangers do.
// It may report false although the viewer sees the same list. ListeningAnswer then renders the
// list for this viewer alone.
func (x *index) isSeenAsByStrangers(users []songspy.UserID, v visibility.Viewer, now time.Time) bool {
	x.advance(now)
	for _, id := range v.Known() {
		if e := x.byUser[id]; e != nil && !e.isPublic {
			return false
		}
	}
	if !v.HasBlocks() {
		return true
	}
	for _, id := range users {
		if e := x.byUser[id]; e == nil || !e.isVisible(v, now) {
			return false
		}
	}
	return true
}
