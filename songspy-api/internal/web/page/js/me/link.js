// The link to Spotify: its state in words, the next step, and the gaps.
import { request } from "../api.js";
import { h } from "../dom.js";
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
  }
  const show = () => fill(place, read, ([found, seat]) => {
    const back = "/me";
    if (!found) return h("div", { "data-link": "none" }, h("p", {}, t("link.none")), seat ? seatDesk(seat, { back, changed }) : linkButton(back, t("link.connect")), userApp(back));
    const said = notes();
    const { task } = found;
    const parts = [h("p", { class: task === "none" ? "" : "bad" }, t("link.state." + found.state))];
    const polled = found.state === "active" || found.state === "suspect";
    if (polled && found.blocked) parts.push(h("p", { class: "bad", "data-blocked": found.blocked.reason }, t("link.blocked." + found.blocked.reason, { time: clockTime(found.blocked.until) })));
    if (task === "relink_soon") parts.push(h("p", { class: "bad" }, t("link.endsSoon", { date: dateTime(found.consentEndsAt) })));
    if (task === "relink" || task === "relink_soon") parts.push(linkButton(back, t("link.relink")));
    if (found.state === "not_registered") parts.push(seatDesk(seat, { back, changed, refused: Boolean(seat) && seat.state === "entered" }));
    parts.push(h("p", { class: "soft" }, t("link.consent", { date: dateTime(found.consentEndsAt) }), " ", t(found.userApp ? "link.ownApp" : "link.ourApp")));
    if (task === "none") parts.push(linkButton(back, t("link.again"), {}, "button"));
    parts.push(h("p", {}, unlinkButton(said, changed)), said, userApp(back));
    return h("div", { "data-link": found.state }, ...parts);
  });
  show();
  const gaps = pages("/me/gaps", (gap) => h("li", {}, h("span", { class: "grow" }, t("gap." + gap.reason)), h("span", {}, when(gap.from), " – ", gap.to ? when(gap.to) : t("gap.lasts"))), { empty: t("gap.none"), limit: 10 });
  return [place, h("h3", {}, t("gap.title")), h("p", { class: "soft" }, t("gap.hint")), gaps];
}
