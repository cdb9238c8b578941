// The sharing settings: who sees what, what is left out, the share link, hidden items (artists, tracks).
import { request } from "../api.js";
import { h } from "../dom.js";
import { act, button, choices, confirmed, copyField, logo, notes, pages, removeRow, toggle, when } from "../parts.js";
import { me } from "../session.js";
import { t } from "../text.js";

export function sharing(state) {
  const { settings } = state;
  const said = notes();
  const change = (body) => (_, control) => {
    (control.closest("label") || control).after(said); // move the element for errors next to the control
    return act(control, said, () => state.change(body), t("sharing.stored"));
  };
  const audiences = (hint) => ["everyone", "followers", "link", "nobody"].map((value) => ({ value, label: t("sharing.audience." + value), hint: t(hint + value) }));
  const pick = (name) => (value, control) => change({ [name]: value })(value, control);
  const flag = (name, invert) => (checked, control) => change({ [name]: invert ? !checked : checked })(checked, control);
  const seconds = [0, 30, 60].map((n) => ({ value: String(n), label: t("sharing.after." + n) }));
  const hidden = h("div");
  const list = () => hidden.replaceChildren(pages("/me/hidden", hiddenRow, { empty: t("sharing.hidesNothing") }));
  const hiddenRow = (item) => {
    const place = notes();
    const row = h("li", {}, h("span", { class: "grow", dir: "auto" }, item.name || item.uri, " ", h("span", { class: "soft" }, t("sharing.kind." + item.uri.split(":")[1]))), button(t("sharing.unhide"), async (event) => {
      const unhide = () => request("DELETE", "/me/hidden/{uri}", { path: { uri: item.uri } });
      if (await act(event.currentTarget, place, unhide, t("sharing.unhidden"))) removeRow(row);
    }), place);
    return row;
  };
  state.onHidden = list;
  list();
  return [
    choices("now", t("sharing.now"), audiences("sharing.nowHint."), settings.now, pick("now")),
    choices("history", t("sharing.history"), audiences("sharing.historyHint."), settings.history, pick("history")),
    h("p", { class: "soft" }, t("sharing.past")),
    choices("minSeconds", t("sharing.minSeconds"), seconds, String(settings.minSeconds), (value, control) => change({ minSeconds: Number(value) })(value, control)),
    h("fieldset", {}, h("legend", {}, t("sharing.kinds")),
      toggle(t("sharing.showLocal"), !settings.hideLocal, flag("hideLocal", true), t("sharing.localHint")),
      toggle(t("sharing.showEpisodes"), !settings.hideEpisodes, flag("hideEpisodes", true)),
      toggle(t("sharing.showChapters"), !settings.hideChapters, flag("hideChapters", true))),
    toggle(t("sharing.findable"), settings.findable, flag("findable"), t("sharing.findableHint")),
    said,
    h("h3", {}, t("sharing.link")), shareLink(state),
    h("h3", {}, t("sharing.hidden")), h("p", { class: "soft" }, t("sharing.hiddenHint")), logo(), hidden,
  ];
}

function shareLink(state) {
  const place = h("div");
  const said = notes();
  const hint = h("p", { class: "soft" });
  const explain = () => (hint.textContent = t(state.settings.now === "link" ? "sharing.linkOn" : "sharing.linkHint"));
  state.onChange(explain);
  explain();
  function show(secret) {
    const { linkCreatedAt } = state.settings;
    const create = button(t(linkCreatedAt ? "sharing.newLink" : "sharing.createLink"), async () => {
      let link = "";
      const made = await act(create, said, async () => {
        ({ link } = await request("POST", "/me/sharing/link"));
        state.changed(await request("GET", "/me/sharing"));
      }, t("sharing.linkCreated"));
      if (made) show(link);
    });
    place.replaceChildren(...[
      hint,
      secret && copyField(t("sharing.link"), location.origin + "/u/" + me().handle + "?link=" + encodeURIComponent(secret)),
      secret && h("p", {}, t("sharing.linkOnce")),
      linkCreatedAt && !secret && h("p", {}, t("sharing.linkExists") + " ", when(linkCreatedAt)),
      h("p", { class: "actions" }, create, linkCreatedAt && confirmed(t("sharing.revokeLink"), t("sharing.revokeSure"), t("sharing.revokeLink"), async (control) => {
        const revoked = await act(control, said, async () => {
          await request("DELETE", "/me/sharing/link");
          state.changed(await request("GET", "/me/sharing"));
        }, t("sharing.linkRevoked"));
        if (revoked) show("");
      })),
      said,
    ].filter(Boolean));
  }
  show("");
  return place;
}
