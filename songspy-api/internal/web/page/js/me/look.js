// The part of the page /me that shows what a stranger and a follower see of the viewer.
import { request } from "../api.js";
import { h } from "../dom.js";
import { art, button, fill, logo, personLink, trackText } from "../parts.js";
import { me } from "../session.js";
import { t } from "../text.js";

const every = 5000; // milliseconds between two reads: the board changes all the time, and shows changed settings only after a moment

export function look(state, signal) {
  const place = h("div", { "aria-live": "polite" });
  let as = "stranger";
  let drawn = "";
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": t("look.as") }, ...["stranger", "follower"].map((name) =>
    button(t("look." + name), () => show(name), { class: false, "aria-pressed": String(name === as), "data-as": name })));

  async function read(name) {
    const { profile, listening } = await request("GET", "/me/sharing/preview", { query: { as: name }, signal });
    return { name, profile, onFront: Boolean(listening.data) && listening.data.items.some((entry) => entry.person.handle === me().handle) };
  }

  function show(name = as) {
    as = name;
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.dataset.as === as));
    return fill(place, () => read(name), draw);
  }

  // refresh reads again what others see. It draws that only if it has changed, so that screen
  // readers read it once.
  async function refresh() {
    if (document.hidden) return;
    const seen = await read(as).catch(() => null);
    if (seen && seen.name === as && JSON.stringify(seen) !== drawn) fill(place, () => seen, draw);
  }

  // draw returns elements that show what others see, in the way in which the site shows a user
  // to others.
  function draw(seen) {
    drawn = JSON.stringify(seen);
    const { profile, onFront } = seen;
    if (profile.result !== "SUCCESS") return h("p", { "data-seen": "nothing" }, t("look.nothing"));
    const { person, nowPlaying } = profile.data;
    const front = h("p", { class: "soft" }, t(onFront ? "look.onFront" : "look.notOnFront"));
    if (!nowPlaying) return h("div", { "data-seen": "person" }, h("p", {}, personLink(person)), h("p", { class: "soft" }, t("look.silent")), front);
    return h("div", { "data-seen": "track" }, h("div", { class: "look" }, art(nowPlaying.track, 224), h("div", { class: "track" }, h("p", {}, personLink(person)), trackText(nowPlaying.track))), logo(), front);
  }

  const timer = setInterval(refresh, every);
  signal.addEventListener("abort", () => clearInterval(timer));
  state.onChange(() => show());
  show();
  return [tabs, place];
}
