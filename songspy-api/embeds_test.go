package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// newEmbed creates an embed or an overlay (a page for streaming programs) and returns its token
// and its id.
func (w *testAPI) newEmbed(t *testing.T, user signedIn, purpose string) (token string, id string) {
	t.Helper()
	a := w.Call("POST", prefix+"/me/embeds", map[string]string{"purpose": purpose, "label": "my page"}, user.bearer()...)
	w.wantStatus(t, a, 200, "")
	var created struct {
		Embed struct{ ID jsonNumber }
		Token string
		URL   string
	}
	a.DecodeData(t, &created)
	w.secrets = append(w.secrets, created.Token)
	if !strings.Contains(created.URL, created.Token) {
		t.Errorf("the address %q lacks the token", created.URL)
	}
	return created.Token, string(created.Embed.ID)
}

// jsonNumber is a number of any size as text.
type jsonNumber string

func (n *jsonNumber) UnmarshalJSON(b []byte) error { *n = jsonNumber(b); return nil }

// checkEmbeds calls every route about embeds as the user ann, who must be playing "A song".
func (w *testAPI) checkEmbeds(t *testing.T, ann signedIn) {
	t.Helper()
	token, id := w.newEmbed(t, ann, "embed")
	for _, file := range []string{".svg", ".svg?theme=dark&lang=en", ".json"} {
		if a := w.Call("GET", "/embed/"+token+file, nil); a.Status != 200 || !bytes.Contains(a.Body, []byte("A song")) {
			t.Errorf("the embed %s answers %d %s", file, a.Status, a.Body)
		}
	}
	if a := w.Call("GET", prefix+"/me/embeds", nil, ann.bearer()...); !bytes.Contains(a.Data, []byte("my page")) || bytes.Contains(a.Data, []byte(token)) {
		t.Errorf("the embeds are %s", a.Data)
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
}

func TestEmbeds_OneTooManyIsRefusedWithTheLimit(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	ann := w.signIn(t, 0)
	for i := range songspy.EmbedTokensMax {
		w.newEmbed(t, ann, []string{"embed", "overlay"}[i%2])
	}
	a := w.Call("POST", prefix+"/me/embeds", map[string]string{"purpose": "embed", "label": "one more"}, ann.bearer()...)
	w.wantStatus(t, a, 422, "TOO_MANY_EMBEDS")
	if !bytes.Contains(a.Body, []byte("You have 20 images and overlays together")) {
		t.Errorf("the answer is %s", a.Body)
	}
}

// embedFiles are the endings of the addresses of an embed, one for each form of it.
var embedFiles = []string{".svg", ".svg?theme=dark", ".svg?lang=en", ".json"}

// emptyEmbed returns the answers for an unknown token, by the ending of the address.
func (w *testAPI) emptyEmbed(t *testing.T) map[string]contracttest.Response {
	t.Helper()
	empty := map[string]contracttest.Response{}
	for _, file := range embedFiles {
		empty[file] = w.Call("GET", "/embed/UNKNOWNUNKNOWNUNKNOWNUNKNO"+file, nil)
		w.wantStatus(t, empty[file], 200, "")
	}
	return empty
}

// wantEmpty fails unless the answers of the embed equal those of an unknown token, to the byte.
func (w *testAPI) wantEmpty(t *testing.T, why, token string) {
	t.Helper()
	for file, want := range w.emptyEmbed(t) {
		if a := w.Call("GET", "/embed/"+token+file, nil); !sameAnswer(a, want) {
			t.Errorf("%s, the embed %s answers %d %v %s, want the empty answer", why, file, a.Status, a.Header, a.Body)
		}
	}
}

// untilShown waits until the embed shows the title.
func (w *testAPI) untilShown(t *testing.T, token, title string) {
	t.Helper()
	w.eventually(t, title+" in the embed", func() bool {
		return bytes.Contains(w.Call("GET", "/embed/"+token+".json", nil).Body, []byte(title))
	})
}

// untilEmpty waits until the embed shows nothing.
func (w *testAPI) untilEmpty(t *testing.T, token string) {
	t.Helper()
	w.eventually(t, "an empty embed", func() bool {
		return bytes.Contains(w.Call("GET", "/embed/"+token+".json", nil).Body, []byte(`"nowPlaying":null`))
	})
}

func TestDetails_AnEmbedOfAHiddenUserEqualsOneThatPlaysNothing(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, _ := w.newEmbed(t, ann, "embed")
	w.wantEmpty(t, "before anything played", token)
	w.play(t, ann, "A song")
	w.untilShown(t, token, "A song")
	for _, hide := range []map[string]any{
		{"hiddenUntil": "9999-12-31T00:00:00.000Z"}, {"hiddenUntil": nil, "now": "nobody"}, {"now": "followers"},
	} {
		w.share(t, ann, hide)
		w.untilEmpty(t, token)
		w.wantEmpty(t, "hidden", token)
	}
	// After the audience is widened, the embed must still not show the song during which the
	// user was hidden. It must show the next song, because the holder of a token sees what the
	// holder of a share link sees.
	w.share(t, ann, map[string]any{"now": "link"})
	w.wantEmpty(t, "shown again", token)
	w.play(t, ann, "B song")
	w.untilShown(t, token, "B song")
}

func TestDetails_ARevokedEmbedEqualsAnUnknownOne(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	token, id := w.newEmbed(t, ann, "embed")
	w.play(t, ann, "A song")
	w.untilShown(t, token, "A song")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, bob.bearer()...), 404, "NOT_FOUND")
	w.untilShown(t, token, "A song")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	w.wantEmpty(t, "revoked", token)
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 404, "NOT_FOUND")
}

