// The page /welcome asks a new user one question at a time: sign in, nickname, audience, Spotify.
// If signing in or linking fails, the API redirects the browser here with ?error=CODE. The page says
// what has failed, and shows the step at which the user can repair it.
import { request } from "./api.js";
import { announce, h } from "./dom.js";
import { act, button, choices, copyField, fill, googleMark, notes, signInLink } from "./parts.js";
import { linkButton, seatDesk, userApp } from "./spotify.js";
import { isSignedIn, loadSession, me } from "./session.js";
import { has, loadTexts, t } from "./text.js";

const names = ["signIn", "name", "audience", "spotify"];
const inviteKey = "songspy-invite";

export async function render(root, { first }) {
  await loadTexts("account.");
  document.title = t("welcome.title");
  const address = new URLSearchParams(location.search);
  const code = address.get("error") || "";
  const notice = root.querySelector(".notice");
  const why = has("welcome.why." + code) ? t("welcome.why." + code) : notice ? notice.textContent : "";
  let reason = why; // what has failed: the first step that is shown says it, later steps do not
  if (notice) notice.remove();
  const place = h("div", { class: "lead" });
  root.append(place);
  const invite = takeInvite();
  const to = target(address.get("to")); // the page that the viewer came from, or ""
  const back = "/welcome" + (to && "?to=" + encodeURIComponent(to));

  // show shows one step, and moves the focus to its question.
  function show(step, title, ...children) {
    const index = names.indexOf(step);
    const steps = index < 0 ? null : h("p", { class: "steps" }, ...names.map((name, i) => h("span", { "aria-current": i === index && "step" }, i + 1 + ". " + t("welcome.step." + name))));
    const heading = h("h1", { tabindex: "-1" }, title);
    const cause = reason && h("p", { class: "said", role: "alert" }, reason);
    reason = "";
    place.replaceChildren(...[steps, heading, cause, ...children].filter(Boolean));
    heading.focus({ preventScroll: true });
    place.dataset.step = step;
  }

  async function signInStep() {
    if (root.dataset.inApp !== undefined) return show("signIn", t("welcome.inApp"), h("p", {}, t("welcome.inAppHow")), ...openInBrowser(location.origin + back));
    const { policy, redirect, seats } = await request("GET", "/sign-up");
    const title = t("welcome.signIn");
    if (!redirect) {
      reason = t("welcome.why.SIGN_IN_BY_REDIRECT_OFF");
      return show("signIn", title);
    }
    const google = h("a", { class: "button main", "data-plain": true, href: "/v1/songspy/auth/google?return=" + encodeURIComponent(back) }, googleMark(), t(policy === "open" ? "page.signIn" : "welcome.knownSignIn"));
    const reads = h("p", {}, t("welcome.readsOnly"));
    const facts = [seats && h("p", { class: "soft" }, t("welcome.seats")), h("p", { class: "soft" }, t("welcome.google"), " ", h("a", { href: "/privacy" }, t("page.privacy")))];
    if (policy === "open") return show("signIn", title, reads, h("p", { class: "actions" }, google), ...facts);
    if (policy === "allowlist") return show("signIn", title, reads, h("p", {}, t("welcome.allowlist")), h("p", { class: "actions" }, google), ...facts);
    const said = notes();
    const input = h("input", { name: "invite", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "characters", spellcheck: "false", value: invite });
    const submit = h("button", { class: "button main" }, t("welcome.withInvite"));
    const form = h("form", {}, h("label", { class: "field" }, t("welcome.invite"), input), said, h("p", { class: "actions" }, submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(submit, said, async () => {
        const typed = input.value.trim();
        const { url } = await request("POST", "/auth/google", { body: { return: back, invite: typed } });
        sessionStorage.setItem(inviteKey, typed);
        location.assign(url);
      });
    });
    show("signIn", title, reads, h("p", {}, t("welcome.inviteOnly")), form, h("p", {}, t("welcome.known")), h("p", { class: "actions" }, google), ...facts);
  }

  function nameStep() {
    const said = notes();
    const input = h("input", { name: "nickname", required: true, maxlength: 120, autocomplete: "nickname", dir: "auto", value: me().nickName || "" });
    const submit = h("button", { class: "button main" }, t("welcome.next"));
    const form = h("form", {}, h("label", { class: "field" }, t("welcome.nickname"), input), h("p", { class: "soft" }, t("welcome.nicknameHint")), said, h("p", { class: "actions" }, submit));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const stored = await act(submit, said, async () => {
        await request("POST", "/users/{id}/edit", { path: { id: me().id }, body: { nickName: input.value } });
        await loadSession();
      });
      if (stored) audienceStep();
    });
    show("name", t("welcome.name"), form);
  }

  function audienceStep() {
    const said = notes();
    let chosen = /** @type {import("../../types").Audience | ""} */ ("");
    const options = ["everyone", "followers", "link", "nobody"].map((value) => ({ value, label: t("sharing.audience." + value), hint: t("welcome.audience." + value) }));
    const set = choices("now", t("welcome.audienceLegend"), options, "", async (value) => {
      chosen = value;
      return true;
    });
    set.querySelector("legend").className = "hidden-text";
    const submit = button(t("welcome.next"), async () => {
      const now = chosen;
      if (!now) return said.replaceChildren(t("welcome.chooseOne"));
      if (await act(submit, said, () => request("PATCH", "/me/sharing", { body: { now } }), t("sharing.stored"))) fill(place, spotifyStep);
    }, { class: "button main" });
    show("audience", t("welcome.audience"), h("p", {}, t("welcome.consent")), set, said, h("p", { class: "actions" }, submit), h("p", { class: "soft" }, t("welcome.audienceLater")));
  }

  async function spotifyStep() {
    const [link, seat] = await Promise.all([request("GET", "/spotify-auth"), request("GET", "/spotify-auth/seat")]);
    const ended = link && link.task === "relink";
    const linked = link && link.state !== "not_registered";
    if (linked && !ended && !code.startsWith("SPOTIFY_")) return doneStep();
    // If the user has neither a seat in a Spotify app nor a link, ask whether the user could link now:
    // whether an app has a free seat, and whether the user is registered with the app.
    const known = link || seat ? null : await request("GET", "/spotify-auth/url").catch((error) => error);
    const refused = ["SPOTIFY_NOT_REGISTERED", "SPOTIFY_NO_SEAT"].includes(code) || (link && !linked && !link.userApp && !seat) || (known && known.code === "SPOTIFY_NO_SEAT") || (known && known.registered === false);
    const body = h("div", { class: "body" });
    if (ended) body.append(h("p", {}, t("link.state.reauth_required")));
    if (code === "SPOTIFY_LINKED_ELSEWHERE") body.append(linkButton(back, t("welcome.move"), { move: true }));
    else if (refused || (seat && !linked)) body.append(seatDesk(seat, { back, refused: Boolean(refused && seat && seat.state === "entered"), changed: () => fill(place, spotifyStep) }));
    else body.append(linkButton(back, t(link ? "link.relink" : "link.connect")));
    body.append(h("p", { class: "soft" }, t("welcome.spotifyFacts"), " ", h("a", { href: "/terms" }, t("page.terms"))), userApp(back, code === "SPOTIFY_USER_APP_REFUSED"));
    show("spotify", t("welcome.spotify"), body, h("p", { class: "actions" }, h("a", { href: to || "/" }, t("welcome.later"))));
  }

  async function doneStep() {
    const sharing = await request("GET", "/me/sharing");
    show("done", t("welcome.done"), h("p", {}, t("welcome.doneFor." + sharing.now)),
      h("p", { class: "actions" }, h("a", { class: "button main", href: "/", "data-plain": true }, t("welcome.toBoard")), h("a", { class: "button", href: "/me", "data-plain": true }, t("page.me"))));
  }

  async function next() {
    if (!isSignedIn()) return signInStep();
    const account = me();
    if (account.nickName === null) return nameStep();
    if (account.hasSpotify && to && !code) return location.replace(to);
    if (account.audience === "nobody" && !account.hasSpotify && !code) return audienceStep();
    return spotifyStep();
  }

  await fill(place, async () => {
    if (first.signedIn) await loadSession();
    await next();
  });
  if (why) announce(why);
}

