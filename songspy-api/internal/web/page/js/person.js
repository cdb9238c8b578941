// The page of a user: what the user plays now, and those last plays that the viewer may see.
import { ApiError, request } from "./api.js";
import { fill, name, tick, watchImages } from "./card.js";
import { h, keepFocus, setText } from "./dom.js";
import { follow } from "./live.js";
import { act, button, confirmed, explain, notes, signInLink } from "./parts.js";
import { playRow, showConnection } from "./row.js";
import { isSignedIn, onSession } from "./session.js";
import { loadTexts, t } from "./text.js";

export async function render(root, { handle }, signal) {
  await loadTexts("account.");
  const find = (selector) => root.querySelector(selector);
  const path = { handle };
  const link = new URLSearchParams(location.search).get("link") || undefined;
  const hero = find("[data-hero]");
  const title = find("#name");
  const state = find("[data-state]");
  const acts = find("[data-acts]");
  let profile = null;
  let playing = null;
  let actsFor = ""; // the follow state, and whether the viewer was signed in, when the buttons were made
  let blocked = false; // true once the viewer has blocked the person; the page keeps saying so, and reads nothing more
  watchImages(hero);

  function show(entry) {
    playing = entry;
    keepFocus(root, title, () => {
      find(".answer").hidden = find(".hero-art").hidden = !entry;
      if (entry) fill(hero, entry);
      setText(state, profile && !entry ? t("person.silent", { name: name(profile.person) }) : "");
    });
  }

  // gone empties the page and shows a text, because the viewer may not see the user, or the user
  // does not exist.
  function gone(text) {
    profile = null;
    show(null);
    setText(title, text);
    keepFocus(root, title, () => {
      acts.replaceChildren();
      find("[data-plays]").replaceChildren();
      find("[data-plays-section]").hidden = true;
    });
  }

  async function load() {
    if (blocked) return undefined;
    try {
      profile = await request("GET", "/people/{handle}", { path, query: { link }, signal });
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError)) throw error;
      if (error.status === 404) return gone(t("person.none"));
      return keepFocus(root, title, () => state.replaceChildren(...explain(error, load).filter(Boolean)));
    }
    setText(title, name(profile.person));
    document.title = name(profile.person) + " – Songspy";
    show(profile.nowPlaying && Object.assign({ person: profile.person }, profile.nowPlaying));
    keepFocus(root, title, showActs);
    return loadPlays();
  }

  async function loadPlays(cursor) {
    const page = await request("GET", "/people/{handle}/plays", { path, query: { link, limit: 20, cursor }, signal }).catch(() => ({ items: [], nextCursor: null }));
    const list = find("[data-plays]");
    const more = find("[data-more]");
    const rows = page.items.map(playRow);
    keepFocus(root, title, () => {
      // If a link of a play has the focus, the same link of the same play gets it in the new
      // rows. If the button for more plays has it, the first new play gets it.
      const focused = /** @type {any} */ (document.activeElement);
      const former = focused.closest("[data-play]");
      const at = former ? Array.from(former.querySelectorAll("a")).indexOf(focused) : -1;
      const next = former ? rows.find((row) => row.dataset.play === former.dataset.play) : cursor && more.contains(focused) && rows[0];
      if (!cursor) list.replaceChildren();
      list.append(...rows);
      find("[data-plays-section]").hidden = !list.hasChildNodes();
      more.replaceChildren(...(page.nextCursor ? [button(t("part.more"), () => loadPlays(page.nextCursor))] : []));
      const link = next && (former ? next.querySelectorAll("a")[at] : next.querySelector("a:not([tabindex])"));
      if (link) link.focus({ preventScroll: Boolean(former) });
    });
  }

  // The buttons to follow and to block, and the form to report. While the follow state stays the
  // same, and the viewer stays signed in or signed out, these elements stay, because the viewer
  // may be pressing a button or writing a report.

  function showActs() {
    const now = profile.follow + isSignedIn();
    if (now === actsFor && acts.hasChildNodes()) return;
    actsFor = now;
    if (profile.follow === "self") return acts.replaceChildren(h("a", { class: "button", href: "/me" }, t("page.me")));
    if (!isSignedIn()) return acts.replaceChildren(h("p", {}, t("person.signIn") + " "), signInLink());
    const place = notes();
    const change = (control, call, done, next) => act(control, place, async () => next(await call()), done);
    const setFollow = (value) => {
      profile.follow = value;
      showActs();
      acts.querySelector("button").focus();
    };
    const following = profile.follow === "none"
      ? button(t("person.follow"), (event) => change(event.currentTarget, () => request("PUT", "/people/{handle}/follow", { path, signal }), t("person.asked"), (answer) => setFollow(answer.state)), { class: "button main" })
      : button(t(profile.follow === "approved" ? "person.unfollow" : "person.withdraw"), (event) => change(event.currentTarget, () => request("DELETE", "/people/{handle}/follow", { path, signal }), t("person.unfollowed"), () => setFollow("none")));
    const block = confirmed(t("person.block"), t("person.blockAsk"), t("person.block"), (control) =>
      change(control, () => request("PUT", "/people/{handle}/block", { path, signal }), t("person.blocked"), () => {
        blocked = true;
        gone(t("person.blocked"));
        title.focus();
      }));
    return acts.replaceChildren(following, block, reportForm(place), place);
  }

  function reportForm(place) {
    const box = h("details", { class: "report" }, h("summary", {}, t("person.report")));
    const reason = h("select", { name: "reason" }, ...["name", "pretending", "harassment", "other"].map((one) => h("option", { value: one }, t("person.reason." + one))));
    const text = h("input", { name: "text", maxlength: 500 });
    const send = h("button", { class: "button", type: "submit" }, t("person.send"));
    const form = h("form", {}, h("label", {}, t("person.why"), " ", reason), h("label", {}, t("person.more"), " ", text), send);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = { reason: reason.value, text: text.value };
      if (await act(send, place, () => request("POST", "/people/{handle}/report", { path, body, signal }), t("person.reported"))) {
        box.open = false;
        box.querySelector("summary").focus();
      }
    });
    box.append(form);
    return box;
  }

  const ticker = setInterval(() => playing && tick(hero, playing), 1000);
  signal.addEventListener("abort", () => clearInterval(ticker));
  onSession(() => load().catch((error) => console.error(error)), signal);
  await load();
  if (signal.aborted) return;
  let first = true;
  follow(
    ["person:" + handle],
    {
      onEntries(topic, entries) {
        const entry = entries[0] || null;
        // If there is no entry, the user may have stopped sharing, and then the plays must
        // disappear too. So read the page again, unless these are the first entries and the page
        // shows no track either.
        const mayHaveWithdrawn = !entry && (!first || playing !== null);
        if (profile) show(entry);
        if (mayHaveWithdrawn) load().catch((error) => console.error(error));
        first = false;
      },
      onState: (current, emptied) => showConnection(current, emptied),
      onSession: () => location.reload(),
      link,
    },
    signal,
  );
}
