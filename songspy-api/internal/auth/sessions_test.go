package auth

import (
	"strconv"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestSessions_EndAtTheirAbsoluteLifetime(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	end := w.now.Add(180 * 24 * time.Hour)
	for w.now.Add(20 * 24 * time.Hour).Before(end) {
		w.now = w.now.Add(20 * 24 * time.Hour)
		next, err := w.Refresh(t.Context(), tokens.Refresh)
		if err != nil {
			t.Fatalf("refresh at %s: %v", w.now, err)
		}
		tokens = next
	}
	w.now = end.Add(-time.Minute)
	next, err := w.Refresh(t.Context(), tokens.Refresh)
	if err != nil || next.ExpiresIn != time.Minute {
		t.Fatalf("a minute before the end the token is valid for %s, error %v", next.ExpiresIn, err)
	}
	w.now = end
	_, err = w.Refresh(t.Context(), next.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")

	// If the absolute lifetime is made shorter, it must also end sessions that began under the
	// longer one.
	w = newTestService(t)
	tokens = w.signIn(t)
	w.opts.SessionMaxLife = 30 * time.Minute
	w.now = w.now.Add(30 * time.Minute)
	_, err = w.Authenticate(t.Context(), tokens.Access)
	wantReason(t, err, "SESSION_ENDED")
}

func TestSessions_AreListedAndEndedByTheirUser(t *testing.T) {
	w := newTestService(t)
	began := w.now
	phone := w.signIn(t)
	w.now = w.now.Add(time.Hour / 2)
	_, _, laptop, err := w.SignIn(t.Context(), "good", "", " Lap\u202etop ")
	if err != nil {
		t.Fatal(err)
	}
	if laptop, err = w.Refresh(t.Context(), laptop.Refresh); err != nil {
		t.Fatal(err)
	}
	onLaptop, err := w.Authenticate(t.Context(), laptop.Access)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := w.Sessions(t.Context(), onLaptop)
	if err != nil || len(listed) != 2 || listed[0].Label != "Laptop" || !listed[0].Current || listed[1].Current || !listed[1].SignedInAt.Equal(began) {
		t.Fatalf("listed %+v, error %v", listed, err)
	}
	if err := w.EndSession(t.Context(), onLaptop, listed[1].ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.Authenticate(t.Context(), phone.Access)
	wantReason(t, err, "SESSION_ENDED")
	if err := w.EndSession(t.Context(), Caller{UserID: 2}, listed[0].ID); err == nil {
		t.Error("another user ended the session")
	}
	for range 2 { // the second call finds no session, and succeeds
		if err := w.EndSessions(t.Context(), onLaptop); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Authenticate(t.Context(), laptop.Access)
	wantReason(t, err, "SESSION_ENDED")
	_, err = w.Refresh(t.Context(), laptop.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
}

func TestAuthenticate_WritesTheLastUseEveryTenMinutes(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	for range 40 { // minutes
		if _, err := w.Authenticate(t.Context(), tokens.Access); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Minute)
	}
	if w.store.touches != 3 {
		t.Errorf("written %d times in 40 minutes, want 3", w.store.touches)
	}
}

func TestAuthenticate_ReadsTheSessionOnceUntilItsLastUseIsDue(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	began := w.store.reads
	for range 9 { // minutes
		caller, err := w.Authenticate(t.Context(), tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		if end, err := w.SessionEnd(t.Context(), caller); err != nil || !end.After(w.now) {
			t.Fatalf("the session ends at %s, error %v", end, err)
		}
		w.now = w.now.Add(time.Minute)
	}
	if reads := w.store.reads - began; reads != 1 {
		t.Errorf("read %d times in nine minutes, want once", reads)
	}
}

func TestAuthenticate_AcceptsASessionThatAnotherProcessHasProlonged(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	caller, err := w.Authenticate(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	stored := w.store.sessions[caller.session]
	w.opts.SessionLife = 30 * time.Minute
	stored.Kind = songspy.SessionCookie
	stored.LastUsedAt = w.now
	w.store.sessions[caller.session] = stored
	w.store.viewers.Clear()
	if _, err := w.Authenticate(t.Context(), tokens.Access); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(40 * time.Minute)
	stored.LastUsedAt = w.now.Add(-time.Minute) // as a request to another process writes it
	w.store.sessions[caller.session] = stored
	if _, err := w.Authenticate(t.Context(), tokens.Access); err != nil {
		t.Errorf("a session that was used a minute ago is refused: %v", err)
	}
}

func TestTokens_HaveTheUserIDOfTheOriginalFrontend(t *testing.T) {
	w := newTestService(t)
	read := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(w.signIn(t).Access.Reveal(), read); err != nil {
		t.Fatal(err)
	}
	if read["userId"] != float64(publicIDOfUser1) || read["sub"] != strconv.Itoa(publicIDOfUser1) {
		t.Errorf("the claims are %v", read)
	}
}
