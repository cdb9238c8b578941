package admin

import (
	"cmp"
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
	// readPageSize is the number of users in one read.
	readPageSize = 500
	// maxAttempts is how often the history fetch of one user is tried at most
	// before the user counts as failed.
	maxAttempts = 3
	// maxBreakerWait is how long the command waits for an open circuit breaker.
	// If the breaker is open for longer, the command ends with an error.
	maxBreakerWait = 5 * time.Minute
)

// UserStore reads users and reconciles their history with the stored plays.
type UserStore interface {
	LinkCount(ctx context.Context) (int64, error)
	// LinkVersions returns up to limit polled links, in the order of their users' ids, from
	// the first user after the given one on.
	LinkVersions(ctx context.Context, after songspy.UserID, limit int) ([]songspy.LinkVersion, error)
	// PolledUsersByID returns what is needed to poll the users. It leaves out
	// users whose stored tokens cannot be decrypted.
	PolledUsersByID(ctx context.Context, ids []songspy.UserID) ([]songspy.PolledUser, error)
	// ReconcileHistory calls fn with the stored plays of the time that items cover,
	// and stores fn's result in the same transaction. The error has CodeGone if the
	// user has unlinked Spotify or linked it again since the link had the given
	// generation number.
	ReconcileHistory(ctx context.Context, id songspy.UserID, generation int64, items []songspy.HistoryItem,
		fn func(songspy.StoredPlays) songspy.Reconciliation) (songspy.Reconciliation, error)
}

// Player fetches Spotify's history.
type Player interface {
	RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error)
}

// Renewer renews the tokens of a user's link to Spotify, unless the link has
// changed since the given version.
type Renewer interface {
	Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error)
}

// Backfill fetches the history of all users now and stores new plays. All fields
// except User and Since are required.
type Backfill struct {
	Users   UserStore
	Player  Player
	Renewer Renewer
	Workers int
	// User limits the command to one user; 0 means all users.
	User songspy.UserID
	// Since is the time from which plays are fetched; the zero time means all
	// that Spotify's history holds.
	Since time.Time
	Now   func() time.Time
	// Wait waits for the duration d. It returns false if ctx has ended.
	Wait func(ctx context.Context, d time.Duration) bool
}

// backfillCounts counts the results of a backfill.
type backfillCounts struct {
	mu                 sync.Mutex
	fetched, unchanged int
	added, confirmed   int
	failed             map[string]int // by reason
}

// Run fetches the history of the users. It shows its progress on the writer err and
// writes its report to the writer out. It returns an error if a user could not be fetched.
func (b *Backfill) Run(ctx context.Context, out, err io.Writer) error {
	total, cause := b.Users.LinkCount(ctx)
	if cause != nil {
		return cause
	}
	if b.User != 0 {
		total = 1
	}
	t := &backfillCounts{failed: map[string]int{}}
	p := newProgress(err, "fetching history", "users", total, b.Now)
	cause = b.allUsers(ctx, t, p)
	p.finish()
	t.writeReport(out)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(out, "Stopped. Plays that were added stay; running it again is safe.")
		return ctx.Err()
	case cause != nil:
		return cause
	case len(t.failed) > 0:
		return &songspy.Error{Code: songspy.CodeUnavailable, Message: "Some users could not be fetched, for the reasons above. Once these are solved, run the command again: it changes nothing twice."}
	case t.fetched == 0 && b.User != 0:
		return &songspy.Error{Code: songspy.CodeNotFound, Message: fmt.Sprintf("User %d has no link that can be polled.", b.User)}
	}
	return nil
}

