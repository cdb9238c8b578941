package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"

	"github.com/songspy/songspy/songspy-api/internal/embeds"
	"github.com/songspy/songspy/songspy-api/internal/web"
)

func (s *server) ListMyEmbeds(ctx context.Context, _ ListMyEmbedsRequestObject) (ListMyEmbedsResponseObject, error) {
	tokens, err := s.opts.Embeds.List(ctx, callerFrom(ctx).Self())
	return ListMyEmbeds200JSONResponse{Result: SUCCESS, Data: each(tokens, myEmbed)}, err
}

func myEmbed(t songspy.EmbedToken) MyEmbed {
	return MyEmbed{Id: int64(t.ID), Purpose: EmbedPurpose(t.Purpose), Label: t.Label, CreatedAt: Time(t.CreatedAt)}
}

func (s *server) CreateEmbed(ctx context.Context, r CreateEmbedRequestObject) (CreateEmbedResponseObject, error) {
	purpose := songspy.EmbedPurpose(r.Body.Purpose)
	t, secret, err := s.opts.Embeds.Create(ctx, callerFrom(ctx).Self(), purpose, sanitize.Line(deref(r.Body.Label)))
	if err != nil {
		return nil, userGone(err)
	}
	address := s.opts.PublicURL + "/embed/" + secret.Reveal() + ".svg"
	if purpose == songspy.EmbedOverlay {
		address = s.opts.PublicURL + "/overlay/" + secret.Reveal()
	}
	return CreateEmbed200JSONResponse{Result: SUCCESS, Data: CreatedEmbed{Embed: myEmbed(t), Token: secret.Reveal(), Url: address}}, nil
}

func (s *server) DeleteEmbed(ctx context.Context, r DeleteEmbedRequestObject) (DeleteEmbedResponseObject, error) {
	err := s.opts.Embeds.Revoke(ctx, callerFrom(ctx).Self(), songspy.PublicID(r.Id))
	return DeleteEmbed200JSONResponse{Result: SUCCESS, Data: true}, err
}

func (s *server) GetEmbed(ctx context.Context, r GetEmbedRequestObject) (GetEmbedResponseObject, error) {
	token, isImage := strings.CutSuffix(r.File, ".svg")
	if !isImage {
		var isData bool
		if token, isData = strings.CutSuffix(r.File, ".json"); !isData {
			return nil, &songspy.Error{Code: songspy.CodeNotFound}
		}
	}
	playing, err := s.opts.Embeds.NowPlaying(ctx, songspy.EmbedImage, songspy.Secret(token))
	if err != nil {
		return nil, err
	}
	contentType, body := contentTypeJSON, []byte(nil)
	if isImage {
		art := ""
		if playing != nil {
			art = s.opts.Art.DataURI(ctx, playing.Value().Track.ImageURL)
		}
		contentType = contentTypeSVG
		body = embeds.Draw(playing, art, embeds.Style{Dark: deref(r.Params.Theme) == Dark, English: deref(r.Params.Lang) == En})
	} else if body, err = json.Marshal(EmbedAnswer{Result: SUCCESS, Data: embed(playing)}); err != nil {
		return nil, err
	}
	return embedAnswer{newCachedAnswer(contentType, noCache, body, r.Params.IfNoneMatch)}, nil
}

var (
	contentTypeSVG = []string{"image/svg+xml"}
	crossOrigin    = []string{"cross-origin"}
	anyOrigin      = []string{"*"}
	// embedCSP allows data: URLs of images, so that the SVG of an embed (an image for other
	// websites) shows its album art even if a browser opens the SVG as a page of its own.
	embedCSP = []string{"default-src 'none'; img-src data:; frame-ancestors 'none'"}
)

// embedAnswer is the image of an embed (SVG), or the same data as JSON. Pages of all origins may
// show it. Caches must revalidate it before they use it again.
type embedAnswer struct{ cachedAnswer }

// VisitGetEmbedResponse implements the generated interface.
func (a embedAnswer) VisitGetEmbedResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Cross-Origin-Resource-Policy"] = crossOrigin
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Content-Security-Policy"] = embedCSP
	return a.write(w)
}

// overlayRoutes registers the files of the overlay page. Streaming programs such as OBS show
// this page over a video.
func (s *server) overlayRoutes(engine *gin.Engine) {
	for _, f := range embeds.OverlayFiles {
		engine.GET(f.Path, serveProgramFile(web.File{ContentType: f.ContentType, Body: f.Body}, s.opts.Art.OverlayCSP()))
	}
}
