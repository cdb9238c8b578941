package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/web"
)

// languageCookie holds the language that the viewer has chosen on the page.
const languageCookie = "songspy-language"

// listeningMax is the largest number of followed users that the front page shows.
const listeningMax = 100

// pageRoutes registers the routes of the bundled page. They are not in the contract.
func (s *server) pageRoutes(engine *gin.Engine) {
	if s.opts.Site == nil {
		return
	}
	for _, p := range web.Pages {
		engine.GET(p.Path, s.servePage(p))
	}
	engine.GET(web.AssetPath, func(c *gin.Context) {
		f, isCurrent, ok := s.opts.Site.Asset(c.Param("version"), c.Param("name"))
		if !ok {
			s.writeFault(c, &songspy.Error{Code: songspy.CodeNotFound})
			return
		}
		cacheControl := noCache
		if isCurrent {
			cacheControl = immutable
		}
		serveFile(c, f, cacheControl)
	})
	for address, f := range s.opts.Site.RootFiles() {
		engine.GET(address, serveProgramFile(f, s.opts.Site.Policy())) // a service worker obeys the Content-Security-Policy of its own file
	}
}

// servePage returns a handler that answers with the HTML of a page, as the viewer sees it.
func (s *server) servePage(p web.Page) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(withAddress(c), s.opts.RequestTimeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		view := web.View{
			Page: p, Handle: c.Param("handle"), Language: languageOf(c.Request), Now: s.opts.Now(),
			InApp: isInAppBrowser(c.Request.UserAgent()), SignIn: s.signInPath(c.Request), Closed: s.isClosed(), PublicURL: s.opts.PublicURL,
		}
		if fault, ok := messageByCode[c.Query("error")]; ok {
			if p.Path == "/" {
				// A sign-in or a linking that failed redirects here. The page /welcome, on which
				// the viewer can repeat both steps, shows the error.
				c.Redirect(http.StatusFound, "/welcome?error="+c.Query("error"))
				return
			}
			if !strings.Contains(fault.english, "%") {
				view.Message = fault.forLanguage(view.Language)
			}
		}
		known := true
		if cookieOf(c.Request, s.cookieNames().session) != "" {
			err := s.authenticate(c)
			view.SignedIn = err == nil
			known = err == nil || songspy.CodeOf(err) == songspy.CodeUnauthorized
		}
		// If authenticate failed with another code than CodeUnauthorized, it is not known
		// whether the viewer is signed in. Then the page has no users, and its script asks the
		// API and shows the error.
		if known && p.Path == "/" {
			view.Listening, _ = s.firstListening(c.Request.Context(), view.Now)
			// If nobody is listening, the page says what the viewer can do next, such as linking
			// Spotify.
			if view.SignedIn && view.Listening.IsEmpty() {
				link, err := s.opts.Links.Link(c.Request.Context(), callerFrom(c.Request.Context()).UserID)
				view.IsLinked = err == nil && link.HasAccount()
			}
		}
		// Only programs that make link previews read the name from the HTML, and these programs
		// do not sign in.
		if p.Name == "person" && !view.SignedIn {
			if seen, err := s.opts.People.LinkPreview(ctx, view.Handle); err == nil {
				view.Name = person(seen).NickName
			}
		}
		s.writePage(c, view)
	}
}

// signInPath returns the address of the button to sign in. The button leads to Google, from
// there to the page /welcome, and from there back to this page. The button leads to /welcome at
// once if that page has to ask or explain something first: in an in-app browser, if Google
// sign-in by redirect is not configured, or if the instance is closed (isClosed).
func (s *server) signInPath(r *http.Request) string {
	welcome := "/welcome"
	if path := r.URL.Path; path != "/" && path != welcome {
		welcome += "?to=" + url.QueryEscape(path)
	}
	if isInAppBrowser(r.UserAgent()) || !s.opts.Auth.CanRedirect() || s.isClosed() {
		return welcome
	}
	return "/v1/songspy/auth/google?return=" + url.QueryEscape(welcome)
}

// isClosed reports whether some users cannot sign up and link Spotify at once: they need an
// invite, an entry in the allowlist or a seat in a Spotify app.
func (s *server) isClosed() bool {
	return s.opts.Auth.Policy() != auth.PolicyOpen || s.opts.Linking.LimitsSeats()
}

// firstListening returns the users that the HTML of the front page shows to the viewer. It also
// records that the viewer watches them.
func (s *server) firstListening(ctx context.Context, now time.Time) (*web.Listening, error) {
	self := callerFrom(ctx).Self()
	window, err := s.opts.People.Window(ctx, self, addressFrom(ctx))
	if err != nil {
		return nil, err
	}
	var following []visibility.Seen[songspy.BoardEntry]
	if callerFrom(ctx) != (auth.Caller{}) {
		if following, _, err = s.opts.People.Listening(ctx, self, board.OnlyFollowed, nil, listeningMax); err != nil {
			return nil, err
		}
	}
	s.reads(ctx, "front", nil, slices.Concat(window, following)...)
	return frontPage(window, following, self.ID(), now), nil
}

func (s *server) writePage(c *gin.Context, view web.View) {
	h := c.Writer.Header()
	h["Cache-Control"] = noCache
	if view.SignedIn {
		h["Cache-Control"] = privateNoStore
	}
	h["Content-Security-Policy"] = []string{s.opts.Site.Policy()}
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie, User-Agent")
	var out bytes.Buffer
	if err := s.opts.Site.Render(&out, view); err != nil {
		s.writeFault(c, err)
		return
	}
	body := out.Bytes()
	if acceptsGzip(c.GetHeader("Accept-Encoding")) {
		h["Content-Encoding"] = encodingGzip
		body = compressed(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
}

// languageOf returns the language of the page, "ko" or "en": the language that the viewer has
// chosen, else Korean if the browser prefers it, else English.
func languageOf(r *http.Request) string {
	if chosen := cookieOf(r, languageCookie); chosen == "ko" || chosen == "en" {
		return chosen.Reveal()
	}
	if prefersKorean(r.Header.Get("Accept-Language")) {
		return "ko"
	}
	return "en"
}
