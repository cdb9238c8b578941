// Package viewing lets simulated people look at what others listen to. Each person signs
// in, follows some of the others, and visits Songspy several times a day. During a visit,
// the person reads Songspy's event stream. Like a frontend, the package uses only the
// providers' consent pages and Songspy's public API.
package viewing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/frontend"
	"github.com/songspy/songspy/songspy-sim/internal/population"
)

// Options are the settings of a Viewing.
type Options struct {
	API          string        // address of Songspy's API, such as http://127.0.0.1:8080
	Simulator    string        // address of the simulator
	People       int           // people 0 to People−1 follow some of each other, and visit Songspy
	Hostile      int           // how many viewers without an account read the stream all the time
	Seed         uint64        // the seed of the viewers' habits: which people they follow, and when they visit
	Speed        float64       // the factor by which people visit more often than by their habits; visits do not become shorter
	ReadyTimeout time.Duration // how long to wait until the API and the simulator are ready

	GoogleRedirect string // the frontend's redirect URI

	Output io.Writer    // receives a line of figures each minute and at the end
	Client *http.Client // sends the requests; if it is nil, they use no proxy
}

// reportInterval is the time between two lines of figures.
const reportInterval = time.Minute

// Viewing runs the viewers.
type Viewing struct {
	opts    Options
	client  *frontend.Client
	streams *http.Client // for streams: it has no timeout
	viewers []*viewer
	figures figures
}

// viewer is one viewer. The token is the JWT of the viewer's session, and the handle the
// viewer's public id as text. For a viewer without an account, both are empty.
type viewer struct {
	person        int
	handle, token string
}

// figures counts what the viewers do. The figure open is the number of open streams; the
// others are totals.
type figures struct{ visits, open, events, resets, reconnects atomic.Int64 }

// New returns a Viewing, or an error if the options are invalid.
func New(o Options) (*Viewing, error) {
	client, err := frontend.New(o.API, o.Simulator, o.GoogleRedirect, 1, o.Client)
	if err != nil {
		return nil, err
	}
	if o.People < 0 || o.Hostile < 0 || o.People+o.Hostile == 0 || !(o.Speed > 0) {
		return nil, fmt.Errorf("%d people and %d hostile viewers at %g times the speed: use at least one viewer, and a speed above 0", o.People, o.Hostile, o.Speed)
	}
	streams := *client.HTTP
	streams.Timeout = 0
	return &Viewing{opts: o, client: client, streams: &streams}, nil
}

// Run signs the people in, lets them follow each other, and runs all viewers until ctx
// ends. Then it returns nil. It returns an error earlier if a sign-in or a follow fails. It
// is not an error if a person may not see, and so cannot follow, another one.
func (v *Viewing) Run(ctx context.Context) error {
	if err := v.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var viewing sync.WaitGroup
	for _, p := range v.viewers {
		viewing.Go(func() { v.visit(ctx, p) })
	}
	for range v.opts.Hostile {
		viewing.Go(func() { v.read(ctx, &viewer{}) })
	}
	for frontend.Wait(ctx, reportInterval) {
		v.report()
	}
	viewing.Wait()
	v.report()
	return nil
}

func (v *Viewing) report() {
	f := &v.figures
	fmt.Fprintf(v.opts.Output, "visits %d, open streams %d, events %d, resets %d, reconnects %d\n",
		f.visits.Load(), f.open.Load(), f.events.Load(), f.resets.Load(), f.reconnects.Load())
}

// begin waits until the API and the simulator are ready, signs the people in, and lets each
// person follow the people in that person's habits.
func (v *Viewing) begin(ctx context.Context) error {
	if err := v.client.WaitReady(ctx, v.opts.ReadyTimeout); err != nil {
		return err
	}
	for person := range v.opts.People {
		p := &viewer{person: person}
		if err := v.signIn(ctx, p); err != nil {
			return fmt.Errorf("person %d: %w", person, err)
		}
		v.viewers = append(v.viewers, p)
	}
	follows := 0
	for _, p := range v.viewers {
		for _, other := range v.habits(p).Follows {
			isFollowing, err := v.follow(ctx, p, v.viewers[other])
			if err != nil {
				return fmt.Errorf("person %d follows %d: %w", p.person, other, err)
			}
			if isFollowing {
				follows++
			}
		}
	}
	fmt.Fprintf(v.opts.Output, "%d people are signed in, and follow %d others in all\n", len(v.viewers), follows)
	return nil
}

func (v *Viewing) habits(p *viewer) population.Viewer {
	return population.NewViewer(v.opts.Seed, v.opts.People, p.person)
}

func (v *Viewing) signIn(ctx context.Context, p *viewer) error {
	account, err := v.client.SignIn(ctx, p.person, "")
	if err != nil {
		return err
	}
	p.token = account.Token
	var me struct{ Handle string }
	if err := v.client.Call(ctx, http.MethodGet, "/me", p.token, nil, &me); err != nil {
		return err
	}
	p.handle = me.Handle
	return nil
}

// follow lets the first viewer follow the second one. If the second viewer must approve
// that, it approves the follow in that viewer's name. It returns false if the first viewer
// may not see the second one.
func (v *Viewing) follow(ctx context.Context, p, other *viewer) (bool, error) {
	var follow struct{ State string }
	err := v.client.Call(ctx, http.MethodPut, "/people/"+other.handle+"/follow", p.token, nil, &follow)
	if refusal, ok := errors.AsType[*frontend.Error](err); ok && refusal.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil || follow.State != "requested" {
		return err == nil, err
	}
	err = v.client.Call(ctx, http.MethodPut, "/me/followers/"+p.handle, other.token, nil, nil)
	return err == nil, err
}

// visit lets the person p visit Songspy at the times of the person's habits, until ctx ends.
// The option Speed shortens the time between two visits. During a visit the person reads
// the stream.
func (v *Viewing) visit(ctx context.Context, p *viewer) {
	began := time.Now()
	for at := range v.habits(p).Visits(began) {
		due := began.Add(time.Duration(float64(at.Sub(began)) / v.opts.Speed))
		if !frontend.Wait(ctx, time.Until(due)) {
			return
		}
		v.figures.visits.Add(1)
		visit, end := context.WithTimeout(ctx, population.VisitLength)
		v.read(visit, p)
		end()
	}
}
