package populate

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
)

// Options are the settings of a Populator.
type Options struct {
	API          string        // address of Songspy's API, such as http://127.0.0.1:8080
	Simulator    string        // address of the simulator
	People       int           // people 0 to People−1 are signed up
	Workers      int           // how many people are signed up at once
	ReadyTimeout time.Duration // how long to wait until the API and the simulator are ready
	Invite       string        // the code of an invite, sent with every sign-in; empty if there is none

	GoogleRedirect, SpotifyRedirect string // the frontend's redirect URIs

	Progress io.Writer    // receives a line after each thousand people; may be nil
	Client   *http.Client // sends the requests; if it is nil, they use no proxy
}

// Result counts the people who were signed in, linked and given a nickname in this run.
type Result struct{ SignedIn, Linked, Named int64 }

// Populator signs people up.
type Populator struct {
	opts   Options
	client *frontend.Client
}

// New checks the options and returns a populator.
func New(o Options) (*Populator, error) {
	client, err := frontend.New(o.API, o.Simulator, o.GoogleRedirect, o.Workers, o.Client)
	if err != nil {
		return nil, err
	}
	if o.People < 1 || o.Workers < 1 {
		return nil, fmt.Errorf("%d people and %d workers: use at least one of each", o.People, o.Workers)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return &Populator{o, client}, nil
}

// errorsShownMax is the maximum number of people whose errors Run returns in full. It only
// counts the others.
const errorsShownMax = 5

// Run waits until the API and the simulator are ready, and signs all people up. An error
// of one person does not stop the sign-ups of the others. Run joins the errors of up to
// errorsShownMax people, and counts the other people with errors. If ctx ends during
// the sign-ups, it returns only the error of ctx.
func (p *Populator) Run(ctx context.Context) (Result, error) {
	if err := p.client.WaitReady(ctx, p.opts.ReadyTimeout); err != nil {
		return Result{}, err
	}
	var (
		result   Result
		next     atomic.Int64
		workers  sync.WaitGroup
		mu       sync.Mutex
		problems []error
	)
	for range min(p.opts.Workers, p.opts.People) {
		workers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= p.opts.People || ctx.Err() != nil {
					return
				}
				if err := p.signUpPerson(ctx, n, &result); err != nil {
					mu.Lock()
					problems = append(problems, fmt.Errorf("person %d: %w", n, err))
					mu.Unlock()
				}
				if (n+1)%1000 == 0 {
					fmt.Fprintf(p.opts.Progress, "%d of %d people\n", n+1, p.opts.People)
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return result, err
	}
	if more := len(problems) - errorsShownMax; more > 0 {
		problems = append(problems[:errorsShownMax], fmt.Errorf("and %d more people", more))
	}
	return result, errors.Join(problems...)
}