func TestDetails_ATokenServesOnePurpose(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	w.play(t, ann, "A song")
	overlay, _ := w.newEmbed(t, ann, "overlay")
	w.wantEmpty(t, "with the token of an overlay", overlay)
	a := w.Call("POST", prefix+"/me/sharing/link", nil, ann.bearer()...)
	var link struct{ Link string }
	a.DecodeData(t, &link)
	w.wantEmpty(t, "with the secret of a share link", link.Link)
	embed, _ := w.newEmbed(t, ann, "embed")
	w.share(t, ann, map[string]any{"now": "link"})
	w.eventually(t, "a profile for link holders only", func() bool {
		return w.Call("GET", prefix+"/people/"+ann.handle(), nil).Status == 404 || !bytes.Contains(w.Call("GET", prefix+"/people/"+ann.handle(), nil).Data, []byte("A song"))
	})
	if a := w.Call("GET", prefix+"/people/"+ann.handle()+"?link="+embed, nil); bytes.Contains(a.Body, []byte("A song")) {
		t.Errorf("the token of an embed opens the profile: %s", a.Body)
	}
}

func TestEmbed_OtherPagesMayShowItAndCachesAsk(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, _ := w.newEmbed(t, ann, "embed")
	for _, file := range []string{".svg", ".json"} {
		a := w.Call("GET", "/embed/"+token+file, nil, "Origin", "https://page.example")
		for name, want := range map[string]string{
			"Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*",
			"Content-Security-Policy": "default-src 'none'; img-src data:; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
			"Content-Type": map[string]string{".svg": "image/svg+xml", ".json": "application/json"}[file],
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", file, name, got, want)
			}
		}
		again := w.Call("GET", "/embed/"+token+file, nil, "If-None-Match", a.Header.Get("ETag"))
		if again.Status != 304 || len(again.Body) > 0 || again.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("%s: asked again, the answer is %d with %d bytes", file, again.Status, len(again.Body))
		}
	}
	w.wantStatus(t, w.Call("GET", "/embed/"+token+".png", nil), 404, "NOT_FOUND")
	if strings.Contains(w.log.String(), "page.example") {
		t.Error("the log warns of a page that shows an embed")
	}
}

// cachingProxy stores answers, as image proxies do. Before it uses an answer again, it asks the
// origin, with If-None-Match, whether the answer is still current.
type cachingProxy struct {
	origin *httputil.ReverseProxy
	mu     sync.Mutex
	stored map[string]*httptest.ResponseRecorder
	reused int
}

func (p *cachingProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stored := p.stored[r.URL.String()]
	ask := r.Clone(r.Context())
	ask.Header = http.Header{}
	if stored != nil {
		ask.Header.Set("If-None-Match", stored.Header().Get("ETag"))
	}
	got := httptest.NewRecorder()
	p.origin.ServeHTTP(got, ask)
	if got.Code == http.StatusNotModified {
		got, p.reused = stored, p.reused+1
	} else if !strings.Contains(got.Header().Get("Cache-Control"), "no-store") {
		p.stored[r.URL.String()] = got
	}
	rw.Header().Set("Content-Type", got.Header().Get("Content-Type"))
	rw.WriteHeader(got.Code)
	_, _ = rw.Write(got.Body.Bytes())
}

