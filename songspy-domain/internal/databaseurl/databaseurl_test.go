package databaseurl_test

import (
	"errors"
	"testing"

	"github.com/songspy/songspy/songspy-domain/internal/databaseurl"
)

func TestCheckPostgres_AcceptsUnambiguousURLs(t *testing.T) {
	for address, want := range map[string]error{
		"postgres://user:password@host:5432/database":                                   nil,
		"postgresql://user@host/database":                                               nil,
		"postgres://user:p%40ss%2Fword@host/database?sslmode=disable&connect_timeout=5": nil,
		"postgres://user:p%40ss:word@host/database":                                     nil,
		"postgres:///database?host=/var/run/postgresql&user=songspy":                    nil,
		"postgres://user:password@one:5432,two:5432/db?target_session_attrs=primary":    nil,
		"postgres://user:password@[::1]:5432/database?search_path=songs":                nil,

		"mysql://user:password@host/db":                    databaseurl.ErrFormat,
		"postgres:user:password@host/db":                   databaseurl.ErrFormat,
		"host=h user=u password=p":                         databaseurl.ErrFormat,
		"postgres://user:pass/word@host/db":                databaseurl.ErrEncoding,
		"postgres://user:p@ssword@host/db":                 databaseurl.ErrEncoding,
		"postgres://user:12/word@host/db":                  databaseurl.ErrEncoding,
		"postgres://user:12?word@host/db":                  databaseurl.ErrEncoding,
		"postgres://user:12#word@host/db":                  databaseurl.ErrEncoding,
		"postgres://user:pass#word":                        databaseurl.ErrEncoding,
		"postgres://user:100%@host/db":                     databaseurl.ErrEncoding,
		"postgres://user:pass word@host/db":                databaseurl.ErrEncoding,
		"postgres://host/db?user=u&password=pass&word":     databaseurl.ErrParameter,
		"postgres://host/db?user=u&passwrod=password":      databaseurl.ErrParameter,
		"postgres://host/db?user=u&password=100%&dbname=d": databaseurl.ErrEncoding,
	} {
		if err := databaseurl.CheckPostgres(address); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}
