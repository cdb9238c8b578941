package httpapi

import (
	"context"
	"net/http"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *server) GetPersonPicture(ctx context.Context, r GetPersonPictureRequestObject) (GetPersonPictureResponseObject, error) {
	caller := callerFrom(ctx)
	seen, err := s.opts.People.Picture(ctx, caller.Self(), r.Handle, deref(r.Params.Link))
	if err != nil {
		return nil, err
	}
	picture := s.opts.Pictures.JPEG(ctx, seen.Value().PublicPicture())
	if picture == nil {
		return nil, &songspy.Error{Code: songspy.CodeNotFound}
	}
	return pictureAnswer{newCachedAnswer(contentTypeJPEG, cacheControlFor(caller), picture, r.Params.IfNoneMatch)}, nil
}

var contentTypeJPEG = []string{"image/jpeg"}

// pictureAnswer is the picture of a user. Pages of all origins may show it, because pages of all
// origins may show the board.
type pictureAnswer struct{ cachedAnswer }

// VisitGetPersonPictureResponse implements the generated interface.
func (a pictureAnswer) VisitGetPersonPictureResponse(w http.ResponseWriter) error {
	w.Header()["Cross-Origin-Resource-Policy"] = crossOrigin
	return a.write(w)
}
