package journey

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// hurry is a script that makes the timeouts of the page end four times as fast, so that the page
// notices a lost connection sooner.
const hurry = `const slow = window.setTimeout; window.setTimeout = (run, ms, ...rest) => slow(run, ms / 4, ...rest);`

// onlyInTestPage skips the test unless `make test-page` runs it.
func onlyInTestPage(t *testing.T) {
	t.Helper()
	if os.Getenv("SONGSPY_TEST_PAGE") == "" {
		t.Skip("this journey runs in make test-page")
	}
}

// newPageSystem does what newSystemWithPage does, and marks the test as parallel.
func newPageSystem(t *testing.T, o sim.Options, env ...string) *testSystem {
	t.Helper()
	t.Parallel()
	return newSystemWithPage(t, o, env...)
}

// newSystemWithPage prepares the services, on SQLite, for a test of the page. It does not mark the
// test as parallel, so that a test that measures time can run alone.
func newSystemWithPage(t *testing.T, o sim.Options, env ...string) *testSystem {
	t.Helper()
	w := newTestSystem(t, storetest.New(t, storetest.SQLite).URL, o, append([]string{"SONGSPY_LOG_LEVEL=warn", "SONGSPY_GOOGLE_CLIENT_SECRET=" + sim.GoogleClientSecret}, env...)...)
	w.addSecrets(sim.GoogleClientSecret)
	return w
}

// A user signs up, is seen by a stranger, hides, embeds the song, and erases the account. The
// stranger's page, which stays open, must follow each of these changes except the embed.
func TestPage_AUserSharesHidesAndErases(t *testing.T) {
	w := newPageSystem(t, sim.Options{Seed: 3, People: 2})
	const length = 15 * time.Second
	w.sim.Script(0, songsInARow(w.sim, 100, 200, length))
	stranger, mina := w.newTab(1), w.newTab(0)
	w.start("songspy-api")
	w.start("songspy-batch")
	stranger.open("/")
	stranger.waitText("Nobody is showing a song right now.")

	mina.signUp("mina", "everyone")
	mina.link()
	const title = `document.querySelector(".answer .title").textContent`
	stranger.waitText("mina")
	first := evaluate[string](stranger, title)
	stranger.wait(title + ` !== ` + strconv.Quote(first))

	mina.open("/")
	mina.waitText("Everyone sees what you play.")
	mina.wait(`new URL(document.querySelector("[data-mine] a").href).hash === "#hide"`)
	mina.open("/me")
	mina.waitText("Everyone sees you")
	mina.click("[data-hide=hour]")
	mina.waitText("Nobody sees you right now")
	mina.wait(`/^(1 h|59 min) left$/.test(document.querySelector("[data-left]").textContent)`)
	mina.waitText("They do not see a song right now.") // mina's page tells her what others see of her
	stranger.waitGone("mina")
	mina.click("[data-show]")
	mina.waitText("Everyone sees you")
	stranger.waitText("mina") // a user who is no longer hidden is seen from the next song on

	mina.write(`#embeds input[name="label"]`, "my blog")
	mina.clickText("#embeds", "Create an image")
	mina.wait(`document.querySelector("#embeds img.embed")?.naturalWidth > 0`)
	mina.waitText("my blog")
	if html := evaluate[string](mina, `document.querySelector("#embeds .copy input").value`); html != evaluate[string](mina, `'<a href="' + location.origin + '/u/' + `+
		`document.querySelector("#look .who").getAttribute("href").slice(3) + '"><img src="' + new URL(document.querySelector("img.embed").src).href.replace("&theme=dark", "") + '" alt="What I am listening to" width="480" height="148"></a>'`) {
		t.Errorf("the HTML to paste is %s", html)
	}
	// Others cannot distinguish a revoked embed from one that never existed.
	const unknown = `document.querySelector("img.embed").src.replace(/embed\/[^.]+/, "embed/unknown")`
	same := evaluate[string](mina, `(window.same = async (a, b) => (await (await fetch(a)).text()) === (await (await fetch(b)).text()), window.embed = document.querySelector("img.embed").src, window.unknown = `+unknown+`)`)
	if evaluate[bool](mina, `same(embed, unknown)`) {
		t.Errorf("the embed is the same as %s", same)
	}
	mina.clickText("#embeds", "Revoke")
	mina.click("#embeds .confirm button.main")
	mina.waitText("You have none yet.")
	if !evaluate[bool](mina, `same(embed, unknown)`) {
		t.Error("a revoked embed differs from an unknown one")
	}

	mina.write("#erase input", "no")
	mina.click("#erase button")
	mina.waitText("Nothing is erased yet.")
	mina.write("#erase input", "erase")
	mina.click("#erase button")
	mina.waitText("Everything is erased")
	stranger.waitGone("mina")
	if status := evaluate[int](mina, `fetch("/v1/songspy/me").then((r) => r.status)`); status != 401 {
		t.Errorf("the session of an erased user gets %d, want 401", status)
	}
}

