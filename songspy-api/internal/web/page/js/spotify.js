// The link to Spotify: buttons, the request for a seat in a Spotify app, and a user-supplied app.
import { request } from "./api.js";
import { h } from "./dom.js";
import { act, confirmed, copyField, notes, when } from "./parts.js";
import { t } from "./text.js";

const clientID = /^[0-9a-f]{32}$/;

// linkAddress returns the address at which linking by redirect begins. The argument back is the
// return path. The object options has further query parameters: move, clientId.
export function linkAddress(back, options = {}) {
  return "/v1/songspy/auth/spotify?" + new URLSearchParams(Object.assign({ return: back }, options));
}

export function linkButton(back, text, options, kind = "button main") {
  return h("p", { class: "actions" }, h("a", { class: kind, "data-plain": true, "data-link-spotify": true, href: linkAddress(back, options) }, text));
}

// seatDesk returns an element about the user's seat. If seat is null, it is a form to request
// one. Otherwise it has the state of the seat or request, a form to correct the e-mail address,
// and a button to give up the seat. The option back is the return path of linking. The option
// refused is true if Spotify rejects the user although the operator says that the user is
// registered. seatDesk calls changed() after each change.
export function seatDesk(seat, { back, refused = false, changed }) {
  const said = notes();
  if (!seat) return h("div", {}, h("p", {}, t("seat.why")), seatForm(t("seat.ask"), changed));
  const parts = [];
  if (seat.state === "entered" && !refused) parts.push(h("p", {}, t("seat.entered")), linkButton(back, t("link.connect")));
  else if (seat.state === "entered") parts.push(h("p", {}, t("seat.refused")));
  else if (seat.state === "held") parts.push(h("p", {}, t("seat.held")));
  else parts.push(h("p", {}, seat.ahead ? t("seat.waiting", { n: seat.ahead }) : t("seat.next")));
  parts.push(h("p", { class: "soft" }, t("seat.asked") + " ", when(seat.askedAt)));
  const correct = h("details", { open: seat.state === "entered" && refused }, h("summary", {}, t("seat.correct")), seatForm(t("seat.send"), changed));
  const leave = confirmed(t("seat.leave"), t("seat.leaveSure"), t("seat.leave"), async (control) => {
    if (await act(control, said, () => request("DELETE", "/spotify-auth/seat"), t("seat.left"))) changed();
  });
  return h("div", { "data-seat": seat.state }, ...parts, correct, said, h("p", {}, leave));
}

function seatForm(text, changed) {
  const said = notes();
  const input = h("input", { type: "email", name: "email", required: true, minlength: 3, maxlength: 254, autocomplete: "email" });
  const submit = h("button", { class: "button main" }, text);
  const form = h("form", {}, h("label", { class: "field" }, t("seat.email"), input), h("p", { class: "soft" }, t("seat.emailHint")), said, h("p", { class: "actions" }, submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await act(submit, said, () => request("POST", "/spotify-auth/seat", { body: { email: input.value.trim() } }), t("seat.sent"))) changed();
  });
  return form;
}

// userApp returns a details element with a form to link through a user-supplied app. It is
// closed unless open is true.
export function userApp(back, open = false) {
  const said = notes();
  const input = h("input", { name: "clientId", required: true, autocomplete: "off", spellcheck: "false", maxlength: 64 });
  const form = h("form", {}, h("label", { class: "field" }, t("own.clientId"), input), said, h("p", { class: "actions" }, h("button", { class: "button" }, t("own.link"))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = input.value.trim().toLowerCase();
    if (!clientID.test(id)) return said.replaceChildren(t("own.badId"));
    location.assign(linkAddress(back, { clientId: id }));
  });
  return h("details", { open }, h("summary", {}, t("own.title")), h("p", {}, t("own.why")), h("p", {}, t("own.how")),
    copyField(t("own.redirect"), location.origin + "/v1/songspy/auth/spotify/callback"), form,
    h("p", { class: "soft" }, t("own.ours") + " ", h("a", { href: linkAddress(back, { clientId: "ours" }) }, t("own.useOurs"))));
}

// unlinkButton returns a button that, after a question, deletes the link and all data that came
// from Spotify, and then calls changed(). The element said is for its errors.
export function unlinkButton(said, changed) {
  return confirmed(t("link.unlink"), t("link.unlinkSure"), t("link.unlinkYes"), async (control) => {
    const unlink = () => request("DELETE", "/spotify-auth");
    if (await act(control, said, unlink, ({ erased }) => t("link.unlinked", { n: erased.plays }))) changed();
  });
}
