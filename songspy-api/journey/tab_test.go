package journey

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/chromiumtest"
)

// chromium is the browser that all tests of this package share. endChromium ends it.
var (
	chromium = sync.OnceValue(func() (browser context.Context) {
		browser, endChromium = chromiumtest.Start()
		return browser
	})
	endChromium = func() {}
)

// tab is a tab of a person of the simulator. It shares no cookies with other tabs.
type tab struct {
	*testSystem
	ctx    context.Context
	person int
}

// newTab opens a tab of a phone's size.
func (w *testSystem) newTab(person int) *tab {
	w.t.Helper()
	first := chromium()
	chromiumtest.Require(w.t, first, "the page with the programs in a browser")
	ctx, leave := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
	w.t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of its first action, so this one has no timeout
		w.t.Fatal(err)
	}
	b := &tab{w, ctx, person}
	b.do(chromedp.EmulateViewport(390, 844))
	return b
}

// do runs actions, and fails the test if they take too long.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, eventuallyTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page is:\n%s", err, b.text())
	}
}

// send runs a command of the browser's debugging protocol for this tab.
func send[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	}))
}

// text returns the address and the text of the page.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, eventuallyTimeout)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 4000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.api + path)) }

// wait waits until a script returns a true value. While the tab opens another page, the
// script returns no value, and wait goes on.
func (b *tab) wait(script string) {
	b.t.Helper()
	holds := false
	defer func() {
		if !holds {
			b.t.Logf("waited for %s; the page is:\n%s", script, b.text())
		}
	}()
	b.eventually(script, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, eventuallyTimeout)
		defer cancel()
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		holds = err == nil && is
		return holds
	})
}

// waitText waits until the page shows a text; waitGone waits until it does not.
func (b *tab) waitText(text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.getElementById("main").innerText.includes(%q)`, text))
}

func (b *tab) waitGone(text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`!document.getElementById("main").innerText.includes(%q)`, text))
}

// click clicks the first element of a selector as soon as there is one.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.querySelector(%q)`, selector))
	b.do(chromedp.Click(selector))
}

// press gives the element the focus once the scripts have started, and presses Enter.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.getElementById("main").dataset.started !== undefined && ((e) => e && (e.focus(), document.activeElement === e))(document.querySelector(%q))`, selector))
	b.do(chromedp.KeyEvent(kb.Enter))
}

// clickText clicks the first button, link or summary whose text is the given text. The argument
// inside is the selector of the elements that are searched.
func (b *tab) clickText(inside, text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`Array.from(document.querySelectorAll(%q), (e) => Array.from(e.querySelectorAll("button, a, summary"))).flat().some((e) => {
		if (e.textContent.trim() !== %q) return false;
		for (const marked of document.querySelectorAll("[data-test-click]")) delete marked.dataset.testClick;
		return (e.dataset.testClick = "true");
	})`, inside, text))
	b.do(chromedp.Click("[data-test-click]"))
}

// write replaces the text of a field.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`((field) => field && (field.value = "", true))(document.querySelector(%q))`, selector))
	b.do(chromedp.SendKeys(selector, text))
}

// evaluate returns the value of a script, or of its promise.
func evaluate[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, eventuallyTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v; the page is:\n%s", script, err, b.text())
	}
	return value
}

// get requests a route of the API and returns the value of a script. In the script, the variable
// "data" has the data of the answer.
func get[T any](b *tab, path, script string) T {
	b.t.Helper()
	return evaluate[T](b, fmt.Sprintf(`fetch(%q).then(async (r) => { const { data } = await r.json(); return %s; })`, "/v1/songspy"+path, script))
}

