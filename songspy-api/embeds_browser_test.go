package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/chromiumtest"
)

// playWithArt lets the user play a song whose album art is a picture that the simulator serves.
func (w *testAPI) playWithArt(t *testing.T, user signedIn, title string) {
	t.Helper()
	w.play(t, user, title)
	link, err := w.db.Link(t.Context(), user.UserID)
	if err != nil {
		t.Fatal(err)
	}
	now, uri := time.Now(), "spotify:track:"+title+" with art"
	end := now.Add(3 * time.Minute)
	written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{{
		Playing: songspy.NowPlaying{
			UserID: user.UserID, State: songspy.PlayerPlaying, TrackURI: uri, DurationMS: 180_000, StartedAt: now, ObservedAt: now, EndsAt: &end, Generation: link.Generation,
		},
		Tracks: []songspy.Track{{
			URI: uri, Kind: songspy.KindTrack, Title: title + " with art", DurationMS: 180_000,
			ImageURL: strings.TrimSuffix(w.env["SONGSPY_SPOTIFY_AUTHORIZE_URL"], "/spotify/accounts/authorize") + "/portraits/3.png",
		}},
		Visible: true,
	}})
	if err != nil || written[0].Err != nil {
		t.Fatalf("written %+v, error %v", written, err)
	}
}

// inPage runs a script in the page and returns its value.
func inPage[T any](t *testing.T, tab context.Context, script string) T { //nolint:revive // as chromedp has it
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

// pictureScript defines JavaScript functions that return the size and the pixels of an image as
// a text. pictureWithoutArt removes the album art from the image first.
const pictureScript = `
	async function pictureOf(img) {
		await img.decode();
		const canvas = Object.assign(document.createElement("canvas"), { width: img.naturalWidth, height: img.naturalHeight });
		canvas.getContext("2d").drawImage(img, 0, 0);
		return canvas.width + "x" + canvas.height + " " + canvas.toDataURL();
	}
	async function pictureWithoutArt(img) {
		const text = await (await fetch(img.src)).text();
		const bare = new Image();
		bare.src = URL.createObjectURL(new Blob([text.replace(/<image [^>]*>/, "")], { type: "image/svg+xml" }));
		return pictureOf(bare);
	}`

// startCachingNginx starts an nginx that forwards requests to upstream and may keep the answers
// for an hour. It returns the address of nginx.
func startCachingNginx(t *testing.T, upstream string) string {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("nginx is not installed")
		}
		t.Skip("NOT TESTED: nginx is not installed")
	}
	dir, addr := t.TempDir(), freeAddr(t)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	config := user + "daemon off;\npid " + dir + "/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n" +
		"access_log off; client_body_temp_path " + dir + "/b; proxy_temp_path " + dir + "/p; fastcgi_temp_path " + dir + "/f; uwsgi_temp_path " + dir + "/u; scgi_temp_path " + dir + "/s;\n" +
		"proxy_cache_path " + dir + "/cache keys_zone=embeds:1m;\n" +
		"server { listen " + addr + "; location / { proxy_pass http://" + upstream + "; proxy_cache embeds; proxy_cache_valid 200 1h; proxy_cache_revalidate on; } }\n}\n"
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, new(net.Dialer), addr, "nginx", "-p", dir, "-e", "stderr", "-c", path)
	return addr
}

// A page of another site shows an embed twice: directly from this service, and through a proxy
// that caches. After the token is revoked, a reload of the page must show the image of an
// unknown token in both places.
func TestEmbed_InAPageOfAnotherSiteShowsTheSongUntilItIsRevoked(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, id := w.newEmbed(t, ann, "embed")
	own := w.publicListener.Addr().String()
	cached := startCachingNginx(t, own)
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(rw, `<!doctype html><title>A blog</title>`)
		for name, address := range map[string]string{"own": own + "/embed/" + token, "cached": cached + "/embed/" + token, "unknown": own + "/embed/UNKNOWNUNKNOWNUNKNOWNUNKNO"} {
			_, _ = fmt.Fprintf(rw, `<p><img id="%s" crossorigin src="http://%s.svg" width="480" height="148">`, name, address)
		}
	}))
	defer page.Close()
	tab := newTab(t)
	// load loads the page again and returns what the images show.
	load := func() (pictures map[string]string) {
		t.Helper()
		if err := chromedp.Do(tab, chromedp.Navigate(page.URL)); err != nil {
			t.Fatal(err)
		}
		return inPage[map[string]string](t, tab, `(async () => {`+pictureScript+`
			const own = document.getElementById("own");
			return { own: await pictureOf(own), cached: await pictureOf(document.getElementById("cached")), unknown: await pictureOf(document.getElementById("unknown")), bare: await pictureWithoutArt(own) };
		})()`)
	}
	w.playWithArt(t, ann, "A song")
	w.untilShown(t, token, "A song with art")
	shown := load()
	chromiumtest.KeepPicture(t, tab, "embed")
	if !strings.HasPrefix(shown["own"], "480x148 ") || shown["own"] == shown["unknown"] || shown["own"] != shown["cached"] {
		t.Errorf("the images are %.60q, equal to that of an unknown token: %t, equal through the proxy: %t", shown["own"], shown["own"] == shown["unknown"], shown["own"] == shown["cached"])
	}
	if shown["own"] == shown["bare"] {
		t.Error("the image does not show the album art")
	}
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	revoked := load()
	chromiumtest.KeepPicture(t, tab, "embed-revoked")
	for _, name := range []string{"own", "cached"} {
		if revoked[name] != shown["unknown"] {
			t.Errorf("after the revocation the image %s is not that of an unknown token", name)
		}
	}
}

