package httpapi

import (
	"bytes"
	"context"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/auth"
)

// cookieNames are the names of the cookies. Browsers accept the prefix __Host- only
// from an https origin, and then only for this host and all its paths.
type cookieNames struct{ session, signIn string }

func (s *server) cookieNames() cookieNames {
	if s.https {
		return cookieNames{"__Host-songspy", "__Host-songspy-sign-in"}
	}
	return cookieNames{"songspy", "songspy-sign-in"}
}

// newCookie returns a cookie that scripts of pages cannot read (HttpOnly). With a request from
// a page of another site, browsers send it only if the user navigates (SameSite=Lax). A life of
// 0 deletes the cookie.
func (s *server) newCookie(name string, value songspy.Secret, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value.Reveal(), Path: "/", MaxAge: int(life.Seconds()), HttpOnly: true, Secure: s.https, SameSite: http.SameSiteLaxMode,
	}
	if life <= 0 {
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	}
	return c
}

// browser holds what a browser sent along with a navigation.
type browser struct {
	session, signIn songspy.Secret // cookies; empty if there is none
	sameOrigin      bool           // according to Sec-Fetch-Site, no page of another origin led here; true if that header is missing
}

type browserKey struct{}

// withBrowser stores, in the context of the request, what its browser sent along.
func (s *server) withBrowser(c *gin.Context) {
	site := c.GetHeader("Sec-Fetch-Site")
	names := s.cookieNames()
	b := browser{
		session: cookieOf(c.Request, names.session), signIn: cookieOf(c.Request, names.signIn),
		sameOrigin: site == "" || site == "same-origin" || site == "none",
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), browserKey{}, b))
}

func browserFrom(ctx context.Context) browser {
	b, _ := ctx.Value(browserKey{}).(browser)
	return b
}

// cookieOf returns the value of the cookie with the name. It returns an empty value if there is
// none, and also if there are several, because an attacker may have set one of them.
func cookieOf(r *http.Request, name string) songspy.Secret {
	if cookies := r.CookiesNamed(name); len(cookies) == 1 {
		return songspy.Secret(cookies[0].Value)
	}
	return ""
}

var errCrossOrigin = &songspy.Error{
	Code: songspy.CodeForbidden, Reason: "CROSS_ORIGIN", Message: "A page of another origin sent this request with the cookie of a session.",
}

// authenticateCookie returns the caller of a request with a session cookie. Browsers may send
// the cookie along with requests that pages of other origins make, so a request that changes
// something must come from a page of this origin.
func (s *server) authenticateCookie(r *http.Request, cookie songspy.Secret) (auth.Caller, error) {
	if err := s.crossOrigin.Check(r); err != nil {
		return auth.Caller{}, errCrossOrigin
	}
	return s.opts.Auth.AuthenticateCookie(r.Context(), cookie)
}

// redirect sends the browser to another address.
type redirect struct {
	location string
	cookies  []*http.Cookie
}

func (r redirect) visit(w http.ResponseWriter) error {
	for _, c := range r.cookies {
		http.SetCookie(w, c)
	}
	w.Header().Set("Location", r.location)
	w.WriteHeader(http.StatusFound)
	return nil
}

// VisitBeginSignInResponse implements the generated interface.
func (r redirect) VisitBeginSignInResponse(w http.ResponseWriter) error { return r.visit(w) }

// VisitFinishSignInResponse implements the generated interface.
func (r redirect) VisitFinishSignInResponse(w http.ResponseWriter) error { return r.visit(w) }

// VisitBeginLinkingResponse implements the generated interface.
func (r redirect) VisitBeginLinkingResponse(w http.ResponseWriter) error { return r.visit(w) }

// VisitFinishLinkingResponse implements the generated interface.
func (r redirect) VisitFinishLinkingResponse(w http.ResponseWriter) error { return r.visit(w) }

func (s *server) BeginSignIn(ctx context.Context, r BeginSignInRequestObject) (BeginSignInResponseObject, error) {
	if isInAppBrowser(deref(r.Params.UserAgent)) {
		var page bytes.Buffer
		if err := inAppPage.Execute(&page, s.opts.PublicURL+attempt.ReturnPath(deref(r.Params.Return))); err != nil {
			return nil, err
		}
		return BeginSignIn200TexthtmlResponse{Body: io.NopCloser(&page), ContentLength: int64(page.Len())}, nil
	}
	to, err := s.opts.Auth.BeginSignIn(ctx, deref(r.Params.Return), "")
	return redirect{to.URL, []*http.Cookie{s.newCookie(s.cookieNames().signIn, to.BrowserSecret, attempt.Lifetime)}}, err
}

func (s *server) BeginSignInWithInvite(ctx context.Context, r BeginSignInWithInviteRequestObject) (BeginSignInWithInviteResponseObject, error) {
	if isInAppBrowser(deref(r.Params.UserAgent)) {
		return nil, &songspy.Error{Code: songspy.CodeForbidden, Reason: "OPEN_IN_BROWSER"}
	}
	to, err := s.opts.Auth.BeginSignIn(ctx, deref(r.Body.Return), songspy.Secret(deref(r.Body.Invite)))
	return signInStarted{to.URL, s.newCookie(s.cookieNames().signIn, to.BrowserSecret, attempt.Lifetime)}, err
}

