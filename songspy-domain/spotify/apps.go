package spotify

import (
	"cmp"
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

// App is one of the Spotify apps that the operator has configured.
type App struct {
	ID     string
	Secret songspy.Secret // empty for an app that uses PKCE alone
	// Account names the Spotify developer account that owns the app. Apps of
	// one account share its quota of calls. Empty means that the app has its
	// own quota.
	Account string
}

// userAppsMax is how many clients of user-supplied Spotify apps are cached. The
// least recently used client is dropped first. If its app is used again, the new
// client reads the state of the app's circuit breakers from the database.
const userAppsMax = 4096

// Apps holds the clients of all Spotify apps: those of the operator, and
// user-supplied apps. A call for a user goes through the app through which the user
// linked. Apps of one developer account share their circuit breakers and their daily
// quota of calls. An app without a configured developer account has its own.
type Apps struct {
	config    Config
	clients   map[string]*Client
	ids       []string // in the configured order
	accountOf map[string]string
	guards    map[string]*breakerGuard // by developer account

	userApps    *lru.Cache[string, *Client] // clients of user-supplied apps, by the app's name
	mu          sync.Mutex
	unknownApps map[string]bool // apps that links name, but that are not configured any more
}

// ReasonAppUnknown means that the user linked through a Spotify app that is not
// configured any more.
const ReasonAppUnknown = "SPOTIFY_APP_UNKNOWN"

// NewApps returns an Apps with a client for each of the apps. The Config
// applies to all of them.
func NewApps(c Config, apps ...App) *Apps {
	if c.Transport == nil {
		c.Transport = NewTransport(cmp.Or(c.MaxConns, 256))
	}
	a := &Apps{
		config: c, clients: make(map[string]*Client, len(apps)), accountOf: map[string]string{},
		guards: map[string]*breakerGuard{}, unknownApps: map[string]bool{},
	}
	a.userApps, _ = lru.New[string, *Client](userAppsMax) // fails only if the size is not positive
	for _, app := range apps {
		account := cmp.Or(app.Account, app.ID)
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

// QuotaAccount returns the developer account whose quota the calls of a Spotify app
// use: the configured account, or the app's name if none is configured. An empty app
// means the first app.
func (a *Apps) QuotaAccount(app string) string {
	if app == "" && len(a.ids) > 0 {
		app = a.ids[0]
	}
	if account, configured := a.accountOf[app]; configured {
		return account
	}
	return app
}

// QuotaHeadroom returns how many calls the apps of a developer account may
// still make now. An account that is not known has no limit.
func (a *Apps) QuotaHeadroom(account string, now time.Time) quota.Headroom {
	if guard := a.guards[account]; guard != nil {
		return guard.quotaHeadroom(now)
	}
	if c, used := a.userApps.Peek(account); used {
		return c.guard.quotaHeadroom(now)
	}
	return quota.Headroom{}
}

// QuotaStatuses returns, for each configured developer account, the state of
// its quota of calls, and how often Spotify has answered this process that the
// quota is exceeded.
func (a *Apps) QuotaStatuses(now time.Time) (statuses map[string]quota.Status, refusals map[string]int64) {
	statuses, refusals = map[string]quota.Status{}, map[string]int64{}
	for account, guard := range a.guards {
		statuses[account], refusals[account] = guard.quotaStatus(now)
	}
	return statuses, refusals
}

// Client returns the client of an app. An empty name means the first app. For an app
// that is neither configured nor user-supplied it returns an error with ReasonAppUnknown,
// and remembers the app, so that Notes reports it to the operator.
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
		Message: "This link belongs to a Spotify app that the instance no longer has. Please link Spotify again.",
		Err:     errors.New("the link's app is not among SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_APPS"),
	}
}

// UserAppClient returns the client of a user-supplied app. The circuit breakers of the
// app and the refusals of its quota are stored like those of other apps, so that
// Songspy does not call a blocked app after a restart. But its calls are counted only
// in memory: a restart forgets the count, so that Spotify may refuse one call. There
// may be very many such apps, and storing the counts of all would cost more than that.
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

// CurrentlyPlaying polls a player through the user's app. See
// Client.CurrentlyPlaying.
func (a *Apps) CurrentlyPlaying(ctx context.Context, access songspy.Credentials) (songspy.Observation, error) {
	c, err := a.Client(access.App)
	if err != nil {
		return songspy.Observation{}, err
	}
	return c.CurrentlyPlaying(ctx, access.Token)
}

// RecentlyPlayed fetches history through the user's app. See
// Client.RecentlyPlayed.
func (a *Apps) RecentlyPlayed(ctx context.Context, access songspy.Credentials, after time.Time) ([]songspy.HistoryItem, error) {
	c, err := a.Client(access.App)
	if err != nil {
		return nil, err
	}
	return c.RecentlyPlayed(ctx, access.Token, after)
}

// Refresh renews the access token of a user's link through the app of the link.
// See Client.Refresh.
func (a *Apps) Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error) {
	c, err := a.Client(link.App)
	if err != nil {
		return songspy.Grant{}, err
	}
	return c.Refresh(ctx, link)
}

// TripForbidden opens the circuit breaker of the Web API for an app. Call it when
// Spotify answers the calls of several of the app's users with a 403 of unknown
// meaning: see breaker.TripForbidden. It does nothing for an app that is neither
// configured nor user-supplied.
func (a *Apps) TripForbidden(ctx context.Context, app string) {
	if c, err := a.Client(app); err == nil {
		c.guard.tripForbidden(ctx)
	}
}

// SyncBreakers exchanges the state of the circuit breakers of the operator's apps with
// the other processes until ctx ends. The circuit breakers of user-supplied apps are
// exchanged only when a call uses them.
func (a *Apps) SyncBreakers(ctx context.Context) {
	var all sync.WaitGroup
	for _, guard := range a.guards {
		all.Go(func() { guard.syncUntilDone(ctx) })
	}
	all.Wait()
}

// Breakers returns the current state of the circuit breakers of the operator's
// apps. The key is the developer account, or the app if it belongs to none.
func (a *Apps) Breakers() map[string]breaker.Breakers {
	states := make(map[string]breaker.Breakers, len(a.guards))
	for account, guard := range a.guards {
		states[account] = guard.snapshot()
	}
	return states
}

// Notes returns sentences for the operator: about apps through which users have linked
// and that are not configured any more, and about user-supplied apps that Spotify
// blocks.
func (a *Apps) Notes() (notes []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	blocked := 0
	for _, c := range a.userApps.Values() {
		if s := c.Breakers(); s.API.Cause != "" || s.Accounts.Cause != "" {
			blocked++
		}
	}
	if blocked > 0 {
		notes = append(notes, fmt.Sprintf("Spotify blocks the calls of %d user-supplied apps; only their users are not polled meanwhile.", blocked))
	}
	for app := range a.unknownApps {
		notes = append(notes, fmt.Sprintf("Some links belong to app %s, which is not configured; they are kept, and their users are not polled.", app))
	}
	slices.Sort(notes)
	return notes
}
