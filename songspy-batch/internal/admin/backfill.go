package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/reconcile"
)

const (
	// readAtOnce is how many listeners are read from the store at once.
	readPageSize = 500
	// giveUpAfter is how often a listener is tried whom Spotify cannot be asked about.
	maxAttempts = 3
	// longestPause is how long a closed door is waited for; a longer one ends the chore.
	maxBreakerWait = 5 * time.Minute
)

// Listeners are read, and what history adds to them is kept.
type UserStore interface {
	LinkCount(ctx context.Context) (int64, error)
	LinkVersions(ctx context.Context, after songspy.UserID, limit int) ([]songspy.LinkVersion, error)
	PolledUsersByID(ctx context.Context, ids []songspy.UserID) ([]songspy.PolledUser, error)
	ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
		fn func(songspy.StoredPlays) songspy.Reconciliation) (songspy.Reconciliation, error)
}

// Player is asked what was heard.
type Player interface {
	RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error)
}

// Renewer renews a link's tokens unless it was changed since that version.
type Renewer interface {
	Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error)
}

// Backfill asks Spotify what everybody has heard lately, and keeps what was not
// known. All fields are needed but User and Since.
type Backfill struct {
	Users   UserStore
	Player  Player
	Renewer Renewer
	Workers int
	// User is the only one who is asked about; 0: everybody.
	User songspy.UserID
	// Since bounds how far back is asked; the zero time: all that history holds.
	Since time.Time
	Now   func() time.Time
	// Wait waits for a closed door; false: ctx has ended.
	Wait func(ctx context.Context, d time.Duration) bool
}

// tally is what came of a backfill.
type backfillCounts struct {
	mu                 sync.Mutex
	fetched, unchanged int
	added, confirmed   int
	failed             map[string]int
}

// Run asks, reports to out, and shows meanwhile on err how far it is. It fails
// if somebody could not be asked about.
func (b *Backfill) Run(ctx context.Context, out, err io.Writer) error {
	total, cause := b.Users.LinkCount(ctx)
	if cause != nil {
		return cause
	}
	if b.User != 0 {
		total = 1
	}
	t := &backfillCounts{failed: map[string]int{}}
	p := newProgress(err, "asking what was heard", "people", total, b.Now)
	cause = b.allUsers(ctx, t, p)
	p.finish()
	t.writeReport(out)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(out, "Stopped. What was found is kept; asking again changes nothing of it.")
		return ctx.Err()
	case cause != nil:
		return cause
	case len(t.failed) > 0:
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "Not everybody could be asked about."}
	case t.fetched == 0 && b.User != 0:
		return &songspy.Error{Code: songspy.CodeNotFound, Message: fmt.Sprintf("User %d has no link that may be asked.", b.User)}
	}
	return nil
}

func (b *Backfill) allUsers(ctx context.Context, t *backfillCounts, p *progress) error {
	for after, more := b.User-1, true; more; {
		marks, err := b.Users.LinkVersions(ctx, max(after, 0), readPageSize)
		if err != nil {
			return err
		}
		more = len(marks) == readPageSize && b.User == 0
		ids := make([]songspy.UserID, 0, len(marks))
		for _, m := range marks {
			if after = m.UserID; b.User == 0 || after == b.User {
				ids = append(ids, after)
			}
		}
		listeners, err := b.Users.PolledUsersByID(ctx, ids)
		if err != nil {
			return err
		}
		t.countUnreadable(len(ids)-len(listeners), p)
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(max(1, b.Workers))
		for _, l := range listeners {
			group.Go(func() error {
				err := b.oneUser(within, l, t, p)
				p.add(1)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// one asks about one listener. Only what concerns everybody is an error.
func (b *Backfill) oneUser(ctx context.Context, l songspy.PolledUser, t *backfillCounts, p *progress) error {
	for try := 1; ; try++ {
		r, err := b.fetchHistory(ctx, l)
		wait := songspy.RetryAfterOf(err)
		switch {
		case err == nil:
			t.countFetched(r)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case songspy.DispositionOf(err) == songspy.DispositionAppBlocked && wait > maxBreakerWait:
			return fmt.Errorf("spotify must not be asked for another %s: %w", wait.Round(time.Second), err)
		case wait == 0 || try == maxAttempts:
			t.countFailed(err)
			return nil
		}
		if songspy.DispositionOf(err) == songspy.DispositionAppBlocked {
			p.showWait(wait)
		}
		if !b.Wait(ctx, wait) {
			return ctx.Err()
		}
	}
}

// ask holds against what is kept what history tells of the time that a running
// batch has done with: what it knows and has not stored lies later.
func (b *Backfill) fetchHistory(ctx context.Context, l songspy.PolledUser) (r songspy.Reconciliation, err error) {
	after := b.Since
	if l.Link.CreatedAt.After(after) {
		after = l.Link.CreatedAt // what came before is not ours to ask
	}
	items, err := b.Player.RecentlyPlayed(ctx, songspy.Credentials{App: l.Link.App, Token: l.Link.AccessToken}, after)
	// A token that rotates is left to the running batch: two who renew it at
	// once lose it.
	if songspy.DispositionOf(err) == songspy.DispositionRenewToken && l.Link.AuthMethod != songspy.AuthPKCE {
		renewed, cause := b.Renewer.Renew(ctx, l.Link.UserID, l.Link.Version)
		if cause != nil {
			return r, cause
		}
		items, err = b.Player.RecentlyPlayed(ctx, songspy.Credentials{App: l.Link.App, Token: renewed.AccessToken}, after)
	}
	if err != nil {
		return r, err
	}
	answer := reconcile.NewHistory(items, after).DeferOpenPlay(l.Playing)
	settled := playback.SettledUntil(l.Playing)
	r, err = b.Users.ReconcileHistory(ctx, l.Link.UserID, l.Link.Generation, answer.Items, func(kept songspy.StoredPlays) songspy.Reconciliation {
		return reconcile.Reconcile(kept, answer, settled)
	})
	if songspy.CodeOf(err) == songspy.CodeGone {
		return songspy.Reconciliation{}, nil // unlinked or linked anew meanwhile
	}
	return r, err
}

func (t *backfillCounts) countFetched(r songspy.Reconciliation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetched++
	t.added += len(r.Added)
	t.confirmed += len(r.Confirmed)
	if r.IsEmpty() {
		t.unchanged++
	}
}

func (t *backfillCounts) countFailed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	code := songspy.ReasonOf(err)
	if code == "" {
		code = "UNKNOWN"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		code = "TIMEOUT"
	}
	t.failed[code]++
}

// unread counts people whose tokens do not open, as the store has logged.
func (t *backfillCounts) countUnreadable(n int, p *progress) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed["TOKENS_DO_NOT_OPEN"] += n
	p.add(n)
}

func (t *backfillCounts) writeReport(out io.Writer) {
	fmt.Fprintf(out, "%d people asked about; for %d of them nothing was new.\n%d plays found, %d confirmed.\n", t.fetched, t.unchanged, t.added, t.confirmed)
	for _, code := range slices.Sorted(maps.Keys(t.failed)) {
		fmt.Fprintf(out, "%d could not be asked about: %s\n", t.failed[code], code)
	}
}