// When a user hides, the open page of a stranger must lose the user within a second. This test
// measures wall-clock time, so it is not parallel, and the Makefile runs it alone.
func TestPage_AStrangerLosesAHiddenUserWithinASecond(t *testing.T) {
	w := newSystemWithPage(t, sim.Options{Seed: 8, People: 2})
	// When a user shares with more viewers again, these see the user only from the next song on. So
	// the songs are short.
	w.sim.Script(0, songsInARow(w.sim, 100, 200, 5*time.Second))
	stranger, mina := w.newTab(1), w.newTab(0)
	w.start("songspy-api")
	w.start("songspy-batch")
	mina.signUp("mina", "everyone")
	mina.link()
	mina.open("/me")
	stranger.open("/")
	const tries = 5
	var took []time.Duration
	for range tries {
		mina.waitText("Everyone sees you")
		stranger.waitText("mina")
		// Both tabs have the same clock. The test reads innerText, because it has only visible text.
		evaluate[any](stranger, `window.gone = new Promise((resolve) => {
			const main = document.getElementById("main");
			const seen = new MutationObserver(() => {
				if (main.innerText.includes("mina")) return;
				seen.disconnect();
				resolve(Date.now());
			});
			seen.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
		}), 0`)
		evaluate[any](mina, `window.hidden = 0, addEventListener("click", () => (window.hidden = Date.now()), { capture: true, once: true })`)
		mina.click("[data-hide=hour]")
		gone := evaluate[int64](stranger, "window.gone")
		took = append(took, time.Duration(gone-evaluate[int64](mina, "window.hidden"))*time.Millisecond)
		mina.click("[data-show]")
	}
	slices.Sort(took)
	t.Logf("from the click of the user until the stranger's page lacks the name: median %v, longest %v", took[tries/2], took[tries-1])
	if longest := took[tries-1]; longest > time.Second || took[0] <= 0 {
		t.Errorf("the name is gone after %v, want more than 0 s and at most 1 s", took)
	}
}

// A user without a seat in the Spotify app asks for one; the operator registers the user, and
// closes a report, on the status page.
func TestPage_AnOperatorEntersASeatAndHandlesAReport(t *testing.T) {
	o := sim.Options{Seed: 4, People: 2}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := newPageSystem(t, o, "SONGSPY_SPOTIFY_CLIENT_ID="+sim.DevelopmentClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET="+sim.DevelopmentClientSecret,
		"SONGSPY_SPOTIFY_SEATS=5", "SONGSPY_OPERATORS="+s.Person(1).Email)
	w.addSecrets(sim.DevelopmentClientSecret, s.Person(1).Email)
	user, operator := w.newTab(0), w.newTab(1)
	w.start("songspy-api")
	w.start("songspy-batch")

	user.signUp("mina", "everyone")
	user.write(`input[type="email"]`, "mina@example.com")
	user.click("form button.main")
	user.wait(`document.querySelector("[data-seat=held]")`)
	user.open("/status")
	user.waitText("Only operators see this page")

	operator.signUp("op", "nobody")
	operator.click(".menu summary")
	operator.click(".menu [data-operator]")
	operator.waitText("mina@example.com")
	w.sim.RegisterWith(0, sim.DevelopmentClientID)
	operator.clickText("#seats", "Entered, try again")
	operator.wait(`document.getElementById("announce").textContent === "The user can link now."`)
	user.open("/welcome")
	user.wait(`document.querySelector("[data-seat=entered]")`)
	user.link()

	operator.open("/u/" + get[string](user, "/me", "data.handle"))
	operator.click(".report summary")
	operator.write(`.report input[name="text"]`, "a made-up reason")
	operator.click(".report form button")
	operator.wait(`!document.querySelector(".report").open`)
	operator.open("/status")
	operator.waitText("a made-up reason")
	operator.click("[data-language]")
	operator.waitText("서비스") // the page is in Korean now
	operator.waitText("a made-up reason")
	operator.write(`#reports input[name="detail"]`, "told in the activity")
	operator.clickText("#reports", "숨기기")
	operator.click("#reports .confirm button.main")
	operator.waitGone("a made-up reason")
	user.open("/me")
	user.waitText("told in the activity")
	operator.open("/status") // to show the hidden user again
	operator.wait(`document.querySelector("#hidden [data-hidden]")`)
	operator.clickText("#hidden", "다시 보이기")
	operator.click("#hidden .confirm button.main")
	operator.wait(`!document.querySelector("#hidden [data-hidden]")`)
}

