// Starts the page. Every page is a module that exports render(root, params, signal). When the
// browser leaves the page, the signal aborts and the page is emptied. If the browser restores
// the page at "back", the page loads itself again.
import { setServerTime } from "./api.js";
import { get } from "./dom.js";
import { showFault } from "./fault.js";
import { startMenu } from "./menu.js";
import { startSession } from "./session.js";
import { lang, loadTexts, setLang } from "./text.js";

const root = get("#main");
const first = JSON.parse(get("#first").textContent);
setServerTime(first.now);
get("[data-language]").addEventListener("click", () => setLang(lang() === "ko" ? "en" : "ko"));

async function start() {
  const [page] = await Promise.all([import("./" + root.dataset.page + ".js"), loadTexts()]);
  const end = new AbortController();
  window.addEventListener("pagehide", () => {
    end.abort();
    root.replaceChildren(); // the browser may keep the page in memory, and show old content at "back" before the page is loaded again
  });
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  startMenu(end.signal);
  startSession(first.signedIn, end.signal);
  await page.render(root, { handle: root.dataset.handle, first }, end.signal);
  root.dataset.started = ""; // the controls work from here on
}

// keepFiles installs the service worker, which shows a page without content if there is no network.
function keepFiles() {
  if (!("serviceWorker" in navigator)) return;
  const address = "/sw.js";
  const { trustedTypes } = /** @type {any} */ (window);
  const policy = trustedTypes && trustedTypes.createPolicy("songspy", { createScriptURL: () => address });
  navigator.serviceWorker.register(policy ? policy.createScriptURL(address) : address).catch((error) => console.error(error));
}

window.addEventListener("load", keepFiles);
start().catch(showFault);
