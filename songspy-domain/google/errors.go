package google

import (
	"context"
	"errors"
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// The reasons of this package's errors.
const (
	ReasonTokenInvalid = "GOOGLE_TOKEN_INVALID"
	ReasonTokenForeign = "GOOGLE_TOKEN_FOREIGN"
	ReasonUnavailable  = "GOOGLE_UNAVAILABLE"
)

// retryAfter is how long callers should wait after Google failed.
const retryAfter = 5 * time.Second

func invalidToken(detail string) *songspy.Error {
	return &songspy.Error{
		Code:    songspy.CodeUnauthorized,
		Reason:  ReasonTokenInvalid,
		Message: "Google does not accept the access token. Please sign in with Google again.",
		Err:     errors.New(detail),
	}
}

func foreignToken(detail string) *songspy.Error {
	return &songspy.Error{
		Code:    songspy.CodeUnauthorized,
		Reason:  ReasonTokenForeign,
		Message: "The access token was issued to another application. Please sign in with Google here.",
		Err:     errors.New(detail),
	}
}

func unavailable(cause error) *songspy.Error {
	return &songspy.Error{
		Code:        songspy.CodeUnavailable,
		Reason:      ReasonUnavailable,
		Message:     "Google is not available right now. Please try again in a moment.",
		RetryAfter:  retryAfter,
		Disposition: songspy.DispositionRetryLater,
		Err:         cause,
	}
}

func badStatus(status int) *songspy.Error {
	return unavailable(fmt.Errorf("google answered %d", status))
}

// unreachable returns the error for a call that got no usable answer.
func unreachable(ctx context.Context, err error) *songspy.Error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return unavailable(sanitize.SafeError(err))
}
