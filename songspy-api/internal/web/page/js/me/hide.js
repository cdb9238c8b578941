// The part of the page /me that says in large type who sees the viewer now, with buttons to hide.
import { request, serverNow } from "../api.js";
import { h, setText } from "../dom.js";
import { act, button, notes } from "../parts.js";
import { me } from "../session.js";
import { t } from "../text.js";

const forever = "9999-12-31T23:59:59.000Z";

// The object until has a function for each choice of the viewer. The function returns the time
// until which the choice hides the viewer.
const until = {
  hour: () => new Date(serverNow() + 3600000).toISOString(),
  today: () => {
    const now = new Date(serverNow());
    return new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).toISOString();
  },
  forever: () => forever,
};

// The function left returns in words how long the viewer is still hidden, or "" if the viewer is
// not hidden.
export function left(hiddenUntil, now) {
  const ms = Date.parse(hiddenUntil || "") - now;
  if (!(ms > 0)) return "";
  if (ms > 366 * 86400000) return t("hide.untilShown");
  const minutes = Math.max(1, Math.round(ms / 60000)); // rounded, because the server's time is known only to within a second
  if (minutes < 60) return t("hide.minutesLeft", { m: minutes });
  return t(minutes % 60 ? "hide.hoursLeft" : "hide.wholeHoursLeft", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

export function hide(state, signal) {
  const title = h("h1", { tabindex: "-1" });
  const time = h("p", { class: "large soft", "data-left": true });
  const who = h("p", { class: "soft" });
  const said = notes();
  const controls = h("div", { class: "actions", role: "group", "aria-label": t("hide.label") });
  let shown = "";

  function set(hiddenUntil, done) {
    return async (event) => {
      if (!(await act(event.currentTarget, said, () => state.change({ hiddenUntil: hiddenUntil() }), done))) return;
      controls.querySelector("button").focus();
    };
  }

  function show() {
    if (!me()) return; // the viewer has signed out, or has erased the account
    const { now, hiddenUntil } = state.settings;
    const words = left(hiddenUntil, serverNow());
    const hidden = words !== "";
    setText(title, t(hidden ? "hide.hidden" : "hide.shown." + now));
    setText(time, words);
    time.hidden = !hidden;
    setText(who, me().hasSpotify ? t(hidden ? "hide.hiddenHint" : "hide.shownHint") : t("hide.notLinked"));
    if (shown === String(hidden)) return;
    shown = String(hidden);
    if (hidden) controls.replaceChildren(button(t("hide.show"), set(() => null, t("hide.isShown")), { class: "button main", "data-show": true }));
    else controls.replaceChildren(h("span", {}, t("page.hide")), ...Object.keys(until).map((name) => button(t("hide." + name), set(until[name], t("hide.hidden")), { "data-hide": name })));
  }

  // When hiddenUntil seems to have passed, tick reads the settings again, because only the
  // server decides whether the viewer is still hidden.
  async function tick() {
    const { hiddenUntil } = state.settings;
    if (me() && hiddenUntil && Date.parse(hiddenUntil) <= serverNow()) state.changed(await request("GET", "/me/sharing").catch(() => state.settings));
    show();
  }
  const timer = setInterval(tick, 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  state.onChange(show);
  show();
  return h("div", { class: "lead", id: "hide" }, title, time, who, controls, said);
}
