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

// longestURL is the longest address that is kept, in bytes.
const urlMaxBytes = 2048

// WebURL is s if a page may show it or link to it: https, or http on loopback
// for a simulator. Anything else is empty.
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

// Cause keeps of a failed call's error what is known to hold no secret. A
// *url.Error prints the whole URL, and net/http quotes what it could not parse;
// both may hold tokens. What is not known is told by its type alone.
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
