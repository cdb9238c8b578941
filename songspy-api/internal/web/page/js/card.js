// Fills the markup of html/card.html with an entry of the contract: {person, track, startedAt,
// endsAt, state}. An entry without a state is playing.
import { serverNow } from "./api.js";
import { artists, get, h, isWeb, outLink, setText } from "./dom.js";
import { ago, clock, t } from "./text.js";

// name returns the name of a person.
export function name(person) {
  return person.nickName || t("page.someone");
}

function setHref(link, address) {
  if (!address) link.removeAttribute("href");
  else if (link.getAttribute("href") !== address) link.setAttribute("href", address);
}

// setImage shows the image at the address. A new address gets a new element, so that an
// old image is never next to a new text. If the image does not load, it is hidden, and
// the drawing behind it is visible.
function setImage(old, address) {
  if ((old.dataset.address || "") === address) return;
  const img = old.cloneNode(false);
  img.removeAttribute("src");
  img.dataset.address = address;
  img.hidden = !isWeb(address);
  img.onerror = () => (img.hidden = true);
  if (!img.hidden) img.src = address;
  old.replaceWith(img);
}

// watchImages hides those images in root that do not load.
export function watchImages(root) {
  for (const img of root.querySelectorAll(".art img")) {
    img.onerror = () => (img.hidden = true);
    if (img.complete && img.naturalWidth === 0 && img.getAttribute("src")) img.hidden = true;
  }
}

// kind returns the word for a track that is not a song, such as an episode; "" for a song.
export function kind(track) {
  return track.kind === "track" ? "" : t("card." + track.kind);
}

// replace replaces the children of the element, unless the key is the same as at the last call:
// then the children stay, and a link among them keeps the focus. If a child with the focus is
// replaced, the focus moves to fallback, a link outside the element.
function replace(element, key, children, fallback) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  if (fallback && element.contains(document.activeElement)) fallback.focus({ preventScroll: true });
  element.replaceChildren(...children);
}

// keyed records that the HTML from the server shows this track in root, so that fill does not
// replace links that are already right.
export function keyed(root, track) {
  for (const part of root.querySelectorAll("[data-artists], [data-album]")) part.dataset.key = track.handle;
}

// emptyArt shows the drawing in place of album art.
export function emptyArt(root) {
  const link = root.querySelector(".art");
  setHref(link, "");
  setImage(link.querySelector("img"), "");
}

// fill shows the entry in a card or in the hero.
export function fill(root, entry) {
  const { person, track } = entry;
  for (const link of root.querySelectorAll("[data-track]")) {
    setHref(link, isWeb(track.originalUrl) ? track.originalUrl : "");
    if (link.classList.contains("art")) setImage(link.querySelector("img"), track.albumImageUrl);
    else {
      setText(link, track.title);
      link.title = track.title;
    }
  }
  const who = root.querySelector("[data-person]");
  if (who) {
    setText(who, name(person));
    setHref(who, "/u/" + encodeURIComponent(person.handle));
  }
  const others = root.querySelector("[data-who]");
  if (others) setHref(others, "/t/" + encodeURIComponent(track.handle));
  const fallback = root.querySelector("[data-track][href]:not(.art)") || who;
  replace(root.querySelector("[data-artists]"), track.handle, artists(track), fallback);
  const { album } = track;
  replace(root.querySelector("[data-album]"), track.handle, album ? [outLink(album.url, album.name)] : [], fallback);
  setText(root.querySelector("[data-kind]"), kind(track));
  tick(root, entry);
}

// played returns how many milliseconds of the track have played, or -1 if that is unknown.
function played({ track, startedAt, endsAt, state }, now) {
  if (!track.durationMs || !endsAt) return -1;
  const until = Date.parse(endsAt);
  // While a track is paused, endsAt is when the pause began.
  const at = state === "paused" ? until - Date.parse(startedAt) : track.durationMs - (until - now);
  return Math.min(track.durationMs, Math.max(0, at));
}

// begin returns when the track would have begun if it had played without pauses and jumps: its
// end minus its duration, or startedAt if one of these is unknown.
export function begin({ track, startedAt, endsAt }) {
  return track.durationMs && endsAt ? Date.parse(endsAt) - track.durationMs : Date.parse(startedAt);
}

