// The page /me: what others see of the viewer, and everything that is stored about the viewer.
import { request } from "./api.js";
import { h } from "./dom.js";
import { fill, section, signInLink } from "./parts.js";
import { loadSession, me } from "./session.js";
import { loadTexts, t } from "./text.js";
import { hide } from "./me/hide.js";
import { look } from "./me/look.js";
import { sharing } from "./me/sharing.js";
import { people } from "./me/people.js";
import { link } from "./me/link.js";
import { history } from "./me/history.js";
import { embeds } from "./me/embeds.js";
import { activity, erase, mail, profile, sessions } from "./me/account.js";

const parts = { look, sharing, people, link, history, embeds, profile, mail, sessions, activity, erase };

export async function render(root, { first }, signal) {
  await loadTexts("account.");
  document.title = t("me.title");
  if (!first.signedIn) {
    return root.append(h("div", { class: "lead" }, h("h1", {}, t("me.signedOut")), h("p", { class: "actions" }, signInLink())));
  }
  const place = h("div");
  root.append(place);
  await fill(place, async () => {
    await loadSession();
    if (!me()) return null;
    return request("GET", "/me/sharing");
  }, (settings) => {
    if (!settings) return h("div", { class: "lead" }, h("h1", {}, t("me.signedOut")), h("p", { class: "actions" }, signInLink(t("part.signInAgain"))));
    pollMe();
    document.addEventListener("visibilitychange", pollMe, { signal });
    const state = newState(settings);
    const names = Object.keys(parts);
    return [
      hide(state, signal),
      h("nav", { class: "jump", "aria-label": t("me.parts") }, ...names.map((name) => h("a", { href: "#" + name }, t("me.part." + name)))),
      ...names.map((name) => {
        const element = section(name, t("me.part." + name));
        fill(element.querySelector(".body"), async () => parts[name](state, signal), (children) => children);
        return element;
      }),
    ];
  });
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted) wanted.scrollIntoView();
}

// pollMe requests a poll of the viewer's own Spotify player, so that the page soon shows what
// the viewer plays now.
function pollMe() {
  if (!document.hidden && me() && me().hasSpotify) request("POST", "/me/poll").catch(() => null);
}

// newState returns an object with the sharing settings, which several parts of the page show and
// change.
function newState(settings) {
  const listeners = [];
  return {
    settings,
    onChange: (listener) => listeners.push(listener),
    // changed stores the new settings next, if they are given, and calls the listeners of all
    // parts. Without next, it says that something else has changed what others see of the
    // viewer, such as the Spotify link or a follow.
    changed(next) {
      if (next) this.settings = next;
      for (const listener of listeners) listener();
    },
    async change(body) {
      this.changed(await request("PATCH", "/me/sharing", { body }));
    },
  };
}
