package httpapi

import "context"

func (s *server) ListMySessions(ctx context.Context, _ ListMySessionsRequestObject) (ListMySessionsResponseObject, error) {
	sessions, err := s.opts.Auth.Sessions(ctx, callerFrom(ctx))
	if err != nil {
		return nil, err
	}
	answer := ListMySessions200JSONResponse{Result: SUCCESS, Data: make([]MySession, len(sessions))}
	for i, own := range sessions {
		answer.Data[i] = MySession{
			Id: own.ID, Label: own.Label, SignedInAt: Time(own.SignedInAt), LastUsedAt: Time(own.LastUsedAt),
			EndsAt: Time(own.EndsAt), Current: own.Current,
		}
	}
	return answer, nil
}

func (s *server) EndMySession(ctx context.Context, r EndMySessionRequestObject) (EndMySessionResponseObject, error) {
	if err := s.opts.Auth.EndSession(ctx, callerFrom(ctx), r.Id); err != nil {
		return nil, err
	}
	return EndMySession200JSONResponse{Result: SUCCESS, Data: true}, nil
}

func (s *server) EndMySessions(ctx context.Context, _ EndMySessionsRequestObject) (EndMySessionsResponseObject, error) {
	if err := s.opts.Auth.EndSessions(ctx, callerFrom(ctx)); err != nil {
		return nil, err
	}
	return EndMySessions200JSONResponse{Result: SUCCESS, Data: true}, nil
}
