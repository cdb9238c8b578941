package google

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// The reasons of this package's errors.
const (
	ReasonTokenInvalid = "GOOGLE_TOKEN_INVALID"
	ReasonTokenForeign = "GOOGLE_TOKEN_FOREIGN"
	ReasonUnavailable  = "GOOGLE_UNAVAILABLE"
)

// pause is the wait after Google failed.
const pause = 5 * time.Second

func invalid(why string) *songspy.Error {
	return &songspy.Error{
		Code:    songspy.CodeUnauthorized,
		Reason:  ReasonTokenInvalid,
		Message: "Google does not accept the access token. Please sign in with Google again.",
		Err:     errors.New(why),
	}
}

func foreign(why string) *songspy.Error {
	return &songspy.Error{
		Code:    songspy.CodeUnauthorized,
		Reason:  ReasonTokenForeign,
		Message: "The access token was issued to another application. Please sign in with Google here.",
		Err:     errors.New(why),
	}
}

func unavailable(cause error) *songspy.Error {
	return &songspy.Error{
		Code:        songspy.CodeUnavailable,
		Reason:      ReasonUnavailable,
		Message:     "Google cannot be asked at the moment. Please try again in a moment.",
		RetryAfter:  pause,
		Disposition: songspy.DispositionRetryLater,
		Err:         cause,
	}
}

func answered(status int) *songspy.Error {
	return unavailable(fmt.Errorf("google answered %d", status))
}

// unreached is a call that got no usable answer. It keeps of the error what is
// known to hold no secret: net/http prints whole URLs, and tokeninfo's holds
// the token.
func unreached(ctx context.Context, err error) *songspy.Error {
	if ctx.Err() != nil {
		return unavailable(ctx.Err())
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return unavailable(e)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return unavailable(e)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unavailable(io.ErrUnexpectedEOF)
	}
	return unavailable(errors.New("the call failed"))
}
