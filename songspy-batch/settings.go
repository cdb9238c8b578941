package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-domain/config"
)

// defaultAddr is where the batch answers when it is not told.
const defaultAddr = "127.0.0.1:8081"

// settings is all that the batch is told by its environment.
type settings struct {
	Service       config.Service
	Spotify       config.Spotify
	Notifications config.Notifications

	// Addr answers /healthz, /readyz, /metrics and /debug/pprof/.
	Addr string `env:"SONGSPY_BATCH_ADDR" envDefault:"127.0.0.1:8081"`
	// RefreshInterval is the time between two runs of AccessTokenRefreshScheduler.
	RefreshInterval time.Duration `env:"SONGSPY_REFRESH_INTERVAL" envDefault:"30m"`
	// PollInterval is the longest time between two looks at one listener, and
	// between two runs of CurrentPlayingTrackScheduler.
	PollInterval time.Duration `env:"SONGSPY_POLL_INTERVAL" envDefault:"3m"`
	// PollConcurrency bounds the looks under way.
	PollConcurrency int `env:"SONGSPY_POLL_CONCURRENCY" envDefault:"64"`
	// RefreshConcurrency bounds the planned renewals under way.
	RefreshConcurrency int `env:"SONGSPY_REFRESH_CONCURRENCY" envDefault:"16"`
	// PublicURL is where browsers reach the API; the mails that ask people to link
	// again lead there, unless Notices names another page.
	PublicURL string `env:"SONGSPY_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	// Spread gives every listener a place of their own in the intervals;
	// false makes everyone due at once, to measure the most that is possible.
	Spread bool `env:"SONGSPY_SPREAD" envDefault:"true"`

	// now is the clock; nil means the system's.
	now func() time.Time
}

// Validate lists every fault of the settings that are the batch's own.
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

// replicated reports whether other batches may work on the same database.
func (s settings) replicated() bool {
	return !strings.HasPrefix(s.Service.DatabaseURL.Reveal(), "sqlite:")
}

// withKeys fills in the keys that a development makes for itself.
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
