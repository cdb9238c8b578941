// Package databaseurl rejects Postgres URLs that can be read in more than one
// way. In such a URL a part of the password may count as a host, a database or
// a parameter, and appear in an error or on the network.
package databaseurl

import (
	"errors"
	"net/url"
	"strings"
)

// The errors of CheckPostgres. They never quote the URL.
var (
	ErrFormat    = errors.New("must be sqlite:path or postgres://user:password@host:5432/database")
	ErrEncoding  = errors.New("cannot be read; percent-encode the special characters of the user and the password, such as %40 for @ and %2F for /")
	ErrParameter = errors.New("has a parameter after ? that Postgres does not know; percent-encode & and = within values")
)

// knownParameters are the parameters that libpq or pgx knows, and server
// settings that a client may want to change.
var knownParameters = map[string]bool{
	"application_name": true, "channel_binding": true, "connect_timeout": true, "database": true, "dbname": true, "fallback_application_name": true,
	"gssencmode": true, "host": true, "hostaddr": true, "keepalives": true, "keepalives_idle": true, "keepalives_interval": true,
	"keepalives_count": true, "krbsrvname": true, "krbspn": true, "load_balance_hosts": true, "min_protocol_version": true, "max_protocol_version": true,
	"options": true, "passfile": true, "password": true, "port": true, "require_auth": true, "service": true, "servicefile": true,
	"sslcert": true, "sslcertmode": true, "sslinline": true, "sslkey": true, "sslmode": true, "sslnegotiation": true, "sslpassword": true,
	"sslrootcert": true, "sslsni": true, "ssl_min_protocol_version": true, "ssl_max_protocol_version": true, "target_session_attrs": true,
	"tcp_user_timeout": true, "user": true,
	"client_encoding": true, "datestyle": true, "default_transaction_isolation": true, "idle_in_transaction_session_timeout": true,
	"lock_timeout": true, "role": true, "search_path": true, "standard_conforming_strings": true, "statement_timeout": true, "timezone": true,
}

// CheckPostgres returns nil if the URL can be read in one way only: its scheme
// is postgres or postgresql, special characters are percent-encoded, and all
// parameters are known.
func CheckPostgres(raw string) error {
	rest, found := strings.CutPrefix(raw, "postgres://")
	if !found {
		if rest, found = strings.CutPrefix(raw, "postgresql://"); !found {
			return ErrFormat
		}
	}
	// In a URL, the first /, ? or # ends the part with user, password and host. So if
	// the password contains such a character, the @ before the host comes after it. A #
	// is rejected even without an @ after it.
	if i := strings.IndexAny(rest, "/?#"); i >= 0 && strings.Contains(rest[i:], "@") || strings.Contains(rest, "#") {
		return ErrEncoding
	}
	// Parsers disagree on which of several @ ends the password.
	if strings.Count(rest, "@") > 1 {
		return ErrEncoding
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ErrEncoding // without err, which quotes the URL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return ErrEncoding
	}
	for name := range query {
		if !knownParameters[strings.ToLower(name)] {
			return ErrParameter
		}
	}
	return nil
}
