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

// Options say whom to sign up where.
type Options struct {
	API          string        // address of Songspy's API, such as http://127.0.0.1:8080
	Simulator    string        // address of the simulator
	People       int           // people 0 to People−1 are signed up
	Workers      int           // how many at a time
	ReadyTimeout time.Duration // for both to be ready
	Invite       string        // shown by everybody who signs in; empty: none

	GoogleRedirect, SpotifyRedirect string // the frontend's redirect URIs

	Progress io.Writer    // told how far it is; nil: silence
	Client   *http.Client // nil: one of its own that uses no proxy
}

// Result counts what was done.
type Result struct{ SignedIn, Linked, Named int64 }

// Populator signs people up.
type Populator struct {
	opts   Options
	client *http.Client
}

// New checks the options.
func New(o Options) (*Populator, error) {
	for name, address := range map[string]string{"the API": o.API, "the simulator": o.Simulator} {
		if u, err := url.Parse(address); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("the address of %s is %q: give one like http://127.0.0.1:8080", name, address)
		}
	}
	if o.People < 1 || o.Workers < 1 {
		return nil, fmt.Errorf("%d people by %d workers: give at least one of each", o.People, o.Workers)
	}
	o.API, o.Simulator = strings.TrimRight(o.API, "/"), strings.TrimRight(o.Simulator, "/")
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: o.Workers}}
	if o.Client != nil {
		client = *o.Client
	}
	// A frontend reads where the providers send it; it must not be followed.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Populator{o, &client}, nil
}

// maxComplaints is how many people's errors are told in full.
const errorsShownMax = 5

// Run waits until both sides are ready and signs everybody up. One person's
// failure does not keep the others away; all failures are returned together.
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
		problems = append(problems[:errorsShownMax], fmt.Errorf("and %d people more", more))
	}
	return result, errors.Join(problems...)
}

// ready waits for the simulator and the API.
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
				problem = now // not that the time is up, but why it was not enough
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

// bare strips the address from a client's error: it may hold a token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
