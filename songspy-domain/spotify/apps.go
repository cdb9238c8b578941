package spotify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// App is one Spotify app of the instance.
type App struct {
	ID     string
	Secret songspy.Secret // empty: an app that uses PKCE alone
	// Account names the developer account whose quota the app shares with other
	// apps; empty: it has a quota of its own.
	Account string
}

// ownMost is how many clients of apps that people brought are kept, those used
// last. Whoever comes back to one that was dropped reads its doors anew.
const userAppsMax = 4096

// Apps is the Spotify apps by way of which people are asked: those of the
// instance, and those that people brought. Calls go by the app that a person
// linked through. Apps of one developer account have doors and a day's calls in
// common, all others have their own.
type Apps struct {
	config    Config
	clients   map[string]*Client
	ids       []string // as configured, the first one first
	accountOf map[string]string
	guards    map[string]*breakerGuard // by account

	userApps    *lru.Cache[string, *Client] // those that people brought, by the app's name
	mu          sync.Mutex
	unknownApps map[string]bool // apps of links that are configured no more
}

// ReasonAppUnknown: the link was made through an app that is not configured.
const ReasonAppUnknown = "SPOTIFY_APP_UNKNOWN"

// NewApps makes a client for each app; all else is as the Config says.
func NewApps(c Config, apps ...App) *Apps {
	if c.Transport == nil {
		c.Transport = NewTransport(orDefault(c.MaxConns, 256))
	}
	a := &Apps{
		config: c, clients: make(map[string]*Client, len(apps)), accountOf: map[string]string{},
		guards: map[string]*breakerGuard{}, unknownApps: map[string]bool{},
	}
	a.userApps, _ = lru.New[string, *Client](userAppsMax) // fails on a size of none alone
	for _, app := range apps {
		account := orDefault(app.Account, app.ID)
		if a.guards[account] == nil {
			shared := c
			shared.App = account
			a.guards[account] = newBreakerGuard(shared.withDefaults())
		}
		appConfig := c
		appConfig.App, appConfig.ClientID, appConfig.ClientSecret = app.ID, app.ID, app.Secret
		a.clients[app.ID] = newClient(appConfig.withDefaults(), a.guards[account])
		a.accountOf[app.ID] = account
		a.ids = append(a.ids, app.ID)
	}
	return a
}

// QuotaAccount names the account whose quota the calls of an app count against:
// the developer account that was configured for it, else the app itself.
func (a *Apps) QuotaAccount(app string) string {
	if app == "" && len(a.ids) > 0 {
		app = a.ids[0]
	}
	if account, ours := a.accountOf[app]; ours {
		return account
	}
	return app
}

// QuotaRoom is what an account may still call.
func (a *Apps) QuotaHeadroom(account string, now time.Time) quota.Headroom {
	if k := a.guards[account]; k != nil {
		return k.quotaHeadroom(now)
	}
	if c, used := a.userApps.Peek(account); used {
		return c.guard.quotaHeadroom(now)
	}
	return quota.Headroom{}
}

// Quotas is how each of the instance's developer accounts stands to its quota,
// and how many refusals this process has met.
func (a *Apps) QuotaStatuses(now time.Time) (standings map[string]quota.Status, refusals map[string]int64) {
	standings, refusals = map[string]quota.Status{}, map[string]int64{}
	for account, k := range a.guards {
		standings[account], refusals[account] = k.quotaStatus(now)
	}
	return standings, refusals
}

// Client is the client of an app. A link that names none is the first app's.
func (a *Apps) Client(app string) (*Client, error) {
	if app == "" && len(a.ids) > 0 {
		app = a.ids[0]
	}
	if c := a.clients[app]; c != nil {
		return c, nil
	}
	if id, isUserApp := songspy.UserAppClientID(app); isUserApp {
		return a.UserAppClient(id), nil
	}
	a.mu.Lock()
	a.unknownApps[app] = true
	a.mu.Unlock()
	return nil, &songspy.Error{
		Code: songspy.CodeUnavailable, Reason: ReasonAppUnknown, Disposition: songspy.DispositionRetryLater, RetryAfter: misconfiguredRetryAfter,
		Message: "This link belongs to a Spotify app that the instance no longer has.",
		Err:     errors.New("the link's app is not among SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_APPS"),
	}
}

// Own is the client of an app that a person brought. Its doors are kept like
// others', so that a restart does not knock at a closed one, and so are the
// refusals of its quota. Its calls are counted in memory: a write for each of
// very many apps would cost more than one refusal after a restart.
func (a *Apps) UserAppClient(clientID string) *Client {
	app := songspy.UserApp(clientID)
	if c, ok := a.userApps.Get(app); ok {
		return c
	}
	appConfig := a.config
	appConfig.App, appConfig.ClientID, appConfig.ClientSecret, appConfig.DailyCalls, appConfig.Share, appConfig.countLocally = app, clientID, "", 0, nil, true
	c := New(appConfig)
	if other, found, _ := a.userApps.PeekOrAdd(app, c); found {
		return other
	}
	return c
}

// CurrentlyPlaying looks at a player by way of its app: see Client.CurrentlyPlaying.
func (a *Apps) CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error) {
	c, err := a.Client(access.App)
	if err != nil {
		return songspy.Observation{}, err
	}
	return c.CurrentlyPlaying(ctx, access.Token)
}

// RecentlyPlayed asks history by way of the person's app: see Client.RecentlyPlayed.
func (a *Apps) RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error) {
	c, err := a.Client(access.App)
	if err != nil {
		return nil, err
	}
	return c.RecentlyPlayed(ctx, access.Token, after)
}

// Refresh renews a link by way of its app: see Client.Refresh.
func (a *Apps) Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error) {
	c, err := a.Client(link.App)
	if err != nil {
		return songspy.Grant{}, err
	}
	return c.Refresh(ctx, link)
}

// Forbid pauses an app whose users' calls Spotify forbids in words that are not
// known: see gate.Forbid. An app that is not configured is left alone.
func (a *Apps) TripForbidden(ctx context.Context, app string) {
	if c, err := a.Client(app); err == nil {
		c.guard.tripForbidden(ctx)
	}
}

// Keep shares the doors of every app of the instance with the other processes
// until ctx ends. Those of apps that people brought are read and written as they
// are used.
func (a *Apps) SyncBreakers(ctx context.Context) {
	var all sync.WaitGroup
	for _, k := range a.guards {
		all.Go(func() { k.syncUntilDone(ctx) })
	}
	all.Wait()
}

// Doors is the present state of the gate of each of the instance's apps, by the
// developer account that they share, or by the app.
func (a *Apps) Breakers() map[string]breaker.Breakers {
	states := make(map[string]breaker.Breakers, len(a.guards))
	for account, k := range a.guards {
		states[account] = k.snapshot()
	}
	return states
}

// Notes says in sentences which apps links belong to that are configured no
// more, and how many that people brought are refused.
func (a *Apps) Notes() (notes []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	closed := 0
	for _, c := range a.userApps.Values() {
		if s := c.Breakers(); s.API.Cause != "" || s.Accounts.Cause != "" {
			closed++
		}
	}
	if closed > 0 {
		notes = append(notes, fmt.Sprintf("Spotify refuses the calls of %d apps that people brought; only their people are not seen meanwhile.", closed))
	}
	for app := range a.unknownApps {
		notes = append(notes, fmt.Sprintf("Some links belong to app %s, which is not configured; they are kept and not asked.", app))
	}
	slices.Sort(notes)
	return notes
}
