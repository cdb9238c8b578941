// For operators: the state of the service, seats in Spotify apps, and reports.
import { request } from "./api.js";
import { get, h } from "./dom.js";
import { act, button, confirmed, fill, notes, pages, personLink, removeRow, section, signInLink, when } from "./parts.js";
import { loadSession, me } from "./session.js";
import { has, loadTexts, t } from "./text.js";

const every = 15000; // milliseconds between two reads of the state

export async function render(root, { first }, signal) {
  await Promise.all([loadTexts("account."), loadTexts("status.")]);
  document.title = t("status.title");
  const refuse = (text, ...more) => root.append(h("div", { class: "lead" }, h("h1", {}, text), ...more));
  if (!first.signedIn) return refuse(t("status.signedOut"), h("p", { class: "actions" }, signInLink()));
  const place = h("div");
  root.append(place);
  await fill(place, loadSession, () => {
    if (!me()) return h("div", { class: "lead" }, h("h1", {}, t("status.signedOut")), h("p", { class: "actions" }, signInLink(t("part.signInAgain"))));
    if (!me().operator) return h("div", { class: "lead" }, h("h1", {}, t("status.forOperators")), h("p", {}, t("status.becomeOperator")));
    return all(signal);
  });
}

function all(signal) {
  const lead = h("div", { class: "lead" });
  const parts = ["service", "quota", "links", "seats", "reports", "hidden"].map((name) => section(name, t("status.part." + name)));
  const body = (i) => parts[i].querySelector(".body");
  const state = () => request("GET", "/operator/status", { signal });
  const show = (status) => {
    body(0).replaceChildren(...service(status));
    body(1).replaceChildren(...status.apps.map(app), h("p", { class: "soft" }, t("status.userAppsBlocked", { n: status.userAppsBlocked })));
    body(2).replaceChildren(...links(status));
    return heading(status);
  };
  const read = () => fill(lead, state, show);
  read();
  const timer = setInterval(() => document.hidden || read(), every);
  signal.addEventListener("abort", () => clearInterval(timer));
  seats(body(3));
  const showHidden = () => body(5).replaceChildren(pages("/operator/people", hidden, { empty: t("status.noHidden") }));
  body(4).append(pages("/operator/reports", (one) => report(one, showHidden), { empty: t("status.noReports") }));
  showHidden();
  return [lead, ...parts];
}

function heading(status) {
  const failed = status.checks.filter((check) => !check.ok);
  return [h("h1", {}, t(status.ready ? "status.ready" : "status.notReady")), ...failed.map((check) => h("p", { class: "bad", lang: "en" }, check.name + ": " + check.message)),
    h("p", { class: "soft" }, t("status.asOf") + " ", when(status.at))];
}