// request sends a request with the session of the tab, and fails the test unless the answer is
// 200. If body is empty, the request has no body.
func (b *tab) request(method, path, body string) {
	b.t.Helper()
	status := evaluate[int](b, fmt.Sprintf(`fetch(%q, { method: %q, headers: { "Content-Type": "application/json" }, body: %q || null }).then((r) => r.status)`, "/v1/songspy"+path, method, body))
	if status != 200 {
		b.t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// before makes the tab run a script on each page that it opens from now on, before the scripts of
// the page.
func (b *tab) before(script string) {
	b.t.Helper()
	send(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// setOffline cuts the network of the tab, or restores it.
func (b *tab) setOffline(offline bool) {
	b.t.Helper()
	type conditions struct {
		Offline            bool    `json:"offline"`
		Latency            float64 `json:"latency"`
		DownloadThroughput float64 `json:"downloadThroughput"`
		UploadThroughput   float64 `json:"uploadThroughput"`
	}
	// This deprecated command also sets navigator.onLine. The commands that replace it are not in all
	// versions of Chromium.
	send(b, cdp.Command[conditions, cdp.Empty]{Method: "Network.emulateNetworkConditions"}, conditions{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1})
}

// step waits until the page /welcome shows the step with the name.
func (b *tab) step(name string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.querySelector("[data-step]")?.dataset.step === %q`, name))
}

// consent allows the app on the page of Google or Spotify to which the tab has gone.
func (b *tab) consent() {
	b.t.Helper()
	b.wait(fmt.Sprintf(`location.origin !== %q && document.querySelector("form")`, b.api))
	b.do(chromedp.Navigate(fmt.Sprintf("%s&person=%d&allow=1", evaluate[string](b, "location.href"), b.person)))
}

// signUp signs the person up on the page /welcome. It returns when the page shows the step "spotify".
func (b *tab) signUp(nickname, audience string) {
	b.t.Helper()
	b.open("/welcome")
	b.step("signIn")
	b.click(".lead a.main")
	b.consent()
	b.step("name")
	b.write(`input[name="nickname"]`, nickname)
	b.click("form button")
	b.step("audience")
	if n := evaluate[int](b, `document.querySelectorAll("input:checked").length`); n != 0 {
		b.t.Errorf("%d audiences are chosen before the user chooses", n)
	}
	b.click(".actions button.main")
	b.waitText("Please choose one.")
	b.click(`input[value="` + audience + `"]`)
	b.click(".actions button.main")
	b.step("spotify")
}

// link links Spotify on the page /welcome. The page must be at the step "spotify".
func (b *tab) link() {
	b.t.Helper()
	b.click("[data-link-spotify]")
	b.consent()
	b.step("done")
}

// endConsent makes the simulated Spotify refuse to renew the person's token, as after the end of the
// consent, and waits until the link needs the person. The access tokens must be short-lived, so that
// the batch soon tries to renew one.
func (b *tab) endConsent() {
	b.t.Helper()
	// Songspy takes Spotify's refusal for the end of the consent, because the consent is six months old.
	b.ageConsent(time.Now().AddDate(0, -songspy.ConsentMonths, 0))
	end := b.sim.Fault(sim.Fault{Endpoint: "token", Person: b.person, Kind: sim.Raw, Status: http.StatusBadRequest, Body: `{"error":"invalid_grant","error_description":"Refresh token expired"}`})
	defer end()
	b.eventually("a link that needs the user", func() bool { return get[string](b, "/spotify-auth", "data.state") == "reauth_required" })
}

// ageConsent changes the time at which the user consented at Spotify, as the database has it.
func (b *tab) ageConsent(at time.Time) {
	b.t.Helper()
	done, err := b.openDatabase().ExecContext(b.t.Context(), `UPDATE spotify_links SET authorized_at = ? WHERE user_id = (SELECT id FROM users WHERE public_id = ?)`,
		at.UTC(), get[int64](b, "/me", "data.id"))
	if err != nil {
		b.t.Fatal(err)
	}
	if n, err := done.RowsAffected(); n != 1 || err != nil {
		b.t.Fatalf("%d links have an older consent: %v", n, err)
	}
}