// signInStarted is the answer to a page that sends the browser to Google itself.
type signInStarted struct {
	url    string
	cookie *http.Cookie
}

// VisitBeginSignInWithInviteResponse implements the generated interface.
func (a signInStarted) VisitBeginSignInWithInviteResponse(w http.ResponseWriter) error {
	http.SetCookie(w, a.cookie)
	return BeginSignInWithInvite200JSONResponse{Result: SUCCESS, Data: SignInStarted{Url: a.url}}.VisitBeginSignInWithInviteResponse(w)
}

func (s *server) FinishSignIn(ctx context.Context, r FinishSignInRequestObject) (FinishSignInResponseObject, error) {
	b := browserFrom(ctx)
	session, err := s.opts.Auth.FinishSignIn(ctx, attempt.Callback{
		State: songspy.Secret(deref(r.Params.State)), Code: songspy.Secret(deref(r.Params.Code)), Refusal: deref(r.Params.Error), BrowserSecret: b.signIn,
	}, b.session, deref(r.Params.UserAgent))
	if err != nil {
		return nil, err
	}
	names := s.cookieNames()
	return redirect{session.ReturnPath, []*http.Cookie{
		s.newCookie(names.signIn, "", 0), s.newCookie(names.session, session.Cookie, session.MaxLife),
	}}, nil
}

func (s *server) BeginLinking(ctx context.Context, r BeginLinkingRequestObject) (BeginLinkingResponseObject, error) {
	caller := callerFrom(ctx)
	move, clientID := deref(r.Params.Move), deref(r.Params.ClientId)
	if (move || clientID != "") && !browserFrom(ctx).sameOrigin {
		return nil, errCrossOrigin
	}
	session, err := cookieOfCaller(caller)
	if err != nil {
		return nil, err
	}
	to, err := s.opts.Linking.BeginLinking(ctx, caller.UserID, session, clientID, deref(r.Params.Return), move)
	return redirect{location: to}, userGone(err)
}

func (s *server) FinishLinking(ctx context.Context, r FinishLinkingRequestObject) (FinishLinkingResponseObject, error) {
	caller := callerFrom(ctx)
	session, err := cookieOfCaller(caller)
	if err != nil {
		return nil, err
	}
	to, err := s.opts.Linking.FinishLinking(ctx, caller.UserID, attempt.Callback{
		State: songspy.Secret(deref(r.Params.State)), Code: songspy.Secret(deref(r.Params.Code)), Refusal: deref(r.Params.Error), BrowserSecret: session,
	})
	return redirect{location: to}, userGone(err)
}

// cookieOfCaller returns the session cookie of a caller. It rejects a caller with a JWT,
// because a browser that Spotify redirects back sends cookies but no JWT.
func cookieOfCaller(caller auth.Caller) (songspy.Secret, error) {
	if cookie, ok := caller.Cookie(); ok {
		return cookie, nil
	}
	return "", &songspy.Error{Code: songspy.CodeUnauthorized}
}

// loggedOut is the answer of a logout that deletes the session cookie.
type loggedOut struct{ cookie *http.Cookie }

// VisitLogoutResponse implements the generated interface.
func (l loggedOut) VisitLogoutResponse(w http.ResponseWriter) error {
	http.SetCookie(w, l.cookie)
	return Logout200JSONResponse{Result: SUCCESS, Data: true}.VisitLogoutResponse(w)
}

// inAppBrowsers are texts that occur in the User-Agent, converted to lower case, of browsers
// inside other apps. Google answers them with 403 disallowed_useragent.
var inAppBrowsers = []string{
	"; wv)", "kakaotalk", "naver(inapp", "daumapps/", " line/", "instagram", "barcelona ", "fban/", "fbav/", "fb_iab/", "bytedancewebview", "musical_ly",
	"twitter for iphone", "linkedinapp", "snapchat/", "micromessenger/",
}

func isInAppBrowser(userAgent string) bool {
	userAgent = strings.ToLower(userAgent)
	return slices.ContainsFunc(inAppBrowsers, func(part string) bool { return strings.Contains(userAgent, part) })
}

// inAppPage asks the user to open the address in a browser outside the app.
var inAppPage = template.Must(template.New("in-app").Parse(`<!DOCTYPE html>
<html lang="ko"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>Songspy</title>
<h1>브라우저에서 열어 주세요</h1>
<p>이 앱 안에서는 Google 로그인을 할 수 없습니다. 아래 주소를 복사해서 Chrome, Safari 같은 브라우저에서 열어 주세요.</p>
<p><a href="{{.}}">{{.}}</a></p>
<div lang="en">
<h1>Please open this in a browser</h1>
<p>You cannot sign in with Google inside this app. Copy the address above and open it in a browser such as Chrome or Safari.</p>
</div></html>
`))
