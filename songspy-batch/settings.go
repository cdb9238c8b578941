package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-domain/config"
)

// defaultAddr is the default of SONGSPY_BATCH_ADDR.
const defaultAddr = "127.0.0.1:8081"

// settings are the batch's settings, read from the environment.
type settings struct {
	Service       config.Service
	Spotify       config.Spotify
	Notifications config.Notifications

	// Addr is the address of /healthz, /readyz, /metrics and /debug/pprof/.
	Addr string `env:"SONGSPY_BATCH_ADDR" envDefault:"127.0.0.1:8081"`
	// RefreshInterval is the time between two runs of AccessTokenRefreshScheduler.
	RefreshInterval time.Duration `env:"SONGSPY_REFRESH_INTERVAL" envDefault:"30m"`
	// PollInterval is the longest time between two polls of a user, unless a quota does
	// not allow so many polls or a failed poll requires a longer wait. It is also the time
	// between two runs of CurrentPlayingTrackScheduler.
	PollInterval time.Duration `env:"SONGSPY_POLL_INTERVAL" envDefault:"3m"`
	// PollConcurrency is the largest number of polls that run at once.
	PollConcurrency int `env:"SONGSPY_POLL_CONCURRENCY" envDefault:"64"`
	// RefreshConcurrency is the largest number of planned renewals that run at once.
	RefreshConcurrency int `env:"SONGSPY_REFRESH_CONCURRENCY" envDefault:"16"`
	// PublicURL is the URL at which browsers reach the API. Mails to users point there,
	// unless Notifications.RelinkURL is set.
	PublicURL string `env:"SONGSPY_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	// Spread says that each user has a fixed time (phase) within the poll interval and
	// the refresh interval. If it is false, all users are polled and renewed at once.
	// That measures the highest possible rate.
	Spread bool `env:"SONGSPY_SPREAD" envDefault:"true"`

	// now returns the current time. If it is nil, time.Now is used.
	now func() time.Time
}

// Validate returns all errors of the batch's own settings. config.Load calls it.
func (s settings) Validate() error {
	var addr error
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		addr = fmt.Errorf("SONGSPY_BATCH_ADDR: is %q; it must be host:port, such as %s", s.Addr, defaultAddr)
	}
	return errors.Join(
		addr,
		config.AtLeast("SONGSPY_REFRESH_INTERVAL", s.RefreshInterval, time.Second),
		config.AtLeast("SONGSPY_POLL_INTERVAL", s.PollInterval, time.Second),
		config.AtLeast("SONGSPY_POLL_CONCURRENCY", s.PollConcurrency, 1),
		config.AtLeast("SONGSPY_REFRESH_CONCURRENCY", s.RefreshConcurrency, 1),
	)
}

// replicated reports whether other replicas may use the same database.
func (s settings) replicated() bool {
	return !strings.HasPrefix(s.Service.DatabaseURL.Reveal(), "sqlite:")
}

// withKeys returns the settings with the keys that encrypt stored secrets. If none are
// configured, which is allowed only in development, it generates keys and keeps them in
// the state directory.
func (s settings) withKeys() (settings, error) {
	if s.Service.SealKeys != "" {
		return s, nil
	}
	keys, err := config.DevelopmentKeys(s.Service.StateDir)
	if err != nil {
		return s, err
	}
	s.Service.SealKeys = keys.Seal
	return s, nil
}
