package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// readinessTimeout limits how long one readiness check runs.
const readinessTimeout = 2 * time.Second

func (s *server) GetHealth(context.Context, GetHealthRequestObject) (GetHealthResponseObject, error) {
	return GetHealth200JSONResponse{Result: SUCCESS, Data: true}, nil
}

func (s *server) GetReadiness(ctx context.Context, _ GetReadinessRequestObject) (GetReadinessResponseObject, error) {
	checks, failed := s.checkReadiness(ctx)
	answer := ReadinessAnswer{Result: SUCCESS, Data: Readiness{Checks: checks}}
	if failed == nil {
		return GetReadiness200JSONResponse(answer), nil
	}
	s.opts.Log.WarnContext(ctx, "the service is not ready", slog.Any(logkey.Error, failed))
	_, fault := toFault(&songspy.Error{Code: songspy.CodeUnavailable}, "")
	answer.Result, answer.Error = ERROR, &fault
	retry := int(defaultRetryAfter.Seconds())
	return GetReadiness503JSONResponse{Body: answer, Headers: GetReadiness503ResponseHeaders{RetryAfter: &retry}}, nil
}

// checkReadiness runs the readiness checks one after another. It returns the result of each, and
// the errors of those that failed, joined into one; nil if none failed.
func (s *server) checkReadiness(ctx context.Context) (checks []Check, failed error) {
	checks = make([]Check, 0, len(s.opts.ReadinessChecks))
	for _, check := range s.opts.ReadinessChecks {
		err := withTimeout(ctx, readinessTimeout, check.Run)
		checks = append(checks, Check{Name: check.Name, Ok: err == nil, Message: readinessMessage(err)})
		failed = errors.Join(failed, err)
	}
	return checks, failed
}

func withTimeout(ctx context.Context, d time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return run(ctx)
}

// readinessMessage returns what the public may read about an error: the message of a
// songspy.Error, which is written for people, else a fixed text. It returns "" if err is nil.
func readinessMessage(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*songspy.Error](err); ok && e.Message != "" {
		return e.Message
	}
	return "It does not respond; see the log."
}
