package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/databaseurl"
)

// The values of SONGSPY_ENV.
const (
	Production  = "production"
	Development = "development"
)

// Service is the configuration that the API and the batch share.
type Service struct {
	// Env is Production or Development.
	Env string `env:"SONGSPY_ENV" envDefault:"production"`
	// DatabaseURL is sqlite:path or postgres://…; it may contain a password.
	DatabaseURL songspy.Secret `env:"SONGSPY_DATABASE_URL" envDefault:"sqlite:songspy.db"`
	// DatabaseMaxConns is the largest number of connections that this process
	// opens to the database.
	DatabaseMaxConns int `env:"SONGSPY_DATABASE_MAX_CONNS" envDefault:"16"`
	// DatabaseSimpleProtocol disables prepared statements. That is needed for
	// Postgres behind a pooler, such as pgbouncer, that may run each transaction on
	// another server connection: a prepared statement exists on one connection only.
	DatabaseSimpleProtocol bool `env:"SONGSPY_DATABASE_SIMPLE_PROTOCOL" envDefault:"false"`
	// AdminHosts are host names under which the metrics and health pages may be
	// requested, in addition to IP addresses, names without a dot, such as localhost, and
	// names that end with .localhost.
	AdminHosts List `env:"SONGSPY_ADMIN_HOSTS"`
	// SealKeys are the keys that encrypt secrets in the database. ParseKeys describes
	// their form.
	SealKeys songspy.Secret `env:"SONGSPY_SEAL_KEYS"`
	// StateDir is the directory in which Songspy keeps its generated keys in
	// development; see DevelopmentKeys.
	StateDir string `env:"SONGSPY_STATE_DIR" envDefault:".songspy"`
	// Attention limits the calls to Spotify that are made for viewers in addition to the
	// planned calls, in percent of the planned calls; 0 allows no such calls.
	Attention int `env:"SONGSPY_ATTENTION" envDefault:"15"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `env:"SONGSPY_LOG_LEVEL" envDefault:"info"`
	// LogFormat is json or text.
	LogFormat string `env:"SONGSPY_LOG_FORMAT" envDefault:"json"`
}

// IsDevelopment reports whether SONGSPY_ENV is development, as on a developer's
// machine or in a demonstration. Only then are generated keys, weak keys and
// simulated providers allowed.
func (s Service) IsDevelopment() bool { return s.Env == Development }

// Validate returns every fault of the settings.
func (s Service) Validate() error {
	return errors.Join(
		OneOf("SONGSPY_ENV", s.Env, Production, Development),
		OneOf("SONGSPY_LOG_LEVEL", s.LogLevel, "debug", "info", "warn", "error"),
		OneOf("SONGSPY_LOG_FORMAT", s.LogFormat, "json", "text"),
		checkDatabaseURL(s.DatabaseURL),
		AtLeast("SONGSPY_DATABASE_MAX_CONNS", s.DatabaseMaxConns, 1),
		s.checkAttention(),
		s.CheckKeys("SONGSPY_SEAL_KEYS", s.SealKeys),
		s.checkFiles(),
	)
}

func (s Service) checkAttention() error {
	if s.Attention < 0 || s.Attention > 100 {
		return fmt.Errorf("SONGSPY_ATTENTION: is %d; it must be a percentage from 0 to 100", s.Attention)
	}
	return nil
}

// CheckKeys returns an error if the list of keys is malformed. In production it also
// returns an error if the list is empty or keys are weak (Key.isWeak). The argument name
// is the name of the environment variable with the keys.
func (s Service) CheckKeys(name string, keys songspy.Secret) error {
	if keys == "" {
		if s.IsDevelopment() {
			return nil
		}
		return fmt.Errorf("%s: is required in production; `songspy-api keys` prints new ones", name)
	}
	parsed, err := ParseKeys(name, keys)
	if err != nil || s.IsDevelopment() {
		return err
	}
	var faults []error
	for _, k := range parsed {
		if k.isWeak() {
			faults = append(faults, fmt.Errorf("%s: the key %q is not random; `songspy-api keys` prints random ones", name, k.ID))
		}
	}
	return errors.Join(faults...)
}

// CheckNotSealKey returns an error, in production, if any of the keys is also a seal key,
// which encrypts stored secrets: anyone who obtains a key for one purpose must not be able
// to use it for the other. The argument name is the name of the environment variable with
// the keys.
func (s Service) CheckNotSealKey(name string, keys songspy.Secret) error {
	if s.IsDevelopment() || keys == "" || s.SealKeys == "" {
		return nil
	}
	seals, err1 := ParseKeys("SONGSPY_SEAL_KEYS", s.SealKeys)
	others, err2 := ParseKeys(name, keys)
	if err1 != nil || err2 != nil {
		return nil // CheckKeys returns the error
	}
	var faults []error
	for _, k := range others {
		if slices.ContainsFunc(seals, func(seal Key) bool { return bytes.Equal(k.Key, seal.Key) }) {
			faults = append(faults, fmt.Errorf("%s: the key %q is also in SONGSPY_SEAL_KEYS; each purpose needs its own, as `songspy-api keys` prints them", name, k.ID))
		}
	}
	return errors.Join(faults...)
}

// checkDatabaseURL returns an error if the database URL is not valid. The error
// never quotes the URL, because it may contain a password.
func checkDatabaseURL(secret songspy.Secret) error {
	const name = "SONGSPY_DATABASE_URL"
	raw := secret.Reveal()
	if path, ok := strings.CutPrefix(raw, "sqlite:"); ok {
		if path == "" {
			return errors.New(name + ": sqlite: must be followed by the path of a file")
		}
		return nil
	}
	if err := databaseurl.CheckPostgres(raw); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
