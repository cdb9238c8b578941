// The front page: one user in large type (the hero), then the followed users, then the window (a
// part of all listeners).
import { request, serverNow } from "./api.js";
import { LastSongs } from "./before.js";
import { Wall, emptyArt, fill, keyed, name, replaceFocused, tick, watchImages } from "./card.js";
import { announce, artists, get, h, isWeb, keepFocus, outLink, setText } from "./dom.js";
import { guard } from "./fault.js";
import { follow } from "./live.js";
import { around } from "./match.js";
import { cover, playRow, showConnection } from "./row.js";
import { isSignedIn, loadSession, me, onSession, onSessionFault } from "./session.js";
import { clockTime, t } from "./text.js";

/** @typedef {import("../../types").Entry} Entry */

const passAfter = 20000; // least milliseconds for which the hero shows the same user, unless that user is gone
const justStarted = 30000; // milliseconds for which a track counts as just begun
const readEvery = 30000; // milliseconds between two sentences about followed users, for screen readers
const mostSlots = 48;
const mostOnPhones = 12; // cards that a phone shows before a click on "Show more"; now.css has the same number
const mostMatches = 1;
const settle = 100; // milliseconds for which changes are gathered before the page shows them

export function render(root, { first }, signal) {
  const find = (selector) => root.querySelector(selector);
  const hero = find("[data-hero]");
  const shares = /** @type {HTMLElement[]} */ (Array.from(root.querySelectorAll("[data-share]")));
  const question = find("#question");
  const answer = find(".answer");
  const listen = find("[data-listen]");
  const board = find("#board");
  const walls = { following: new Wall(find("[data-following]"), 100), window: new Wall(board, mostSlots) };
  /** @type {{ following: Entry[], window: Entry[] }} */
  const latest = { following: [], window: [] };
  const lastSongs = new LastSongs(find("[data-before-section]"), signal);
  let own = /** @type {Entry | null} */ (null); // what the viewer plays
  let shown = /** @type {Entry | null} */ (null); // the entry of the hero
  let passedAt = 0; // when the hero began to show its present user
  let plays = new Map(); // by handle: the track and its start at the last update
  let together = /** @type {import("../../types").Pair | null} */ (null); // the pair that the hero shows
  let pairs = /** @type {import("../../types").Pair[]} */ ([]); // the pairs below the hero
  let paused = false;
  let known = first.window !== null; // whether it is known who is listening: not before the window is read, and not while the connection is lost

  // people returns the entries of all who are listening: the followed users first, each user once.
  function people() {
    const byHandle = new Map();
    for (const entry of latest.following.concat(latest.window)) if (!byHandle.has(entry.person.handle)) byHandle.set(entry.person.handle, entry);
    return Array.from(byHandle.values());
  }

  // The hero.

  function newest(entries) {
    const start = (entry) => Date.parse(entry.startedAt);
    return entries.filter((entry) => entry.state !== "paused").reduce((best, entry) => (!best || start(entry) > start(best) ? entry : best), null);
  }

  function isHeld() {
    return hero.matches(":hover") || hasFocus();
  }

  // hasFocus reports whether a link of the hero has the focus.
  function hasFocus() {
    return hero.contains(document.activeElement) && document.activeElement !== question;
  }

  // change calls draw(), which changes the hero. If draw() removes a link that has the focus,
  // the focus moves to the question, and a screen reader says why.
  function change(draw) {
    if (keepFocus(hero, question, draw)) announce(t("card.gone"));
  }

  // changed returns the entries of users who are new, or have begun another track, since the last call.
  function changed(all) {
    const before = plays;
    plays = new Map(all.map((entry) => [entry.person.handle, entry.track.handle + entry.startedAt]));
    return all.filter((entry) => before.get(entry.person.handle) !== plays.get(entry.person.handle));
  }

  // pass chooses the user that the hero shows. The hero changes to another user only in two
  // cases: its user is gone; or somebody has just begun a track, the hero has shown its user for
  // passAfter, and neither the pointer nor the focus is on the hero.
  function pass(all) {
    const begun = newest(changed(all));
    const handle = shown && shown.person.handle;
    const same = all.find((entry) => entry.person.handle === handle);
    const mayPass = !isHeld() && Date.now() - passedAt >= passAfter;
    change(() => {
      if (same && begun && mayPass) setHero(begun);
      else setHero(same || newest(all) || all[0] || null);
      if (!shown) return;
      const { person, track } = shown;
      find("[data-who]").hidden = !all.some((entry) => entry.track.handle === track.handle && entry.person.handle !== person.handle);
    });
  }

  function setHero(entry) {
    const isOther = entry && (shown === null || shown.person.handle !== entry.person.handle);
    // The focused link is about to lead to another user, so it loses the focus.
    if (shown && isOther && hasFocus()) /** @type {HTMLElement} */ (document.activeElement).blur();
    shown = entry;
    answer.hidden = !entry;
    if (!entry) return emptyArt(hero);
    if (isOther) passedAt = Date.now();
    fill(hero, entry);
    listen.hidden = !isWeb(entry.track.originalUrl);
    if (!listen.hidden) listen.href = entry.track.originalUrl;
    tickHero();
    if (!isOther) return undefined;
    answer.classList.remove("changed");
    answer.getBoundingClientRect(); // forces a layout, so that the animation of the class "changed" begins again
    return answer.classList.add("changed");
  }

  function tickHero() {
    if (!shown) return;
    tick(hero, shown);
    // If the end is unknown, the time already says when the track started (see timeText).
    const isNew = shown.state !== "paused" && shown.endsAt && shown.track.durationMs && serverNow() - Date.parse(shown.startedAt) < justStarted;
    setText(hero.querySelector("[data-just]"), isNew ? t("now.just", { name: name(shown.person) }) : "");
  }

  // The texts around the hero, and the pairs.

  function showState(all) {
    let text = "";
    if (all.length === 1 && known) text = t(isMine(all[0]) ? "now.oneMine" : "now.one", { name: name(all[0].person) });
    if (all.length === 0 && known) text = t(isLinked() ? "now.noneLinked" : "now.none");
    if (all.length > 1 && !isSignedIn()) text = t("now.join");
    setText(find("[data-state]"), text);
    document.body.classList.toggle("few", all.length <= 1);
    document.body.classList.toggle("many", all.length > 1);
    document.body.classList.toggle("nobody", all.length === 0);
    find("[data-join-end]").hidden = isSignedIn() || all.length <= 1;
    lastSongs.show(all.length === 1 ? all[0] : null);
    find("[data-rest]").hidden = board.children.length <= mostOnPhones || board.classList.contains("all");
    find("[data-full]").hidden = latest.window.length < mostSlots;
  }

  // isLinked reports whether the viewer has linked Spotify. Until the account is read, it says what
  // the HTML from the server knows.
  function isLinked() {
    return me() ? me().hasSpotify : isSignedIn() && first.linked;
  }

  function isMine(entry) {
    return me() !== null && entry.person.handle === me().handle;
  }

  function showMatches(all) {
    const self = me() && (own || all.find(isMine));
    const { together: ofHero, pairs: found } = around(shown, all, self, mostMatches);
    showTogether(ofHero);
    const list = find("[data-matches]");
    const isSame = JSON.stringify(found.map(keyOf)) === JSON.stringify(Array.from(list.children, (pair) => pair.dataset.pair));
    if (!isSame && !list.contains(document.activeElement)) {
      list.replaceChildren(...found.map(match));
      list.parentElement.classList.toggle("paired", found.length > 0);
    }
    pairs = found;
    tickMatches();
  }

  // showTogether shows the pair of the hero's user in the hero. If pair is null, it removes the
  // pair. While the pair stays the same, its links stay, and one of them may keep the focus.
  function showTogether(pair) {
    together = pair;
    const sentence = find("[data-sentence]");
    const key = pair ? keyOf(pair) : "";
    if (sentence.dataset.key !== key) {
      const focused = sentence.contains(document.activeElement);
      sentence.dataset.key = key;
      sentence.replaceChildren(...(pair ? sentenceOf(pair) : []));
      find("[data-members]").replaceChildren(...(pair ? members(pair) : []));
      answer.classList.toggle("together", pair !== null);
      if (focused) answer.querySelector(pair ? "[data-sentence] a" : "[data-person]").focus({ preventScroll: true });
    }
    tickTogether();
  }

  function tickTogether() {
    if (together) tickMembers(find("[data-members]"), together);
  }

  function tickMembers(element, { a, b }) {
    element.querySelectorAll(".member").forEach((member, i) => tick(member, i ? b : a));
  }

  function tickMatches() {
    for (const element of Array.from(find("[data-matches]").children)) {
      const pair = pairs.find((one) => keyOf(one) === element.dataset.pair);
      if (pair) tickMembers(element, pair);
    }
  }

  function keyOf({ a, b, seconds }) {
    return [a.person.handle, b.person.handle, a.track.handle, seconds].join(" ");
  }

  // dropMatches removes each pair with a user whose handle is not in the set present, which has
  // the handles of all users who may be shown. If such a pair has the focus, an empty place
  // replaces it and gets the focus.
  function dropMatches(present) {
    const list = find("[data-matches]");
    for (const pair of Array.from(list.children)) {
      if (!pair.dataset.pair || pair.dataset.pair.split(" ").slice(0, 2).every((handle) => present.has(handle))) continue;
      if (!replaceFocused(pair, h("div", { class: "match", role: "group" }))) pair.remove();
    }
    if (together && ![together.a, together.b].every((entry) => present.has(entry.person.handle))) showTogether(null);
  }

  // match returns the same element for a pair as the template "pair" in html/card.html.
  function match(pair) {
    const { a, b, artist } = pair;
    const title = ({ track }) => outLink(track.originalUrl, track.title);
    const others = h("a", { href: "/t/" + encodeURIComponent(b.track.handle) }, t("now.who"));
    const below = artist
      ? [h("p", { class: "soft" }, title(a), " · ", title(b))]
      : [h("p", { class: "soft" }, title(b), " · ", ...artists(b.track)), ...members(pair), h("p", { class: "soft" }, others)];
    return h("div", { class: "match", "data-pair": keyOf(pair) }, h("div", { class: "covers" }, artist ? cover(a.track) : null, cover(b.track), get(".logo").cloneNode()), h("div", {}, h("p", { class: "sentence" }, ...sentenceOf(pair)), ...below));
  }

  function sentenceOf({ a, b, seconds, artist, isSelf }) {
    const person = (entry) => h("a", { href: "/u/" + encodeURIComponent(entry.person.handle), dir: "auto" }, name(entry.person));
    const key = artist ? (isSelf ? "now.selfArtist" : "now.sameArtist") : seconds ? (isSelf ? "now.selfTrack" : "now.sameTrack") : isSelf ? "now.selfTrackNow" : "now.sameTrackNow";
    return parts(key, { a: isSelf ? person(b) : person(a), b: person(b), artist: artist || "", n: seconds });
  }

  // members returns one element for each user of the pair. Their times and lines are empty until
  // tickMembers fills them in.
  function members({ a, b, isSelf }) {
    return [a, b].map((entry) => {
      const element = get("#member").content.firstElementChild.cloneNode(true);
      setText(element.querySelector("[data-member]"), isSelf && entry === a ? t("now.you") : name(entry.person));
      return element;
    });
  }

  // isOnWall reports whether the window shows a card for the entry. It shows none for the hero's
  // user, unless the pointer or the focus is on that card: then the card stays where it is.
  function isOnWall({ person: { handle } }) {
    return !shown || handle !== shown.person.handle || walls.window.isHeld(handle);
  }

  let timer = 0;
  function schedule() {
    if (!timer) timer = setTimeout(() => guard(update), settle);
  }

  function update() {
    timer = 0;
    const all = people();
    const present = new Set(all.map((entry) => entry.person.handle));
    if (own) present.add(own.person.handle);
    dropMatches(present);
    if (paused) {
      // The viewer has paused the board. Users who no longer listen or share must still
      // disappear.
      for (const wall of Object.values(walls)) for (const handle of Array.from(wall.cards.keys())) if (!present.has(handle)) wall.empty(handle);
      if (shown && !present.has(shown.person.handle)) change(() => setHero(null));
    } else {
      pass(all);
      const followed = new Set(latest.following.map((entry) => entry.person.handle));
      walls.following.show(latest.following);
      walls.window.show(latest.window.filter((entry) => !followed.has(entry.person.handle) && isOnWall(entry)));
      showMatches(all);
    }
    showState(all);
    find("[data-following-section]").hidden = walls.following.list.children.length === 0;
    find("[data-window-section]").hidden = walls.window.list.children.length === 0;
  }

  // toShare is the path of the page that the share buttons offer: the viewer's own page if it
  // shows everyone what the viewer plays now, else this page.
  let toShare = "/";

  // share offers the address of toShare to the apps of the viewer's system. If the browser
  // cannot do that, it copies the address.
  async function share(offer) {
    const url = location.origin + toShare;
    const say = (text) => {
      setText(offer.querySelector("span"), text);
      announce(text);
    };
    try {
      if (navigator.share) return await navigator.share({ title: document.title, url });
      await navigator.clipboard.writeText(url);
      return say(t("now.shared"));
    } catch (error) {
      if (error.name !== "AbortError") say(t("now.shareByHand", { url })); // else: the viewer has cancelled the choice of an app
      return undefined;
    }
  }

  // Connection.

  function onState(state, emptied) {
    showConnection(state, emptied);
    if (emptied) known = false;
    schedule();
  }

  let topics = null;
  function connect() {
    const wanted = ["window"];
    if (me()) wanted.push("following", "person:" + me().handle);
    if (topics && topics.names.join() === wanted.join()) return;
    if (topics) topics.end.abort();
    const end = new AbortController();
    signal.addEventListener("abort", () => end.abort());
    topics = { names: wanted, end };
    follow(
      wanted,
      {
        onEntries(topic, entries) {
          if (topic === "window") known = true;
          if (topic.startsWith("person:")) own = entries[0] || null;
          else latest[topic] = entries;
          schedule();
        },
        onState,
        onSession: () => loadSession().catch(() => {}),
      },
      end.signal,
    );
  }

  // The viewer's own state.

  async function showMine() {
    const line = find("[data-mine]");
    const account = me();
    let text = "";
    let action = null;
    let isPublic = false;
    if (account) {
      const until = account.sharingPausedUntil && Date.parse(account.sharingPausedUntil);
      const [link, gap] = account.hasSpotify ? await Promise.all([request("GET", "/spotify-auth", { signal }).catch(() => null), openGap()]) : [null, ""];
      const seat = account.hasSpotify ? null : await request("GET", "/spotify-auth/seat", { signal }).catch(() => null);
      if (!account.hasSpotify && seat && seat.state !== "entered") [text, action] = [t("now.seat." + seat.state), ["/me", t("now.toMe")]];
      else if (!account.hasSpotify) [text, action] = [t(seat ? "now.seat.entered" : "now.notLinked"), ["/v1/songspy/auth/spotify?return=%2F", t("now.link")]];
      else if (link && link.task === "relink") [text, action] = [t("now.linkBroken"), ["/v1/songspy/auth/spotify?return=%2F", t("now.relink")]];
      else if (link && link.task === "ask_operator") [text, action] = [t("now.notRegistered"), ["/me", t("now.toMe")]];
      else if (link && link.blocked) [text, action] = [t("now.blocked." + link.blocked.reason, { time: clockTime(link.blocked.until) }), ["/me#link", t("now.toMe")]];
      else if (gap) [text, action] = [t("now.gap." + gap), ["/me#link", t("now.toMe")]];
      else if (until > serverNow()) [text, action] = [t("now.hidden"), ["/me", t("now.toMe")]];
      else if (account.audience === "nobody") [text, action] = [t("now.onlyMe"), ["/me", t("now.toMe")]];
      else {
        [text, action] = [t("now.seenBy." + account.audience), ["/me#hide", t("page.hide")]];
        isPublic = account.audience === "everyone";
      }
    }
    line.replaceChildren(text, ...(action ? [" ", h("a", { href: action[0] }, action[1])] : []));
    line.hidden = !text;
    toShare = isPublic ? "/u/" + account.handle : "/";
    for (const offer of shares) setText(offer.querySelector("button"), t(isPublic ? "now.shareMine" : "now.share"));
  }

  // openGap returns the reason of a gap in the history that still lasts and that the viewer cannot
  // end, or "" if there is none.
  async function openGap() {
    const { items } = await request("GET", "/me/gaps", { query: { limit: 1 }, signal }).catch(() => ({ items: [] }));
    const [last] = items;
    return last && !last.to && ["app_blocked", "provider_down", "batch_down"].includes(last.reason) ? last.reason : "";
  }

  // Since the last visit.

  async function showSince() {
    const since = lastVisit();
    if (!since || !me()) return;
    const follows = (await request("GET", "/me/following", { query: { limit: 20 }, signal })).items.filter((f) => f.state === "approved").slice(0, 8);
    const plays = [];
    for (const { person } of follows) {
      const page = await request("GET", "/people/{handle}/plays", { path: { handle: person.handle }, query: { limit: 5 }, signal }).catch(() => ({ items: [] }));
      for (const play of page.items) if (Date.parse(play.endedAt) > since) plays.push(Object.assign({ person }, play));
    }
    plays.sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
    const list = find("[data-since]");
    list.replaceChildren(...plays.slice(0, 5).map((play) => playRow(play)));
    find("[data-since-section]").hidden = plays.length === 0;
  }

  // Search.

  let asked = 0;
  async function search(text) {
    const state = find("[data-find-state]");
    const list = find("[data-found]");
    const number = ++asked;
    if (!text.trim()) {
      setText(state, "");
      return list.replaceChildren();
    }
    try {
      const { items } = await request("GET", "/people", { query: { q: text.trim(), limit: 20 }, signal });
      if (number !== asked) return undefined;
      list.replaceChildren(...items.map((person) => h("li", {}, h("a", { href: "/u/" + encodeURIComponent(person.handle), dir: "auto" }, name(person)))));
      return setText(state, items.length ? t("now.found", { n: items.length }) : t("now.notFound"));
    } catch (error) {
      if (number !== asked) return undefined;
      list.replaceChildren();
      return setText(state, (error.code !== "NETWORK" && error.message) || t("now.findFault"));
    }
  }

  // Start.

  const followed = first.following || [];
  const inWindow = first.window || [];
  [latest.following, latest.window] = [followed, inWindow];
  walls.following.adopt(followed);
  walls.window.adopt(inWindow);
  watchImages(hero);
  if (first.hero) {
    keyed(hero, first.hero.track);
    shown = first.hero;
    passedAt = Date.now();
    tickHero();
  }
  changed(people());
  // If the viewer is signed in, the HTML already shows the viewer's own pair. The script can
  // find this pair only once it has read the account, so it does not change the HTML until then.
  if (!first.signedIn) {
    showMatches(people());
    showState(people());
  }

  const pauseButton = find("[data-pause]");
  pauseButton.addEventListener("click", () => {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", paused);
    setText(pauseButton, t(paused ? "now.resume" : "now.pause"));
    announce(t(paused ? "now.paused" : "now.resumed"));
    schedule();
  });

  for (const offer of shares) offer.querySelector("button")?.addEventListener("click", () => share(offer));

  find("[data-all]").addEventListener("click", () => {
    board.classList.add("all");
    find("[data-rest]").hidden = true;
    board.children[mostOnPhones].querySelector("a")?.focus();
  });

  let reads = 0;
  let lastRead = "";
  const readButton = find("[data-read]");
  readButton.addEventListener("click", () => {
    const isOn = readButton.getAttribute("aria-pressed") !== "true";
    readButton.setAttribute("aria-pressed", isOn);
    clearInterval(reads);
    announce(t(isOn ? "now.readOn" : "now.readOff"));
    reads = isOn ? setInterval(readOne, readEvery) : 0;
  });
  function readOne() {
    const entry = newest(latest.following);
    const key = entry && entry.person.handle + entry.track.handle;
    if (entry && key !== lastRead) announce(t("now.readOne", { name: name(entry.person), title: entry.track.title, artist: entry.track.artistName }));
    lastRead = key;
  }

  const form = find("[data-find]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search(form.q.value);
  });
  form.q.addEventListener("input", () => form.q.value || search(""));

  const ticker = setInterval(() => {
    if (document.hidden || paused) return;
    walls.following.tick();
    walls.window.tick();
    tickHero();
    tickTogether();
    tickMatches();
  }, 1000);
  signal.addEventListener("abort", () => {
    clearInterval(ticker);
    clearInterval(reads);
    clearTimeout(timer);
  });

  onSession(() => {
    connect();
    showMine().catch((error) => console.error(error));
    showSince().catch((error) => console.error(error));
  }, signal);
  onSessionFault(connect, signal);
  if (!first.signedIn) connect();
}

// parts returns the text with the key as a list of strings and elements. Values in params may be
// elements, which take the places of their placeholders, such as {a} and {b}.
function parts(key, params) {
  const numbers = {};
  for (const [param, value] of Object.entries(params)) if (!(value instanceof Node)) numbers[param] = value;
  return t(key, numbers)
    .split(/(\{\w+\})/)
    .map((piece) => (/^\{\w+\}$/.test(piece) ? params[piece.slice(1, -1)] : piece));
}

// lastVisit returns when this browser last opened the page during its previous visit, in
// milliseconds since 1970, or 0 if there was no previous visit. It stores the present time in a
// cookie. A visit ends if the page is not opened for half an hour.
function lastVisit() {
  const [, before = 0, now = 0] = document.cookie.match(/(?:^|; )songspy-visit=(\d+)\.(\d+)/) || [];
  const isSame = now && Date.now() - Number(now) < 1800000;
  const since = Number(isSame ? before : now) || 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = "songspy-visit=" + since + "." + Date.now() + "; Path=/; Max-Age=7776000; SameSite=Lax" + secure;
  return since;
}
