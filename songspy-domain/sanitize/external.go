package sanitize

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
)

// urlMaxBytes is the length of the longest URL that WebURL accepts, in bytes.
const urlMaxBytes = 2048

// WebURL returns s if a page may show it or link to it: it is an https URL, or an http
// URL of this host (loopback), as the simulator uses. It returns "" for anything else,
// also for a URL with a user name and for one that is too long to be stored.
func WebURL(s string) string {
	if s == "" || len(s) > urlMaxBytes {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return ""
	}
	switch host := u.Hostname(); {
	case u.Scheme == "https":
		return s
	case u.Scheme == "http" && (host == "127.0.0.1" || host == "::1" || host == "localhost"):
		return s
	}
	return ""
}

// SafeError returns the part of a failed HTTP call's error that cannot contain a secret.
// A *url.Error prints the whole URL, and net/http quotes responses that it could not
// parse; both may contain tokens. For an error of an unknown type it returns an error
// that names only the type.
func SafeError(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fmt.Errorf("the call failed (%T)", err)
}
