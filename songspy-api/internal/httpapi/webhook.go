package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) GetMyWebhook(ctx context.Context, _ GetMyWebhookRequestObject) (GetMyWebhookResponseObject, error) {
	w, err := s.opts.Webhooks.Get(ctx, callerFrom(ctx).Self())
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return GetMyWebhook200JSONResponse{Result: SUCCESS}, nil
	}
	return GetMyWebhook200JSONResponse{Result: SUCCESS, Data: new(myWebhook(w))}, err
}

func myWebhook(w songspy.Webhook) MyWebhook {
	answer := MyWebhook{
		Url: w.URL.Reveal(), State: On, CreatedAt: Time(w.CreatedAt), DeliveredAt: timeOrNull(w.DeliveredAt),
		FailingSince: timeOrNull(w.FailingSince), Failure: failureOrNull(w.Failure), OffAt: timeOrNull(w.OffAt),
	}
	switch {
	case w.OffAt != nil:
		answer.State = Off
	case w.FailingSince != nil:
		answer.State, answer.NextAttemptAt = Failing, timeOrNull(&w.NextAttemptAt)
	}
	return answer
}

func failureOrNull(f songspy.WebhookFailure) *WebhookFailure {
	if f == "" {
		return nil
	}
	return new(WebhookFailure(f))
}

func (s *server) SetMyWebhook(ctx context.Context, r SetMyWebhookRequestObject) (SetMyWebhookResponseObject, error) {
	w, key, err := s.opts.Webhooks.Set(ctx, callerFrom(ctx).Self(), songspy.Secret(r.Body.Url))
	return SetMyWebhook200JSONResponse{Result: SUCCESS, Data: CreatedWebhook{Webhook: myWebhook(w), Secret: key.Reveal()}}, userGone(err)
}

func (s *server) DeleteMyWebhook(ctx context.Context, _ DeleteMyWebhookRequestObject) (DeleteMyWebhookResponseObject, error) {
	return DeleteMyWebhook200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Webhooks.Delete(ctx, callerFrom(ctx).Self())
}

func (s *server) TestMyWebhook(ctx context.Context, _ TestMyWebhookRequestObject) (TestMyWebhookResponseObject, error) {
	status, failure, err := s.opts.Webhooks.Test(ctx, callerFrom(ctx).Self())
	if err != nil {
		return nil, err
	}
	answer := WebhookTest{Delivered: failure == "", Failure: failureOrNull(failure)}
	if status != 0 {
		answer.Status = &status
	}
	return TestMyWebhook200JSONResponse{Result: SUCCESS, Data: answer}, nil
}