// facts returns a list of names and values; empty values are left out.
function facts(...pairs) {
  return h("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function number(n) {
  return t("status.number", { n });
}

// counts returns a list of names and counts. The text with the key prefix + name is shown for a
// name or, if there is no such text, the name itself.
function counts(list, prefix) {
  if (list.length === 0) return h("p", { class: "soft" }, t("status.none"));
  return facts(...list.map(({ name, count }) => [has(prefix + name) ? t(prefix + name) : name, number(count)]));
}

function service({ batch, boardReadAt, playing, plays, gaps, notes: calls }) {
  return [facts(
    [t("status.batch"), t("status.batchState." + batch.state)], [t("status.lastPoll"), batch.lastPollAt ? when(batch.lastPollAt) : t("status.never")],
    [t("status.lag"), t("status.seconds", { n: Math.round(batch.overdueMs / 1000) })], [t("status.replicas"), batch.replicas.map((r) => r.name + " (" + r.shards + ")").join(", ")],
    [t("status.unassigned"), batch.unassignedShards ? number(batch.unassignedShards) : ""], [t("status.boardRead"), when(boardReadAt)], [t("status.playing"), number(playing)]),
  h("h3", {}, t("status.polls")), counts(batch.polls, "status.poll."),
  h("h3", {}, t("status.plays")), counts(plays, "status.source."),
  h("h3", {}, t("status.gaps")), counts(gaps, "gap."),
  ...calls.map((note) => h("p", { class: "bad", lang: "en" }, note))];
}

function breaker({ state, cause, openUntil }) {
  return h("span", { class: state === "closed" ? "" : "bad" }, t("status.breaker." + state), cause ? h("span", { lang: "en" }, " " + cause) : null, openUntil ? [" ", when(openUntil)] : null);
}

function app({ app: id, tokens, data, calls, planned, left, lastRefusal }) {
  return h("div", {}, h("h3", {}, id), facts(
    [t("status.tokens"), breaker(tokens)], [t("status.data"), breaker(data)],
    [t("status.quota"), planned === null ? t("status.noQuota") : t("status.quotaLeft", { left, planned })],
    ...calls.map(({ name, count }) => [t("status.calls", { name }), number(count)]),
    [t("status.refusal"), lastRefusal ? h("span", {}, when(lastRefusal.at), " ", lastRefusal.endpoint) : ""]));
}

function links({ links: list, consentEnds }) {
  return [counts(list, "status.link."), h("h3", {}, t("status.consentEnds")), facts(...consentEnds.map(({ days, links: n }) => [t("status.days", { n: days }), number(n)]))];
}

// seats shows how the seats of each app are used, and the users who have a seat, wait for one,
// or are rejected by Spotify because they are not registered. With the button "Entered, try
// again", the operator says that the user is registered in the dashboard now.
function seats(place) {
  const said = notes();
  const options = (seat) => ({ path: { handle: seat.person.handle } });
  const entered = (seat) => button(t("status.entered"), async (event) => {
    const done = (result) => t(result.retried ? "status.enteredRetried" : "status.enteredWaits");
    if (await act(event.currentTarget, said, () => request("POST", "/operator/seats/{handle}/entered", options(seat)), done)) showChange();
  }, { "data-entered": seat.person.handle });
  const drop = (seat) => confirmed(t("status.drop"), t("status.dropSure"), t("status.drop"), async (control) => {
    if (await act(control, said, () => request("DELETE", "/operator/seats/{handle}", options(seat)), t("status.dropped"))) showChange();
  });
  const row = (...controls) => (seat) => h("li", {}, h("span", { class: "grow" }, personLink(seat.person), h("br"), h("span", { dir: "ltr" }, seat.email || t("status.noEmail")), h("br"), h("span", { class: "soft" }, seat.app + " "), when(seat.since)),
    h("span", { class: "actions" }, ...controls.map((control) => control(seat))));
  const list = (title, items, ...controls) => items.length > 0 && [h("h3", {}, title), h("ul", { class: "rows" }, ...items.map(row(...controls)))];
  const show = () => fill(place, () => request("GET", "/operator/seats"), (all) => [
    facts(...all.apps.map((one) => [one.app, use(one)])),
    said,
    list(t("status.toRegister"), all.toRegister, entered, drop),
    list(t("status.rejected"), all.rejected, entered, drop),
    list(t("status.expected"), all.entered, entered, drop),
    list(t("status.waiting"), all.waiting, drop),
  ].flat());
  // showChange reads the seats again. That replaces all rows. If a row had the focus, the focus
  // moves to the title.
  const showChange = async () => {
    await show();
    if (document.activeElement === document.body) get("#seats-title").focus();
  };
  show();
}

// use returns a text on how many seats of an app are linked, reserved and free.
function use({ configured, seats, linked, reserved, free }) {
  if (!configured) return t("status.notConfigured", { linked });
  return seats === null ? t("status.anyNumber", { linked }) : t("status.seatsOf", { linked, reserved, free, seats });
}

// hidden returns the row of a user that the operator hides, with a button that shows the user again.
function hidden({ person, since, detail: reason }) {
  const said = notes();
  const detail = h("input", { name: "detail", maxlength: 500 });
  const show = confirmed(t("status.show"), t("status.showSure"), t("status.show"), async (control) => {
    const call = () => request("POST", "/operator/people/{handle}", { path: { handle: person.handle }, body: { action: "show", detail: detail.value.trim() } });
    if (await act(control, said, call, t("status.shown"))) removeRow(element, "a");
  });
  const element = h("li", { "data-hidden": person.handle }, h("div", { class: "grow" }, h("p", {}, personLink(person), reason ? ": " + reason : ""),
    since && h("p", { class: "soft" }, when(since)), h("label", { class: "field" }, t("status.detail"), detail)), h("span", { class: "actions" }, show), said);
  return element;
}

// report returns the row of an open report, with buttons for what the operator can do about it.
// It calls hide() once the operator has hidden the reported user.
function report({ id, person, hidden, reason, text, at }, hide) {
  const said = notes();
  const nickName = h("input", { name: "nickname", maxlength: 120, dir: "auto" });
  const detail = h("input", { name: "detail", maxlength: 500 });
  const element = h("li", { "data-report": id }, h("div", { class: "grow" }, h("p", {}, personLink(person), " ", hidden && h("span", { class: "soft" }, t("status.isHidden"))),
    h("p", {}, t("status.reason." + reason), text ? ": " + text : ""), h("p", {}, when(at)),
    h("label", { class: "field" }, t("status.detail"), detail), h("label", { class: "field" }, t("status.newName"), nickName)));
  const close = (action, text, question, body) => confirmed(text, question, text, async (control) => {
    const handle = () => request("POST", "/operator/reports/{id}", { path: { id }, body: Object.assign({ action, detail: detail.value.trim() }, body && body()) });
    if (!(await act(control, said, handle, t("status.closed")))) return;
    removeRow(element, "a");
    if (action === "hide") hide();
  });
  element.append(h("span", { class: "actions" },
    close("hide", t("status.hide"), t("status.hideSure")),
    close("rename", t("status.rename"), t("status.renameSure"), () => ({ nickName: nickName.value.trim() })),
    close("dismiss", t("status.dismiss"), t("status.dismissSure"))), said);
  return element;
}
