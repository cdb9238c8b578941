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
	"github.com/songspy/songspy/songspy-domain/gate"
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
const ownMost = 4096

// Apps is the Spotify apps by way of which people are asked: those of the
// instance, and those that people brought. Calls go by the app that a person
// linked through. Apps of one developer account have doors and a day's calls in
// common, all others have their own.
type Apps struct {
	config  Config
	clients map[string]*Client
	ids     []string // as configured, the first one first
	account map[string]string
	keepers map[string]*doorkeeper // by account

	own     *lru.Cache[string, *Client] // those that people brought, by the app's name
	mu      sync.Mutex
	unknown map[string]bool // apps of links that are configured no more
}

// ReasonAppUnknown: the link was made through an app that is not configured.
const ReasonAppUnknown = "SPOTIFY_APP_UNKNOWN"

// NewApps makes a client for each app; all else is as the Config says.
func NewApps(c Config, apps ...App) *Apps {
	if c.Transport == nil {
		c.Transport = NewTransport(either(c.MaxConns, 256))
	}
	a := &Apps{
		config: c, clients: make(map[string]*Client, len(apps)), account: map[string]string{},
		keepers: map[string]*doorkeeper{}, unknown: map[string]bool{},
	}
	a.own, _ = lru.New[string, *Client](ownMost) // fails on a size of none alone
	for _, app := range apps {
		account := either(app.Account, app.ID)
		if a.keepers[account] == nil {
			shared := c
			shared.App = account
			a.keepers[account] = newDoorkeeper(shared.completed())
		}
		its := c
		its.App, its.ClientID, its.ClientSecret = app.ID, app.ID, app.Secret
		a.clients[app.ID] = newClient(its.completed(), a.keepers[account])
		a.account[app.ID] = account
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
	if account, ours := a.account[app]; ours {
		return account
	}
	return app
}

// QuotaRoom is what an account may still call.
func (a *Apps) QuotaRoom(account string, now time.Time) quota.Room {
	if k := a.keepers[account]; k != nil {
		return k.room(now)
	}
	if c, used := a.own.Peek(account); used {
		return c.gate.room(now)
	}
	return quota.Room{}
}

// Quotas is how each of the instance's developer accounts stands to its quota,
// and how many refusals this process has met.
func (a *Apps) Quotas(now time.Time) (standings map[string]quota.Standing, refusals map[string]int64) {
	standings, refusals = map[string]quota.Standing{}, map[string]int64{}
	for account, k := range a.keepers {
		standings[account], refusals[account] = k.standing(now)
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
	if id, own := songspy.OwnClientID(app); own {
		return a.Own(id), nil
	}
	a.mu.Lock()
	a.unknown[app] = true
	a.mu.Unlock()
	return nil, &songspy.Error{
		Code: songspy.CodeUnavailable, Reason: ReasonAppUnknown, Disposition: songspy.DispositionRetryLater, RetryAfter: misconfiguredPause,
		Message: "This link belongs to a Spotify app that the instance no longer has.",
		Err:     errors.New("the link's app is not among SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_APPS"),
	}
}

// Own is the client of an app that a person brought. Its doors are kept like
// others', so that a restart does not knock at a closed one, and so are the
// refusals of its quota. Its calls are counted in memory: a write for each of
// very many apps would cost more than one refusal after a restart.
func (a *Apps) Own(clientID string) *Client {
	app := songspy.OwnApp(clientID)
	if c, ok := a.own.Get(app); ok {
		return c
	}
	its := a.config
	its.App, its.ClientID, its.ClientSecret, its.DailyCalls, its.Share, its.countAlone = app, clientID, "", 0, nil, true
	c := New(its)
	if other, found, _ := a.own.PeekOrAdd(app, c); found {
		return other
	}
	return c
}

// CurrentlyPlaying looks at a player by way of its app: see Client.CurrentlyPlaying.
func (a *Apps) CurrentlyPlaying(ctx context.Context, access songspy.Access) (songspy.Observation, error) {
	c, err := a.Client(access.App)
	if err != nil {
		return songspy.Observation{}, err
	}
	return c.CurrentlyPlaying(ctx, access.Token)
}

// RecentlyPlayed asks history by way of the person's app: see Client.RecentlyPlayed.
func (a *Apps) RecentlyPlayed(ctx context.Context, access songspy.Access, after time.Time) ([]songspy.HistoryItem, error) {
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
func (a *Apps) Forbid(ctx context.Context, app string) {
	if c, err := a.Client(app); err == nil {
		c.gate.forbid(ctx)
	}
}

// Keep shares the doors of every app of the instance with the other processes
// until ctx ends. Those of apps that people brought are read and written as they
// are used.
func (a *Apps) Keep(ctx context.Context) {
	var all sync.WaitGroup
	for _, k := range a.keepers {
		all.Go(func() { k.keep(ctx) })
	}
	all.Wait()
}

// Doors is the present state of the gate of each of the instance's apps, by the
// developer account that they share, or by the app.
func (a *Apps) Doors() map[string]gate.State {
	states := make(map[string]gate.State, len(a.keepers))
	for account, k := range a.keepers {
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
	for _, c := range a.own.Values() {
		if s := c.Doors(); s.API.Why != "" || s.Accounts.Why != "" {
			closed++
		}
	}
	if closed > 0 {
		notes = append(notes, fmt.Sprintf("Spotify refuses the calls of %d apps that people brought; only their people are not seen meanwhile.", closed))
	}
	for app := range a.unknown {
		notes = append(notes, fmt.Sprintf("Some links belong to app %s, which is not configured; they are kept and not asked.", app))
	}
	slices.Sort(notes)
	return notes
}
