package httpapi

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/people"
)

func (s *server) SignInWithGoogle(ctx context.Context, r SignInWithGoogleRequestObject) (SignInWithGoogleResponseObject, error) {
	user, linked, tokens, err := s.opts.Auth.SignIn(
		ctx, songspy.Secret(r.Body.AccessToken), songspy.Secret(deref(r.Body.Invite)), deref(r.Params.UserAgent))
	return SignInWithGoogle200JSONResponse{Result: SUCCESS, Data: SignedIn{
		Id: int64(user.PublicID), NickName: user.NickName, HasSpotify: linked, ProfileImageUrl: nullIfEmpty(user.PictureURL),
		Token: tokens.Access.Reveal(), RefreshToken: tokens.Refresh.Reveal(), ExpiresIn: int64(tokens.ExpiresIn.Seconds()),
	}}, userGone(err)
}

func (s *server) GetSignUp(context.Context, GetSignUpRequestObject) (GetSignUpResponseObject, error) {
	return GetSignUp200JSONResponse{Result: SUCCESS, Data: SignUp{Policy: SignUpPolicy(s.opts.Auth.Policy()), Redirect: s.opts.Auth.CanRedirect(), Seats: s.opts.Linking.LimitsSeats()}}, nil
}

func (s *server) RefreshToken(ctx context.Context, r RefreshTokenRequestObject) (RefreshTokenResponseObject, error) {
	tokens, err := s.opts.Auth.Refresh(ctx, songspy.Secret(r.Body.RefreshToken))
	return RefreshToken200JSONResponse{Result: SUCCESS, Data: Tokens{
		Token: tokens.Access.Reveal(), RefreshToken: tokens.Refresh.Reveal(), ExpiresIn: int64(tokens.ExpiresIn.Seconds()),
	}}, err
}

func (s *server) Logout(ctx context.Context, _ LogoutRequestObject) (LogoutResponseObject, error) {
	if err := s.opts.Auth.Logout(ctx, callerFrom(ctx)); err != nil {
		return nil, err
	}
	if _, ok := callerFrom(ctx).Cookie(); ok {
		return loggedOut{s.newCookie(s.cookieNames().session, "", 0)}, nil
	}
	return Logout200JSONResponse{Result: SUCCESS, Data: true}, nil
}

func (s *server) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	user, err := s.opts.Users.User(ctx, callerFrom(ctx).Self())
	if err != nil {
		return nil, userGone(err)
	}
	link, err := s.opts.Links.Link(ctx, user.ID)
	if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
		return nil, err
	}
	return GetMe200JSONResponse{Result: SUCCESS, Data: Me{
		Id: int64(user.PublicID), Handle: songspy.Handle(user.PublicID), NickName: user.NickName, Name: user.GoogleName,
		ProfileImageUrl: nullIfEmpty(user.PictureURL), ShowProfileImage: user.ShowPicture,
		Audience: MeAudience(user.Audience), SharingPausedUntil: timeOrNull(user.SharingPausedUntil),
		HasSpotify: err == nil && link.HasAccount(), Operator: callerFrom(ctx).IsOperator(), CreatedAt: Time(user.CreatedAt),
	}}, nil
}

func (s *server) DeleteMe(ctx context.Context, _ DeleteMeRequestObject) (DeleteMeResponseObject, error) {
	erased, err := s.opts.Users.EraseUser(ctx, callerFrom(ctx).UserID)
	return DeleteMe200JSONResponse(erasedAnswer(erased)), userGone(err)
}

func (s *server) EditUser(ctx context.Context, r EditUserRequestObject) (EditUserResponseObject, error) {
	user, err := s.opts.Users.User(ctx, callerFrom(ctx).Self())
	if err != nil {
		return nil, userGone(err)
	}
	if songspy.PublicID(r.Id) != user.PublicID {
		return nil, &songspy.Error{Code: songspy.CodeForbidden}
	}
	name, err := people.NickName(r.Body.NickName)
	if err != nil {
		return nil, err
	}
	user, err = s.opts.Users.UpdateUser(ctx, callerFrom(ctx).Self(), func(u *songspy.User) error {
		u.NickName = &name
		if show := r.Body.ShowProfileImage; show != nil {
			u.ShowPicture = *show
		}
		return nil
	})
	return EditUser200JSONResponse{Result: SUCCESS, Data: Edited{NickName: user.PublicName(), ShowProfileImage: user.ShowPicture}}, userGone(err)
}

// userGone turns CodeNotFound into SESSION_ENDED: the user was erased during the request.
func userGone(err error) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "SESSION_ENDED"}
	}
	return err
}

func erasedAnswer(e songspy.Erasure) ErasedAnswer {
	answer := ErasedAnswer{Result: SUCCESS}
	answer.Data.Erased.Spotify = e.Link
	answer.Data.Erased.Plays = e.Plays
	answer.Data.Erased.Tracks = e.Tracks
	return answer
}

func nullIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *server) ListMySessions(ctx context.Context, _ ListMySessionsRequestObject) (ListMySessionsResponseObject, error) {
	sessions, err := s.opts.Auth.Sessions(ctx, callerFrom(ctx))
	return ListMySessions200JSONResponse{Result: SUCCESS, Data: each(sessions, mySession)}, err
}

func mySession(s auth.Session) MySession {
	return MySession{
		Id: s.ID, Kind: MySessionKind(s.Kind), Label: s.Label, SignedInAt: Time(s.SignedInAt), LastUsedAt: Time(s.LastUsedAt),
		EndsAt: Time(s.EndsAt), Current: s.Current,
	}
}

func (s *server) EndMySession(ctx context.Context, r EndMySessionRequestObject) (EndMySessionResponseObject, error) {
	return EndMySession200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Auth.EndSession(ctx, callerFrom(ctx), r.Id)
}

func (s *server) EndMySessions(ctx context.Context, _ EndMySessionsRequestObject) (EndMySessionsResponseObject, error) {
	return EndMySessions200JSONResponse{Result: SUCCESS, Data: true}, s.opts.Auth.EndSessions(ctx, callerFrom(ctx))
}
