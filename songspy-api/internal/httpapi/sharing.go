package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

func (s *server) GetMySharing(ctx context.Context, _ GetMySharingRequestObject) (GetMySharingResponseObject, error) {
	answer, err := s.sharingAnswer(ctx)
	return GetMySharing200JSONResponse(answer), err
}

func (s *server) SetMySharing(ctx context.Context, r SetMySharingRequestObject) (SetMySharingResponseObject, error) {
	err := s.opts.People.ChangeSharing(ctx, callerFrom(ctx).Self(), func(to *songspy.Sharing) {
		setIfSent(&to.Now, (*songspy.Audience)(r.Body.Now))
		setIfSent(&to.History, (*songspy.Audience)(r.Body.History))
		setIfSent(&to.MinSeconds, (*int)(r.Body.MinSeconds))
		setIfSent(&to.HideLocal, r.Body.HideLocal)
		setIfSent(&to.HideEpisodes, r.Body.HideEpisodes)
		setIfSent(&to.HideChapters, r.Body.HideChapters)
		setIfSent(&to.Findable, r.Body.Findable)
		if until := r.Body.HiddenUntil; until.Sent {
			to.HiddenUntil = until.Time
			if until.Time != nil && until.Time.Year() >= songspy.HiddenForever.Year() {
				to.HiddenUntil = &songspy.HiddenForever
			}
		}
	})
	if err != nil {
		return nil, userGone(err)
	}
	answer, err := s.sharingAnswer(ctx)
	return SetMySharing200JSONResponse(answer), err
}

func setIfSent[T any](to, sent *T) {
	if sent != nil {
		*to = *sent
	}
}

func (s *server) sharingAnswer(ctx context.Context) (SharingAnswer, error) {
	settings, linkCreatedAt, err := s.opts.People.Sharing(ctx, callerFrom(ctx).Self())
	if err != nil {
		return SharingAnswer{}, userGone(err)
	}
	data := Sharing{
		Now: SharingNow(settings.Now), History: SharingHistory(settings.History), MinSeconds: SharingMinSeconds(settings.MinSeconds),
		HideLocal: settings.HideLocal, HideEpisodes: settings.HideEpisodes, HideChapters: settings.HideChapters,
		Findable: settings.Findable, LinkCreatedAt: timeOrNull(linkCreatedAt),
	}
	if until := settings.HiddenUntil; until != nil && until.After(s.opts.Now()) {
		data.HiddenUntil = timeOrNull(until)
	}
	return SharingAnswer{Result: SUCCESS, Data: data}, nil
}

func (s *server) PreviewMySharing(ctx context.Context, r PreviewMySharingRequestObject) (PreviewMySharingResponseObject, error) {
	as := visibility.Stranger
	if r.Params.As == PreviewMySharingParamsAsFollower {
		as = visibility.Follower
	}
	p, err := s.opts.People.Preview(ctx, callerFrom(ctx).Self(), as, defaultListeningSize)
	if err != nil {
		return nil, userGone(err)
	}
	answer := previewAnswer{Board: slices.Concat(boardBody(p.Board, s.opts.Now()))}
	var profileAnswer any = FaultAnswer{Result: ERROR, Error: hiddenProfile}
	if p.Profile != nil {
		profileAnswer = ProfileAnswer{Result: SUCCESS, Data: profile(*p.Profile)}
	}
	answer.Listening, err = RenderList(p.Listening, p.Next)
	if err == nil {
		answer.Profile, err = json.Marshal(profileAnswer)
	}
	return answer, err
}

// previewAnswer shows the caller how others see them: it holds the bodies of three answers as a
// stranger or a follower would receive them.
type previewAnswer struct {
	Board     json.RawMessage `json:"board"`
	Listening json.RawMessage `json:"listening"`
	Profile   json.RawMessage `json:"profile"`
}

