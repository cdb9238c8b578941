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

// urlMaxBytes is the longest URL that is stored, in bytes.
const urlMaxBytes = 2048

// WebURL returns s if a page may show it or link to it: https, or http on
// loopback for a simulator. It returns "" for anything else.
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

// SafeError returns the part of a failed call's error that cannot contain a
// secret. A *url.Error prints the whole URL, and net/http quotes what it could
// not parse; both may contain tokens. Of unknown errors it returns the type
// only.
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