func TestEmbed_ThroughACachingProxyARevokedTokenShowsNothing(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, id := w.newEmbed(t, ann, "embed")
	w.play(t, ann, "A song")
	w.untilShown(t, token, "A song")
	origin, err := url.Parse("http://" + w.publicListener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &cachingProxy{origin: httputil.NewSingleHostReverseProxy(origin), stored: map[string]*httptest.ResponseRecorder{}}
	server := httptest.NewServer(proxy)
	defer server.Close()
	get := func() string {
		resp, err := http.Get(server.URL + "/embed/" + token + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for range 3 {
		if !strings.Contains(get(), "A song") {
			t.Fatal("the proxy does not show the song")
		}
	}
	if proxy.reused != 2 {
		t.Errorf("the proxy reused its copy %d times, want 2", proxy.reused)
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	if got, want := get(), string(w.emptyEmbed(t)[".svg"].Body); got != want {
		t.Errorf("after the revocation the proxy answers %s", got)
	}
}

func TestEmbed_IsAnsweredWithoutACallToAProvider(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, _ := w.newEmbed(t, ann, "embed")
	w.play(t, ann, "A song")
	w.untilShown(t, token, "A song")
	calls := fmt.Sprint(w.sim.Stats().Requests)
	for range 20 {
		w.Call("GET", "/embed/"+token+".svg", nil)
		w.Call("GET", "/embed/"+token+".json", nil)
	}
	if now := fmt.Sprint(w.sim.Stats().Requests); now != calls {
		t.Errorf("after 40 views the providers have counted %s, want %s", now, calls)
	}
}

// hookMessage is a message to a webhook.
type hookMessage struct {
	Type string
	Data struct {
		NowPlaying *struct{ Track struct{ Title string } }
	}
}

// newReceiver starts a receiver of webhooks, and returns its address and a channel of the
// messages that it gets. The argument secret points to the key of the webhook, which the caller
// may set later. The test fails if the signature of a message is wrong.
func newReceiver(t *testing.T, secret *string) (address string, messages chan hookMessage) {
	t.Helper()
	messages = make(chan hookMessage, 100)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verifier, err := standardwebhooks.NewWebhook(*secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		var m hookMessage
		if err = errors.Join(err, json.Unmarshal(body, &m)); err != nil {
			t.Errorf("the message %s: %v", body, err)
		}
		messages <- m
	}))
	t.Cleanup(server.Close)
	return server.URL + "/hook", messages
}

// setWebhook sets the user's webhook and stores the key in *secret.
func (w *testAPI) setWebhook(t *testing.T, user signedIn, address string, secret *string) {
	t.Helper()
	a := w.Call("PUT", prefix+"/me/webhook", map[string]string{"url": address}, user.bearer()...)
	w.wantStatus(t, a, 200, "")
	var created struct{ Secret string }
	a.DecodeData(t, &created)
	*secret = created.Secret
	w.secrets = append(w.secrets, created.Secret, address)
}

// checkWebhook calls every route about the webhook.
func (w *testAPI) checkWebhook(t *testing.T, ann signedIn) {
	t.Helper()
	var secret string
	address, messages := newReceiver(t, &secret)
	if a := w.Call("GET", prefix+"/me/webhook", nil, ann.bearer()...); string(a.Data) != "null" {
		t.Errorf("without a webhook: %s", a.Data)
	}
	w.wantStatus(t, w.Call("POST", prefix+"/me/webhook/test", nil, ann.bearer()...), 404, "NOT_FOUND")
	w.wantStatus(t, w.Call("PUT", prefix+"/me/webhook", map[string]string{"url": "ftp://hook.example/"}, ann.bearer()...), 400, "WEBHOOK_URL_INVALID")
	w.setWebhook(t, ann, address, &secret)
	if a := w.Call("POST", prefix+"/me/webhook/test", nil, ann.bearer()...); string(a.Data) != `{"delivered":true,"failure":null,"status":200}` {
		t.Errorf("the test answers %s", a.Data)
	}
	for m := range messages {
		if m.Type == "listening.test" {
			break
		}
	}
	if a := w.Call("GET", prefix+"/me/webhook", nil, ann.bearer()...); !bytes.Contains(a.Data, []byte(`"state":"on"`)) || bytes.Contains(a.Data, []byte(secret)) {
		t.Errorf("the webhook is %s", a.Data)
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/webhook", nil, ann.bearer()...), 200, "")
}

func TestDetails_AWebhookGetsWhatLinkHoldersSeeAndHidingIsAnEnd(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	var secret string
	address, messages := newReceiver(t, &secret)
	w.setWebhook(t, ann, address, &secret)
	want := func(kind, title string) {
		t.Helper()
		m, got := <-messages, ""
		if m.Data.NowPlaying != nil {
			got = m.Data.NowPlaying.Track.Title
		}
		if m.Type != kind || got != title {
			t.Errorf("the webhook gets %s %q, want %s %q", m.Type, got, kind, title)
		}
	}
	w.play(t, ann, "A song")
	want("listening.playing", "A song")
	w.share(t, ann, map[string]any{"hiddenUntil": "9999-12-31T00:00:00.000Z"})
	want("listening.stopped", "")
	w.play(t, ann, "A hidden song")
	w.share(t, ann, map[string]any{"hiddenUntil": nil, "now": "link"})
	w.play(t, ann, "A song for link holders")
	want("listening.playing", "A song for link holders")
	w.share(t, ann, map[string]any{"now": "followers"})
	want("listening.stopped", "")
}

// openOverlay opens the stream of an overlay and returns its events, each as its name, a space
// and its data.
func (w *testAPI) openOverlay(t *testing.T, token string) (events chan string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+w.publicListener.Addr().String()+prefix+"/listening/stream?topics=owner&token="+token, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("the stream: %v, error %v", resp, err)
	}
	events = make(chan string, 100)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		name := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = n
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				events <- name + " " + data
			}
		}
	}()
	return events
}

