// The link to Spotify: its state in words, the next step, and the gaps in the history.
import { request } from "../api.js";
import { get, h } from "../dom.js";
import { fill, notes, pages, when } from "../parts.js";
import { linkButton, seatDesk, unlinkButton, userApp } from "../spotify.js";
import { loadSession } from "../session.js";
import { clockTime, dateTime, t } from "../text.js";

export function link(state) {
  const place = h("div");
  const read = () => Promise.all([request("GET", "/spotify-auth"), request("GET", "/spotify-auth/seat")]);
  async function changed() {
    await loadSession().catch(() => null);
    state.changed();
    await show();
    get("#link-title").focus(); // the button, which had the focus, has been removed
  }
  const show = () => fill(place, read, ([found, seat]) => {
    const back = "/me";
    if (!found) return h("div", { "data-link": "none" }, h("p", {}, t("link.none")), seat ? seatDesk(seat, { back, changed }) : linkButton(back, t("link.connect")), userApp(back));
    const said = notes();
    const { task, userApp: isUserApp } = found;
    const linkState = task === "relink" ? "reauth_required" : found.state; // for "relink", the consent has ended, whatever the stored state is
    const isBlocked = found.blocked && (linkState === "active" || linkState === "suspect");
    const isEntered = Boolean(seat) && seat.state === "entered";
    const parts = [];
    if (linkState === "not_registered" && isUserApp) parts.push(h("p", { class: "bad" }, t("link.notInOwnApp")), linkButton(back, t("link.relink")));
    else if (isBlocked) parts.push(h("p", { class: "bad" }, t("link.blocked." + found.blocked.reason, { time: clockTime(found.blocked.until) })));
    else if (linkState !== "not_registered" || !isEntered) parts.push(h("p", { class: task === "none" ? "" : "bad" }, t("link.state." + linkState)));
    if (linkState === "not_registered" && !isUserApp) parts.push(seatDesk(seat, { back, changed, refused: isEntered }));
    if (task === "relink_soon") parts.push(h("p", { class: "bad" }, t("link.endsSoon", { date: dateTime(found.consentEndsAt) })));
    if (task === "relink" || task === "relink_soon") parts.push(linkButton(back, t("link.relink")));
    else parts.push(h("p", { class: "soft" }, t("link.consent", { date: dateTime(found.consentEndsAt) })));
    parts.push(h("p", { class: "soft" }, t(isUserApp ? "link.ownApp" : "link.ourApp")));
    if (task === "none") parts.push(linkButton(back, t("link.again"), {}, "button"));
    parts.push(h("p", {}, unlinkButton(said, changed)), said, userApp(back));
    return h("div", { "data-link": found.state }, ...parts);
  });
  show();
  const gaps = pages("/me/gaps", (gap) => h("li", {}, h("span", { class: "grow" }, t("gap." + gap.reason)), h("span", {}, when(gap.from), " – ", gap.to ? when(gap.to) : t("gap.lasts"))), { empty: t("gap.none"), limit: 10 });
  return [place, h("h3", {}, t("gap.title")), h("p", { class: "soft" }, t("gap.hint")), gaps];
}
