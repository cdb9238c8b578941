// A journey of users through the page in Firefox, over WebDriver BiDi. firefox_test.go starts
// the service and the simulator, and runs this file.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const { SONGSPY_URL, SONGSPY_TEST_FIREFOX, AXE, SONGSPY_ARTEFACTS } = process.env;
const timeout = 60_000; // far longer than anything takes, because test machines may be slow
const axe = readFileSync(AXE, "utf8");
let browser;
let stranger;
let mina;

/**
 * openWindow returns a page that shares no cookies with other pages. It has a window of its
 * own: a tab behind another one is hidden, and a hidden page does less.
 */
async function openWindow() {
  const context = await browser.createBrowserContext();
  const page = await context.newPage({ type: "window" });
  // Puppeteer also sets the orientation, which Firefox ESR 140 does not know. The size is set in any case.
  await page.setViewport({ width: 390, height: 844 }).catch((error) => {
    if (!error.message.includes("setScreenOrientationOverride")) throw error;
  });
  page.setDefaultTimeout(timeout);
  return page;
}

const open = (page, path) => page.goto(SONGSPY_URL + path, { waitUntil: "load" });

/** click clicks the first element of a selector once this is visible. */
async function click(page, selector) {
  const element = await page.waitForSelector(selector, { visible: true });
  await element.evaluate((e) => e.scrollIntoView({ block: "center" }));
  await element.click();
}

async function write(page, selector, text) {
  const field = await page.waitForSelector(selector, { visible: true });
  await field.evaluate((e) => (e.value = ""));
  await field.type(text);
}

/**
 * waitFor waits until a function returns a true value in the page, even in a window that is not painted.
 * It does not use page.waitForFunction, which the page's CSP blocks in Firefox ESR 140.
 */
async function waitFor(page, holds, ...args) {
  let last = "the function was never true";
  for (const end = Date.now() + timeout; Date.now() < end; await delay(100)) {
    try {
      if (await page.evaluate(holds, ...args)) return;
    } catch (error) {
      last = error; // such as during a navigation
    }
  }
  throw new Error(`waited too long for ${holds} with ${args}`, { cause: last });
}

/** waitText waits until the page shows a text; waitGone waits until it does not. */
const waitText = (page, text) => waitFor(page, (t) => document.getElementById("main")?.innerText.includes(t), text);
const waitGone = (page, text) => waitFor(page, (t) => document.getElementById("main")?.innerText.includes(t) === false, text);
const step = (page, name) => waitFor(page, (n) => document.querySelector("[data-step]")?.dataset.step === n, name);

/** consent allows the app on the page of Google or Spotify to which the tab has gone. */
async function consent(page, person) {
  await waitFor(page, (origin) => location.origin !== origin && document.querySelector("form") !== null, SONGSPY_URL);
  await page.goto(`${page.url()}&person=${person}&allow=1`);
}

/** check fails if axe-core finds a violation. If SONGSPY_ARTEFACTS is set, it keeps a picture of the state. */
async function check(page, name) {
  await page.evaluate(axe + "\n;0");
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 200)} ${n.failureSummary}`));
  });
  assert.deepEqual(found, [], name);
  if (!SONGSPY_ARTEFACTS) return;
  mkdirSync(SONGSPY_ARTEFACTS, { recursive: true });
  await page.screenshot({ path: `${SONGSPY_ARTEFACTS}/firefox-${name}.png` });
}

before(async () => {
  browser = await puppeteer.launch({
    browser: "firefox", executablePath: SONGSPY_TEST_FIREFOX, headless: true, timeout, protocolTimeout: 2 * timeout,
    extraPrefsFirefox: { "intl.accept_languages": "en-US", "network.proxy.type": 0 },
  });
  stranger = await openWindow();
  mina = await openWindow();
});
after(() => browser?.close());

test("the empty front page names its state", async () => {
  await open(stranger, "/");
  await waitText(stranger, "Nobody is showing a song right now.");
  await check(stranger, "nobody");
});

test("the keyboard reaches the skip link first, and every focus is visible", async () => {
  await stranger.bringToFront();
  await waitFor(stranger, () => document.hasFocus());
  for (let i = 0; i < 4; i++) {
    await stranger.keyboard.press("Tab");
    await waitFor(stranger, () => document.activeElement !== (window.focused || document.body) && Boolean((window.focused = document.activeElement)));
    const focus = await stranger.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { text: document.activeElement.textContent, outlineStyle, width: parseFloat(outlineWidth) };
    });
    if (i === 0) assert.equal(focus.text, "Skip to the content");
    assert.ok(focus.outlineStyle === "solid" && focus.width >= 2, JSON.stringify(focus));
  }
});

test("a user signs in, chooses a nickname and an audience, and links Spotify", async () => {
  await open(mina, "/welcome");
  await step(mina, "signIn");
  await check(mina, "sign-in");
  await click(mina, ".lead a.main");
  await consent(mina, 0);
  await step(mina, "name");
  await write(mina, 'input[name="nickname"]', "mina");
  await click(mina, "form button");
  await step(mina, "audience");
  assert.equal(await mina.$$eval("input:checked", (all) => all.length), 0);
  await check(mina, "audience");
  await click(mina, 'input[value="everyone"]');
  await click(mina, ".actions button.main");
  await step(mina, "spotify");
  await click(mina, "[data-link-spotify]");
  await consent(mina, 0);
  await step(mina, "done");
});

test("an open page shows the user, and follows the change of the song", async () => {
  await waitText(stranger, "mina");
  const title = await stranger.$eval(".answer .title", (e) => e.textContent);
  await waitFor(stranger, (before) => document.querySelector(".answer .title").textContent !== before, title);
  await check(stranger, "one");
});

test("a user who hides vanishes from the open page, and comes back", async () => {
  await open(mina, "/me");
  await waitText(mina, "Everyone sees you");
  await check(mina, "me");
  await click(mina, "[data-hide=hour]");
  await waitText(mina, "Nobody sees you right now");
  await waitGone(stranger, "mina");
  await click(mina, "[data-show]");
  await waitText(mina, "Everyone sees you");
  await waitText(stranger, "mina"); // a user who is no longer hidden is seen from the next song on
});

test("an erased user is gone, and signed out", async () => {
  await write(mina, "#erase input", "erase");
  await click(mina, "#erase button");
  await waitText(mina, "Everything is erased");
  await waitGone(stranger, "mina");
  assert.equal(await mina.evaluate(() => fetch("/v1/songspy/me").then((r) => r.status)), 401);
});