// A viewer requests to follow a user, is approved, and is later blocked. The page of a stranger whose
// network is cut must become empty, and must show the board again once the network works. After the
// user's consent at Spotify has ended, one step must link again.
func TestPage_FollowersRelinkingAndTheNetwork(t *testing.T) {
	onlyInTestPage(t)
	w := newPageSystem(t, sim.Options{Seed: 5, People: 3, AccessTokenLife: 20 * time.Second})
	// When a user shares with more viewers again, these see the user only from the next song on. So
	// the songs are short.
	w.sim.Script(0, songsInARow(w.sim, 100, 200, 20*time.Second))
	mina, juno, stranger := w.newTab(0), w.newTab(1), w.newTab(2)
	w.start("songspy-api")
	w.start("songspy-batch")
	mina.signUp("mina", "followers")
	mina.link()
	juno.signUp("juno", "nobody")
	mina.open("/me")
	mina.waitText("Only your followers see you")
	mina.wait(`Array.from(document.querySelectorAll("#sharing label")).some((l) => l.textContent.startsWith("Let others find me") && (l.click(), true))`)
	mina.wait(`document.getElementById("announce").textContent === "Saved."`)

	juno.open("/")
	juno.waitText("You have not linked Spotify yet.") // once this is shown, nothing on the page moves any more
	juno.write(`input[type="search"]`, "mina")
	juno.click(".find button")
	juno.clickText("[data-found]", "mina")
	juno.clickText(".acts", "Follow")
	juno.clickText(".acts", "Cancel the request")
	juno.clickText(".acts", "Follow")
	juno.wait(`document.getElementById("announce").textContent.startsWith("Request sent.")`)
	mina.open("/me")
	mina.clickText("#people", "Approve")
	mina.waitText("No new requests.")
	juno.wait(`document.querySelector(".answer .title")?.textContent && !document.querySelector(".answer").hidden`)

	// Juno's page gives the songs of followed users to her screen reader at intervals. The script
	// shortens all intervals of more than ten seconds to a tenth.
	juno.before(`const slowly = window.setInterval; window.setInterval = (run, ms, ...rest) => slowly(run, ms > 10000 ? ms / 10 : ms, ...rest);`)
	juno.open("/")
	juno.press("[data-read]") // only the keyboard and screen readers reach this button
	juno.wait(`document.getElementById("announce").textContent === "Your screen reader gets the songs of people you follow, every 30 seconds."`)
	juno.wait(`/^mina has started .+ by .+\.$/.test(document.getElementById("announce").textContent)`)
	juno.open("/u/" + get[string](mina, "/me", "data.handle"))
	juno.wait(`document.querySelector(".answer .title")?.textContent && !document.querySelector(".answer").hidden`)

	// The text of a report that juno is writing must stay when mina's song disappears and the page
	// reads its data again.
	const plays = `performance.getEntriesByType("resource").filter((e) => e.name.includes("/plays")).length`
	juno.clickText(".acts", "Report")
	juno.write(".report input", "what juno writes")
	juno.wait(`!document.querySelector(".answer").hidden`) // mina plays a song, which disappears when she hides
	before := evaluate[int](juno, plays)
	mina.click("[data-hide=hour]")
	juno.waitText("mina is not playing anything right now, or is not sharing it.")
	juno.wait(fmt.Sprintf("%s > %d", plays, before)) // the page reads the plays last
	if got := evaluate[string](juno, `document.querySelector(".report input").value`); got != "what juno writes" {
		t.Errorf("the report is %q now", got)
	}
	mina.click("[data-show]")
	juno.wait(`!document.querySelector(".answer").hidden`) // mina is seen from the next song on

	mina.clickText("#people", "Block")
	mina.click("#people .confirm button.main")
	mina.waitText("Unblock")
	juno.waitText("Page not found. The address is wrong, or the page is not public.")

	stranger.before(hurry + `const ask = window.fetch; window.asked = 0; window.fetch = (...args) => (window.asked++, ask(...args));`)
	stranger.open("/")
	mina.click(`input[name="now"][value="everyone"]`)
	mina.waitText("Everyone sees you")
	stranger.waitText("mina")
	evaluate[any](stranger, `window.cutAt = performance.now(), 0`)
	stranger.setOffline(true)
	const offline = "You are offline. The list comes back when you are online."
	stranger.waitText(offline)
	stranger.waitGone("mina")
	// The network stays cut for 30 seconds of the page's time, which the script hurry shortens to 7.5
	// seconds. Meanwhile the page must keep asking.
	stranger.wait(fmt.Sprintf(`performance.now() - cutAt > 7500 && asked >= %d`, evaluate[int](stranger, `asked`)+2))
	stranger.waitText(offline)
	stranger.waitGone("mina")
	stranger.setOffline(false)
	stranger.waitText("mina")
	stranger.wait(`document.getElementById("connection").hidden && document.getElementById("announce").textContent === "Connected again."`)

	mina.endConsent()
	mina.open("/")
	mina.clickText("main", "Link again")
	mina.consent()
	mina.open("/me")
	mina.wait(`document.querySelector("[data-link=active]")`)
}