// VisitPreviewMySharingResponse implements the generated interface.
func (a previewAnswer) VisitPreviewMySharingResponse(w http.ResponseWriter) error {
	body, err := json.Marshal(struct {
		Data   previewAnswer `json:"data"`
		Error  *Fault        `json:"error"`
		Result Result        `json:"result"`
	}{Data: a, Result: SUCCESS})
	if err != nil {
		return err
	}
	h := w.Header()
	h["Content-Type"] = contentTypeJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body)
	return err
}

func (s *server) CreateShareLink(ctx context.Context, _ CreateShareLinkRequestObject) (CreateShareLinkResponseObject, error) {
	secret, err := s.opts.People.CreateShareLink(ctx, callerFrom(ctx).Self())
	return CreateShareLink200JSONResponse{Result: SUCCESS, Data: ShareLink{Link: secret.Reveal()}}, userGone(err)
}

func (s *server) DeleteShareLink(ctx context.Context, _ DeleteShareLinkRequestObject) (DeleteShareLinkResponseObject, error) {
	err := s.opts.People.DeleteShareLink(ctx, callerFrom(ctx).Self())
	return DeleteShareLink200JSONResponse{Result: SUCCESS, Data: true}, userGone(err)
}

func (s *server) ListMyHiddenItems(ctx context.Context, r ListMyHiddenItemsRequestObject) (ListMyHiddenItemsResponseObject, error) {
	after, err := parseTextCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	items, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.HiddenItem, error) {
		return s.opts.People.HiddenItems(ctx, callerFrom(ctx).Self(), after, limit)
	}, func(h songspy.HiddenItem) string { return newTextCursor(h.URI) })
	return ListMyHiddenItems200JSONResponse{Result: SUCCESS, Data: HiddenItemsPage{Items: each(items, hiddenItem), NextCursor: next}}, err
}

func hiddenItem(h songspy.HiddenItem) HiddenItem {
	return HiddenItem{Uri: h.URI, Name: h.Name, HiddenAt: Time(h.BeganAt)}
}

func (s *server) GetMyHiddenItem(ctx context.Context, r GetMyHiddenItemRequestObject) (GetMyHiddenItemResponseObject, error) {
	item, err := s.opts.People.HiddenItem(ctx, callerFrom(ctx).Self(), r.Uri)
	return GetMyHiddenItem200JSONResponse{Result: SUCCESS, Data: hiddenItem(item)}, err
}

func (s *server) HideItem(ctx context.Context, r HideItemRequestObject) (HideItemResponseObject, error) {
	item, err := s.opts.People.HideItem(ctx, callerFrom(ctx).Self(), r.Uri)
	return HideItem200JSONResponse{Result: SUCCESS, Data: hiddenItem(item)}, userGone(err)
}

func (s *server) UnhideItem(ctx context.Context, r UnhideItemRequestObject) (UnhideItemResponseObject, error) {
	return UnhideItem200JSONResponse{Result: SUCCESS, Data: true}, s.opts.People.ShowItem(ctx, callerFrom(ctx).Self(), r.Uri)
}

func (s *server) ListMyAuditEvents(ctx context.Context, r ListMyAuditEventsRequestObject) (ListMyAuditEventsResponseObject, error) {
	before, err := parseIDCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	events, next, err := readPage(r.Params.Limit, func(limit int) ([]songspy.AuditEvent, error) {
		return s.opts.People.AuditEvents(ctx, callerFrom(ctx).Self(), before, limit)
	}, func(e songspy.AuditEvent) string { return newTextCursor(strconv.FormatInt(e.ID, 10)) })
	return ListMyAuditEvents200JSONResponse{Result: SUCCESS, Data: AuditEventsPage{NextCursor: next, Items: each(events, func(e songspy.AuditEvent) AuditEvent {
		return AuditEvent{Kind: AuditEventKind(e.Kind), Actor: AuditEventActor(e.Actor), Detail: e.Detail, At: Time(e.At)}
	})}}, err
}