func (b *Backfill) allUsers(ctx context.Context, t *backfillCounts, p *progress) error {
	for after, more := b.User-1, true; more; {
		links, err := b.Users.LinkVersions(ctx, max(after, 0), readPageSize)
		if err != nil {
			return err
		}
		more = len(links) == readPageSize && b.User == 0
		ids := make([]songspy.UserID, 0, len(links))
		for _, l := range links {
			if after = l.UserID; b.User == 0 || after == b.User {
				ids = append(ids, after)
			}
		}
		users, err := b.Users.PolledUsersByID(ctx, ids)
		if err != nil {
			return err
		}
		t.countUnreadable(len(ids)-len(users), p)
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(max(1, b.Workers))
		for _, u := range users {
			group.Go(func() error {
				err := b.oneUser(groupCtx, u, t, p)
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

// oneUser fetches the history of one user. It returns an error only if the whole
// command has to stop.
func (b *Backfill) oneUser(ctx context.Context, u songspy.PolledUser, t *backfillCounts, p *progress) error {
	for attempt := 1; ; attempt++ {
		r, err := b.fetchHistory(ctx, u)
		wait := songspy.RetryAfterOf(err)
		switch {
		case err == nil:
			t.countFetched(r)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case songspy.DispositionOf(err) == songspy.DispositionAppBlocked && wait > maxBreakerWait:
			return fmt.Errorf("calls to Spotify are blocked for another %s; run it again afterwards: %w", wait.Round(time.Second), err)
		case wait == 0 || attempt == maxAttempts:
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

// fetchHistory fetches the history of one user and reconciles it with the
// stored plays. It corrects only plays that later polls cannot change any more
// (see playback.SettledUntil), because a running batch may have newer polls in
// memory.
func (b *Backfill) fetchHistory(ctx context.Context, u songspy.PolledUser) (r songspy.Reconciliation, err error) {
	after := b.Since
	if u.Link.CreatedAt.After(after) {
		after = u.Link.CreatedAt // Songspy does not record plays from before the user linked
	}
	items, err := b.Player.RecentlyPlayed(ctx, songspy.Credentials{App: u.Link.App, Token: u.Link.AccessToken}, after)
	// With PKCE each renewal replaces the refresh token. Two renewals at once
	// could lose the new one, so only the running batch renews such tokens, not
	// this command.
	if songspy.DispositionOf(err) == songspy.DispositionRenewToken && u.Link.AuthMethod != songspy.AuthPKCE {
		renewed, cause := b.Renewer.Renew(ctx, u.Link.UserID, u.Link.Version)
		if cause != nil {
			return r, cause
		}
		items, err = b.Player.RecentlyPlayed(ctx, songspy.Credentials{App: u.Link.App, Token: renewed.AccessToken}, after)
	}
	if err != nil {
		return r, err
	}
	history := reconcile.NewHistory(items, after).DeferOpenPlay(u.Playing)
	settledUntil := playback.SettledUntil(u.Playing)
	r, err = b.Users.ReconcileHistory(ctx, u.Link.UserID, u.Link.Generation, history.Items, func(stored songspy.StoredPlays) songspy.Reconciliation {
		return reconcile.Reconcile(stored, history, settledUntil)
	})
	if songspy.CodeOf(err) == songspy.CodeGone {
		return songspy.Reconciliation{}, nil // the user unlinked or linked again meanwhile
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
		if e, ok := errors.AsType[*songspy.Error](err); ok {
			code = cmp.Or(e.Message, string(e.Code))
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		code = "TIMEOUT"
	}
	t.failed[code]++
}

// countUnreadable counts users whose tokens cannot be decrypted. The store has
// already logged which users they are.
func (t *backfillCounts) countUnreadable(n int, p *progress) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed["TOKENS_NOT_DECRYPTABLE"] += n
	p.add(n)
}

func (t *backfillCounts) writeReport(out io.Writer) {
	fmt.Fprintf(out, "%d users fetched; %d of them unchanged.\n%d plays added, %d confirmed.\n", t.fetched, t.unchanged, t.added, t.confirmed)
	for _, code := range slices.Sorted(maps.Keys(t.failed)) {
		fmt.Fprintf(out, "%d could not be fetched: %s\n", t.failed[code], code)
	}
}
