package populate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a Populator.
type Options struct {
	API          string        // address of Songspy's API, such as http://127.0.0.1:8080
	Simulator    string        // address of the simulator
	People       int           // people 0 to People−1 are signed up
	Workers      int           // how many sign-ups run at once
	ReadyTimeout time.Duration // how long to wait until both are ready
	Invite       string        // the code of an invite, sent with every sign-in; empty: none

	GoogleRedirect, SpotifyRedirect string // the frontend's redirect URIs

	Progress io.Writer    // receives the progress; nil: none
	Client   *http.Client // nil: a client that uses no proxy
}

// Result counts the completed steps.
type Result struct{ SignedIn, Linked, Named int64 }

// Populator signs people up.
type Populator struct {
	opts   Options
	client *http.Client
}

// New checks the options and returns a populator.
func New(o Options) (*Populator, error) {
	for name, address := range map[string]string{"the API": o.API, "the simulator": o.Simulator} {
		if u, err := url.Parse(address); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("the address of %s is %q: use one like http://127.0.0.1:8080", name, address)
		}
	}
	if o.People < 1 || o.Workers < 1 {
		return nil, fmt.Errorf("%d people and %d workers: use at least one of each", o.People, o.Workers)
	}
	o.API, o.Simulator = strings.TrimRight(o.API, "/"), strings.TrimRight(o.Simulator, "/")
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: o.Workers}}
	if o.Client != nil {
		client = *o.Client
	}
	// Do not follow the redirect to the frontend: its parameters are read
	// instead.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Populator{o, &client}, nil
}

// errorsShownMax is the number of errors that are listed in full.
const errorsShownMax = 5

// Run waits until both services are ready, and signs all people up. One
// person's error does not stop the others; all errors are returned together.
func (p *Populator) Run(ctx context.Context) (Result, error) {
	if err := p.waitReady(ctx); err != nil {
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

// waitReady waits for the simulator and the API.
func (p *Populator) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.ReadyTimeout)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for _, address := range []string{p.opts.Simulator + "/healthz", p.opts.API + "/readyz"} {
		var problem error
		for {
			now := p.checkReady(ctx, address)
			if now == nil {
				break
			}
			if problem == nil || ctx.Err() == nil {
				problem = now // keep the cause, not the timeout
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s was not ready within %v: %w", address, p.opts.ReadyTimeout, problem)
			case <-ticker.C:
			}
		}
	}
	return nil
}

func (p *Populator) checkReady(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// withoutURL removes the URL from a client's error, because it may contain a
// token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
