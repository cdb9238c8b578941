package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var key = []byte("0123456789abcdef0123456789abcdef")

// testMessage returns a message about two users.
func testMessage() Message {
	at := time.Now()
	return Message{
		NotificationMessage: songspy.NotificationMessage{
			ID: "notification_1", Kind: songspy.NotificationNotRegistered, App: "app", Since: at.Add(-time.Hour),
			Notifications: []songspy.Notification{{UserID: 9}, {UserID: 7}},
		},
		At: at, To: "operator@example.org", Subject: "등록 / To be registered", Text: "두 사람\n\nTwo users <7, 9>\n",
	}
}

// webhookReceiver is a web server that records the last request.
type webhookReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	body   []byte
	calls  int
	answer http.HandlerFunc
}

func newReceiver(t *testing.T) *webhookReceiver {
	t.Helper()
	r := &webhookReceiver{answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.calls++
		r.header = req.Header
		r.body, _ = io.ReadAll(req.Body)
		r.mu.Unlock()
		r.answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *webhookReceiver) webhook(t *testing.T, key []byte) *Webhook {
	t.Helper()
	w, err := NewWebhook(songspy.Secret(r.URL+"/services/hunter2?token=hunter3"), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAWebhookIsSignedAsReceiversVerify(t *testing.T) {
	r, m := newReceiver(t), testMessage()
	if err := r.webhook(t, key).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	verifier, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(r.body, r.header); err != nil {
		t.Error(err)
	}
	// Compute the signature without the library, as docs/notifications.md
	// describes it.
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.header.Get("webhook-id"), r.header.Get("webhook-timestamp"), r.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.header.Get("webhook-signature") != want {
		t.Errorf("the signature is %s, want %s", r.header.Get("webhook-signature"), want)
	}
	if r.header.Get("webhook-id") != m.ID || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("the header is %v", r.header)
	}
	if err := verifier.Verify(append(r.body, ' '), r.header); err == nil {
		t.Error("a changed body passes the verification")
	}
}

func TestAWebhookBodyHasDataAndText(t *testing.T) {
	r, m := newReceiver(t), testMessage()
	if err := r.webhook(t, nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if r.header.Get("webhook-signature") != "" {
		t.Error("the message is signed without a key")
	}
	var got map[string]any
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatal(err)
	}
	format := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
	want := map[string]any{
		"kind": "not_registered", "at": format(m.At), "since": format(m.Since), "app": "app",
		"count": 2.0, "userIds": []any{7.0, 9.0}, "text": m.Text,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	m.Kind, m.Notifications = songspy.NotificationAppBlocked, []songspy.Notification{{Occurrence: "api"}}
	if err := r.webhook(t, nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if s := string(r.body); !strings.Contains(s, `"circuit":"api"`) || !strings.Contains(s, `"userIds":[]`) {
		t.Errorf("sent %s", s)
	}
}

func TestAWebhookErrorHoldsNoAddress(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", 500) },
		"404": http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere/hunter2", http.StatusTemporaryRedirect)
		},
		"cut connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		r := newReceiver(t)
		r.answer = answer
		expectError(t, name, r.webhook(t, key).Send(t.Context(), testMessage()), songspy.CodeUnavailable)
		r.mu.Lock() // the handler may still run after it has cut the connection
		if r.calls != 1 {
			t.Errorf("%s: %d calls", name, r.calls)
		}
		r.mu.Unlock()
	}
	r := newReceiver(t)
	r.Close()
	expectError(t, "an unreachable server", r.webhook(t, key).Send(t.Context(), testMessage()), songspy.CodeUnavailable)
	invalid, err := NewWebhook("https://%zz/hunter2", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, "an invalid URL", invalid.Send(t.Context(), testMessage()), songspy.CodeUnavailable)
}

// expectError fails the test unless the error has the code and contains no part
// of an address, a message or a URL.
func expectError(t *testing.T, name string, err error, code songspy.Code) {
	t.Helper()
	if songspy.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", name, err, code)
		return
	}
	for _, secret := range []string{"hunter", "://", "example.org", "Two users", "operator", "/services"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error contains %q: %v", name, secret, err)
		}
	}
}

// stalledTransport never answers.
type stalledTransport struct{}

func (stalledTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAHangingWebhookTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := NewWebhook("https://hooks.example.org/hunter2", key, stalledTransport{})
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		expectError(t, "stalled", w.Send(t.Context(), testMessage()), songspy.CodeUnavailable)
		if took := time.Since(started); took > webhookTimeout {
			t.Errorf("it took %v", took)
		}
	})
}