// takeInvite returns and forgets the invite code that the viewer typed before the redirect to Google,
// or "" if there is none. Whether the code is needed and valid is known only after the redirect
// back, so the form shows the code again if the viewer has to correct it.
function takeInvite() {
  const typed = sessionStorage.getItem(inviteKey) || "";
  sessionStorage.removeItem(inviteKey);
  return typed;
}

// target returns the path and the query of the address text if it is at this origin, else "": the
// page must not lead to another site.
function target(text) {
  if (!text) return "";
  try {
    const to = new URL(text, location.origin);
    return to.origin === location.origin ? to.pathname + to.search : "";
  } catch {
    return "";
  }
}

// openInBrowser returns the elements for a viewer in an in-app browser: a button that opens the
// address (the argument here) in the system's browser, if a way to do that is known for the app, and
// a field to copy the address.
function openInBrowser(here) {
  const agent = navigator.userAgent;
  /** @type {[RegExp, string][]} */
  const ways = [
    [/KAKAOTALK/i, "kakaotalk://web/openExternal?url=" + encodeURIComponent(here)],
    [/ Line\//i, here + (here.includes("?") ? "&" : "?") + "openExternalBrowser=1"],
    [/Android/i, "intent://" + here.replace(/^https?:\/\//, "") + "#Intent;scheme=" + location.protocol.replace(":", "") + ";end"],
  ];
  const way = ways.find(([pattern]) => pattern.test(agent));
  return [way && h("p", { class: "actions" }, button(t("welcome.openBrowser"), () => location.assign(way[1]), { class: "button main" })), copyField(t("welcome.address"), here)];
}