// timeText returns how much of the track has played, such as "1:12 / 3:40". If that is unknown,
// it returns how long ago the track started.
export function timeText(entry, now) {
  const at = played(entry, now);
  const text = at < 0 ? t("card.started", { ago: ago(Date.parse(entry.startedAt), now) }) : clock(at) + " / " + clock(entry.track.durationMs);
  return entry.state === "paused" ? t("card.paused", { time: text }) : text;
}

// tick updates the time and the line of a card or of the hero.
export function tick(root, entry) {
  const now = serverNow();
  const time = root.querySelector("[data-time]");
  setText(time, timeText(entry, now));
  time.title = t("card.started", { ago: ago(Date.parse(entry.startedAt), now) });
  const line = root.querySelector("[data-line]");
  if (line) line.setAttribute("width", Math.max(0, (100 * played(entry, now)) / (entry.track.durationMs || 1)) + "%");
}

// replaceFocused replaces the element by the empty element place, and moves the focus there. If
// the focus is outside the element, it changes nothing and returns false.
export function replaceFocused(element, place) {
  if (!element.contains(document.activeElement)) return false;
  place.tabIndex = -1;
  place.setAttribute("aria-label", t("card.gone"));
  element.replaceWith(place);
  place.focus({ preventScroll: true });
  return true;
}

// Wall is a list of cards; the parameter most is their largest number. A card stays at its place
// as long as its user is shown. When a user disappears, the place stays empty until another user
// takes it. Empty places at the end of the list are removed.
export class Wall {
  constructor(list, most) {
    this.list = list;
    this.most = most;
    this.cards = new Map(); // by handle: {element, entry}
    this.template = get("#slot").content.firstElementChild;
    list.addEventListener("focusout", () => setTimeout(() => this.removeEmptyPlaces()));
  }

  // adopt takes over the cards in the HTML from the server, and removes those that have no entry.
  adopt(entries) {
    const byHandle = new Map(entries.map((entry) => [entry.person.handle, entry]));
    for (const element of Array.from(this.list.children)) {
      const entry = byHandle.get(element.dataset.handle);
      if (entry) {
        keyed(element, entry.track);
        this.cards.set(entry.person.handle, { element, entry });
      } else element.remove();
    }
    watchImages(this.list);
    this.tick();
  }

  // isHeld reports whether the pointer or the focus is on the card of a user.
  isHeld(handle) {
    const card = this.cards.get(handle);
    return card !== undefined && card.element.matches(":hover, :focus-within");
  }

  // show makes the wall show exactly these entries. New users take the empty places, newest
  // start first.
  show(entries) {
    const wanted = new Map(entries.map((entry) => [entry.person.handle, entry]));
    for (const handle of Array.from(this.cards.keys())) if (!wanted.has(handle)) this.empty(handle);
    const inOrder = entries.slice().sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
    for (const entry of inOrder) this.put(entry);
    this.removeEmptyPlaces();
  }

  put(entry) {
    const { handle } = entry.person;
    let card = this.cards.get(handle);
    if (!card) {
      if (this.cards.size >= this.most) return;
      card = { element: this.free() };
      card.element.dataset.handle = handle;
      this.cards.set(handle, card);
    } else if (card.entry === entry) return;
    card.entry = entry;
    fill(card.element, entry);
  }

  // free adds an empty card to the list and returns it. The card takes the first empty place
  // without the focus, else a place at the end.
  free() {
    const empty = Array.from(this.list.children).find((e) => !e.dataset.handle && !e.contains(document.activeElement));
    const element = this.template.cloneNode(true);
    element.dataset.handle = "";
    watchImages(element);
    if (empty) empty.replaceWith(element);
    else this.list.append(element);
    return element;
  }

  // empty replaces the card of a user by an empty place. The place gets the focus if the card had it.
  empty(handle) {
    const card = this.cards.get(handle);
    if (!card) return;
    this.cards.delete(handle);
    const place = h("li", { class: "slot", "data-handle": "" });
    if (!replaceFocused(card.element, place)) card.element.replaceWith(place);
  }

  // removeEmptyPlaces removes empty places from the end of the list, until it reaches a card or a place with
  // the focus.
  removeEmptyPlaces() {
    for (let last = this.list.lastElementChild; last && !last.dataset.handle && last !== document.activeElement; last = this.list.lastElementChild) last.remove();
  }

  tick() {
    for (const { element, entry } of this.cards.values()) tick(element, entry);
  }
}
