// The account: profile, mail, sessions, activity, erasure.
import { request } from "../api.js";
import { announce, get, h } from "../dom.js";
import { act, button, confirmed, fill, notes, pages, toggle, when } from "../parts.js";
import { loadSession, me } from "../session.js";
import { has, t } from "../text.js";

export function profile(state) {
  const said = notes();
  const input = h("input", { name: "nickname", required: true, maxlength: 120, dir: "auto", value: me().nickName || "" });
  const submit = h("button", { class: "button" }, t("profile.save"));
  const edit = async (body, control) => act(control, said, async () => {
    const { nickName } = await request("POST", "/users/{id}/edit", { path: { id: me().id }, body });
    input.value = nickName;
    await loadSession();
    state.changed();
  }, t("profile.saved"));
  const form = h("form", {}, h("label", { class: "field" }, t("welcome.nickname"), input), h("p", { class: "soft" }, t("welcome.nicknameHint")), h("p", { class: "actions" }, submit));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    edit({ nickName: input.value }, submit);
  });
  const picture = toggle(t("profile.picture"), me().showProfileImage, (showProfileImage, control) => edit({ nickName: me().nickName || input.value, showProfileImage }, control), t("profile.pictureHint"));
  return [form, picture, said, h("p", { class: "soft" }, t("profile.name", { name: me().name }))];
}

export async function mail() {
  const said = notes();
  const { email, address } = await request("GET", "/me/notices");
  const change = (wanted, control) => act(control, said, () => request("PUT", "/me/notices", { body: { email: wanted } }), t(wanted ? "mail.on" : "mail.off"));
  return [toggle(t("mail.toggle"), email, change, t("mail.hint")), said, h("p", { class: "soft" }, address ? t("mail.address", { address }) : t("mail.noAddress"))];
}

/** @type {[RegExp, string][]} */
const browsers = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/SamsungBrowser/, "Samsung Internet"], [/Whale\//, "Whale"], [/Firefox|FxiOS/, "Firefox"], [/Chrome|CriOS/, "Chrome"], [/Safari/, "Safari"]];
/** @type {[RegExp, string][]} */
const systems = [[/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"], [/Mac OS X/, "Mac"], [/Linux/, "Linux"]];

// device returns a short name for a user agent, such as "Safari · iPhone".
function device(label) {
  const found = [browsers, systems].map((list) => (list.find(([pattern]) => pattern.test(label)) || [])[1]).filter(Boolean);
  return found.join(" · ") || label || t("sessions.unknown");
}

export function sessions() {
  const place = h("div");
  const said = notes();
  const show = () => fill(place, () => request("GET", "/me/sessions"), (all) => h("ul", { class: "rows" }, ...all.map((one) =>
    h("li", {}, h("span", { class: "grow" }, device(one.label), one.current && h("span", { class: "who" }, " " + t("sessions.current")), h("br"), h("span", { class: "soft" }, t("sessions.used") + " ", when(one.lastUsedAt))),
      !one.current && button(t("sessions.end"), async (event) => {
        if (!(await act(event.currentTarget, said, () => request("DELETE", "/me/sessions/{id}", { path: { id: one.id } }), t("sessions.ended")))) return;
        await show();
        get("#sessions-title").focus(); // the button, which had the focus, has been removed
      })))));
  show();
  const all = confirmed(t("sessions.endAll"), t("sessions.endAllSure"), t("sessions.endAll"), async (control) => {
    if (await act(control, said, () => request("DELETE", "/me/sessions"))) location.assign("/");
  });
  return [place, said, h("p", {}, all)];
}

export function activity() {
  const words = (event) => (has("activity.kind." + event.kind) ? t("activity.kind." + event.kind) : event.kind);
  const detail = (event) => (/^(signed_|linked)/.test(event.kind) && event.detail ? device(event.detail) : event.detail);
  return [h("p", { class: "soft" }, t("activity.hint")), pages("/me/audit", (event) => h("li", {},
    h("span", { class: "grow" }, words(event), event.actor !== "self" ? " · " + t("activity.by." + event.actor) : null, event.detail ? h("span", { class: "soft" }, " " + detail(event)) : null), when(event.at)), { empty: t("activity.none"), limit: 20 })];
}

export function erase() {
  const said = notes();
  const word = t("erase.word");
  const input = h("input", { name: "confirm", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const submit = h("button", { class: "button" }, t("erase.button"));
  const form = h("form", {}, h("label", { class: "field" }, t("erase.type", { word }), input), said, h("p", { class: "actions" }, submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value.trim().toLowerCase() !== word.toLowerCase()) return said.replaceChildren(t("erase.wrong", { word }));
    let erased = { plays: 0 };
    const done = await act(submit, said, async () => ({ erased } = await request("DELETE", "/me")));
    if (!done) return;
    await loadSession().catch(() => null);
    const heading = h("h1", { tabindex: "-1" }, t("erase.done"));
    get("#main").replaceChildren(h("div", { class: "lead", "data-erased": true }, heading, h("p", {}, t("erase.doneHint", { n: erased.plays })), h("p", { class: "actions" }, h("a", { class: "button", href: "/", "data-plain": true }, t("welcome.toBoard")))));
    heading.focus();
    announce(t("erase.done"));
  });
  return [h("p", {}, t("erase.what")), form];
}