func TestOverlay_ItsStreamShowsTheOwnerUntilTheTokenIsRevoked(t *testing.T) {
	w, ann, bob, _ := newPeople(t)
	w.play(t, bob, "B song")
	token, id := w.newEmbed(t, ann, "overlay")
	events := w.openOverlay(t, token)
	want := func(name, holds string) {
		t.Helper()
		for got := range events {
			if strings.HasPrefix(got, name+" ") && strings.Contains(got, holds) && !strings.Contains(got, "B song") {
				return
			}
			t.Logf("before %s %s: %s", name, holds, got)
		}
		t.Fatalf("the stream ended before %s %s", name, holds)
	}
	want("snapshot", `"items":[]`)
	w.play(t, ann, "A song")
	want("playing", "A song")
	w.share(t, ann, map[string]any{"hiddenUntil": "9999-12-31T00:00:00.000Z"})
	want("gone", "")
	w.share(t, ann, map[string]any{"hiddenUntil": nil, "now": "link"})
	w.play(t, ann, "A song for link holders")
	want("playing", "A song for link holders")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	want("end", "session")
	if rest, open := <-events; open {
		t.Errorf("after the end: %s", rest)
	}
	w.wantStatus(t, w.Call("GET", prefix+"/listening/stream?topics=owner", nil), 400, "INVALID_REQUEST")
}

func TestDetails_ARevokedOverlayEqualsAnUnknownOne(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	revoked, id := w.newEmbed(t, ann, "overlay")
	embed, _ := w.newEmbed(t, ann, "embed")
	w.play(t, ann, "A song")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	serverTime := regexp.MustCompile(`"serverTime":"[^"]*"`)
	for name, token := range map[string]string{"revoked": revoked, "that of an embed": embed, "unknown": "UNKNOWNUNKNOWNUNKNOWNUNKNO"} {
		got := serverTime.ReplaceAllString(<-w.openOverlay(t, token), `"serverTime":0`)
		if got != `snapshot {"topic":"owner","serverTime":0,"items":[]}` {
			t.Errorf("a token that is %s: %s", name, got)
		}
	}
}

func TestOverlay_ThePageIsTheSameForEachToken(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, _ := w.newEmbed(t, ann, "overlay")
	known, unknown := w.Call("GET", "/overlay/"+token, nil), w.Call("GET", "/overlay/unknown", nil)
	if !sameAnswer(known, unknown) || known.Status != 200 {
		t.Errorf("a known token answers %d %v, an unknown one %d %v", known.Status, known.Header, unknown.Status, unknown.Header)
	}
	csp := known.Header.Get("Content-Security-Policy")
	for _, loose := range []string{"unsafe", "*;", " https:", "data:"} {
		if strings.Contains(strings.ReplaceAll(csp, "https://*.", ""), loose) {
			t.Errorf("the policy %q allows %s", csp, loose)
		}
	}
	for _, file := range []string{"/overlay.css", "/overlay.js", "/overlay-spotify.svg"} {
		if a := w.Call("GET", file, nil); a.Status != 200 {
			t.Errorf("%s answers %d", file, a.Status)
		}
	}
}
