package httpapi

import (
	"context"
	"net/http"
	"strconv"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
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
	answer := pictureAnswer{body: picture, etag: board.ETag(picture), cacheControl: noCache}
	if caller != (auth.Caller{}) {
		answer.cacheControl = privateNoStore
	}
	answer.notModified = etagMatches(deref(r.Params.IfNoneMatch), answer.etag)
	return answer, nil
}

var contentTypeJPEG = []string{"image/jpeg"}

// pictureAnswer is a picture. Pages of all origins may show it, as they show the board.
type pictureAnswer struct {
	body         []byte
	etag         string
	cacheControl []string
	notModified  bool // the viewer has this answer already
}

// VisitGetPersonPictureResponse implements the generated interface.
func (a pictureAnswer) VisitGetPersonPictureResponse(w http.ResponseWriter) error {
	h := w.Header()
	h["Cache-Control"] = a.cacheControl
	h["Etag"] = []string{a.etag}
	h["Cross-Origin-Resource-Policy"] = crossOrigin
	if a.notModified {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = contentTypeJPEG
	h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(a.body)
	return err
}
