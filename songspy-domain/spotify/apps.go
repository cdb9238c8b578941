package spotify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
)

// App is one Spotify app of the instance.
type App struct {
	ID     string
	Secret songspy.Secret // empty: an app that uses PKCE alone
}

// Apps is the instance's Spotify apps, each with doors of its own. Calls go by
// the app that a person linked through.
type Apps struct {
	clients map[string]*Client
	ids     []string // as configured, the first one first

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
	a := &Apps{clients: make(map[string]*Client, len(apps)), unknown: map[string]bool{}}
	for _, app := range apps {
		own := c
		own.App, own.ClientID, own.ClientSecret = app.ID, app.ID, app.Secret
		a.clients[app.ID] = New(own)
		a.ids = append(a.ids, app.ID)
	}
	return a
}

// IDs are the apps as they were configured.
func (a *Apps) IDs() []string { return slices.Clone(a.ids) }

// Client is the client of an app. A link that names none is the first app's.
func (a *Apps) Client(app string) (*Client, error) {
	if app == "" && len(a.ids) > 0 {
		app = a.ids[0]
	}
	if c := a.clients[app]; c != nil {
		return c, nil
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

// Keep shares the doors of every app with the other processes until ctx ends.
func (a *Apps) Keep(ctx context.Context) {
	var all sync.WaitGroup
	for _, c := range a.clients {
		all.Go(func() { c.Keep(ctx) })
	}
	all.Wait()
}

// Doors is the present state of each app's gate.
func (a *Apps) Doors() map[string]gate.State {
	states := make(map[string]gate.State, len(a.clients))
	for id, c := range a.clients {
		states[id] = c.Doors()
	}
	return states
}

// Spent is how many calls to the Web API all apps have made today.
func (a *Apps) Spent(now time.Time) (calls int64) {
	for _, c := range a.clients {
		calls += c.Doors().Day.Spent(now)
	}
	return calls
}

// Notes says in sentences which apps links belong to that are configured no more.
func (a *Apps) Notes() (notes []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for app := range a.unknown {
		notes = append(notes, fmt.Sprintf("Some links belong to app %s, which is not configured; they are kept and not asked.", app))
	}
	slices.Sort(notes)
	return notes
}
