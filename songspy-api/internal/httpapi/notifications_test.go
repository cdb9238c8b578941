package httpapi

import (
	"context"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

func (h *fakeBackend) Mailbox(context.Context, songspy.UserID) (songspy.Mailbox, error) {
	return h.mailbox, h.failure()
}

func (h *fakeBackend) SetMailOff(_ context.Context, _ songspy.UserID, off bool) (songspy.Mailbox, error) {
	h.mailbox.OptedOut = off
	return h.mailbox, h.failure()
}

func TestNotifications_AreSwitchedByTheirUserAndMaskTheAddress(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	const path = contracttest.Prefix + "/me/notices"
	wantData := func(method string, body any, want string) {
		t.Helper()
		if a := e.Call(method, path, body, bearer...); a.Status != 200 || string(a.Data) != want {
			t.Errorf("%s answers %d %s, want %s", method, a.Status, a.Body, want)
		}
	}
	wantData("GET", nil, `{"address":null,"email":true}`)
	e.mailbox.Address = annsMail
	wantData("GET", nil, `{"address":"a…@example.org","email":true}`)
	wantData("PUT", map[string]bool{"email": false}, `{"address":"a…@example.org","email":false}`)
	wantData("GET", nil, `{"address":"a…@example.org","email":false}`)
	wantData("PUT", map[string]bool{"email": true}, `{"address":"a…@example.org","email":true}`)

	for _, body := range []any{nil, map[string]any{}, map[string]any{"email": "yes"}, map[string]any{"email": true, "address": "eve@example.org"}} {
		if a := e.Call("PUT", path, body, bearer...); a.Status != 400 {
			t.Errorf("body %v: status %d, %s", body, a.Status, a.Body)
		}
	}
	if a := e.Call("GET", path, nil); a.Status != 401 {
		t.Errorf("without a token: status %d", a.Status)
	}
	e.fail(&songspy.Error{Code: songspy.CodeNotFound})
	if a := e.Call("GET", path, nil, bearer...); a.ErrorCode() != "SESSION_ENDED" {
		t.Errorf("after the user was erased: status %d, %s", a.Status, a.Body)
	}
	e.fail(nil)
}