// An overlay must be empty ten seconds after the last event or comment of its stream, because its
// owner may have hidden meanwhile. When a stream works again after two failed connections, the
// overlay must have no timer of before, which would empty it. The test runs the timers itself.
func TestOverlay_IsEmptyAfterTenSilentSecondsAndFilledByTheNextStream(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, _ := w.newEmbed(t, ann, "overlay")
	w.playWithArt(t, ann, "A song")
	tab := newTab(t)
	const script = `{
		const SILENCE_MAX = 10000, later = setTimeout, cancel = clearTimeout, real = fetch, waiting = new Map();
		let failures = 0;
		fetch = (...args) => (failures-- > 0 ? Promise.reject(new TypeError("no network")) : real(...args));
		setTimeout = (act, ms) => {
			const id = later(act, ms < SILENCE_MAX ? 0 : ms);
			if (ms === SILENCE_MAX) waiting.set(id, act);
			return id;
		};
		clearTimeout = (id) => { waiting.delete(id); cancel(id); };
		timers = () => waiting.size;
		passTenSeconds = () => {
			failures = 2;
			for (const [id, act] of [...waiting]) { clearTimeout(id); act(); }
		};
		shown = async () => {
			for (const start = performance.now(); document.querySelector("main").hidden && performance.now() - start < 20000;) await new Promise((done) => requestAnimationFrame(done));
			return document.querySelector("main").hidden ? "" : document.getElementById("title").textContent;
		};
	}`
	err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}), chromedp.Navigate("http://"+w.publicListener.Addr().String()+"/overlay/"+token))
	if err != nil {
		t.Fatal(err)
	}
	if title := inPage[string](t, tab, `shown()`); title != "A song with art" {
		t.Fatalf("the overlay shows %q", title)
	}
	timers := inPage[int](t, tab, `timers()`)
	if !inPage[bool](t, tab, `passTenSeconds(), document.querySelector("main").hidden`) {
		t.Error("after ten silent seconds the overlay still shows the song")
	}
	if title := inPage[string](t, tab, `shown()`); title != "A song with art" {
		t.Errorf("after two failed connections and one that works the overlay shows %q", title)
	}
	if now := inPage[int](t, tab, `timers()`); now != timers {
		t.Errorf("%d timers run after the failures, and %d did before", now, timers)
	}
}

func TestOverlay_ShowsTheSongOnATransparentPageUntilItIsRevoked(t *testing.T) {
	w, ann, _, _ := newPeople(t)
	token, id := w.newEmbed(t, ann, "overlay")
	tab := newTab(t)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(480, 148), chromedp.Navigate("http://"+w.publicListener.Addr().String()+"/overlay/"+token)); err != nil {
		t.Fatal(err)
	}
	until := func(what, expression string) {
		t.Helper()
		state := inPage[string](t, tab, `(async () => {
			for (const start = performance.now(); performance.now() - start < 20000;) {
				if (`+expression+`) return "";
				await new Promise((done) => setTimeout(done, 20));
			}
			return document.body.outerHTML;
		})()`)
		if state != "" {
			t.Fatalf("waited too long for %s; the page has %s", what, state)
		}
	}
	if clear := inPage[bool](t, tab, `[document.body, document.documentElement].every((e) => getComputedStyle(e).backgroundColor === "rgba(0, 0, 0, 0)") && document.querySelector("main").hidden`); !clear {
		t.Error("the page is not transparent and empty before anything plays")
	}
	w.playWithArt(t, ann, "A song")
	until("the song and its art", `!document.querySelector("main").hidden && document.getElementById("title").textContent === "A song with art" && document.getElementById("art").naturalWidth > 0 && document.getElementById("logo").naturalWidth > 0`)
	chromiumtest.KeepPicture(t, tab, "overlay")
	w.wantStatus(t, w.Call("DELETE", prefix+"/me/embeds/"+id, nil, ann.bearer()...), 200, "")
	until("an empty page after the revocation", `document.querySelector("main").hidden`)
}
