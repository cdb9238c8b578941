// Parts that the pages of the account share: actions with their errors, choices, lists.
import { request } from "./api.js";
import { announce, artists, get, h, isWeb, outLink } from "./dom.js";
import { dateTime, t } from "./text.js";

const base = document.documentElement.dataset.base;

// signInLink returns a button to sign in that leads to the same address as the one in the
// header.
export function signInLink(text = t("page.signIn")) {
  const link = get("[data-sign-in]");
  return h("a", { class: "button main", href: link.getAttribute("href"), "data-plain": true }, get(".google", link) && googleMark(), text);
}

// googleMark returns the mark that Google asks buttons for its sign-in to have.
export function googleMark() {
  return h("img", { class: "google", alt: "", src: base + "img/google.svg", width: 20, height: 20 });
}

export function button(text, run, props) {
  const element = h("button", Object.assign({ type: "button", class: "button" }, props), text);
  element.addEventListener("click", run);
  return element;
}

// explain returns a list of texts and elements that say what an error means and what to do.
// After a 401, it has a link to sign in. After another error, it has a button that calls retry,
// if retry is given.
export function explain(error, retry) {
  const again = retry && button(t("part.retry"), retry);
  if (error.status === 401) return [t("part.signedOut") + " ", signInLink(t("part.signInAgain"))];
  if (error.code === "NETWORK") return [t("part.offline") + " ", again];
  if (error.code === "PROXY" || !error.message || !error.code) return [t("part.fault") + " ", again];
  return [error.message + " ", again];
}

// notes returns an empty element for the error of an action. Screen readers read a text that is
// put into it.
export function notes() {
  return h("p", { class: "said", role: "alert" });
}

// act calls change() for a control. Until change() ends, further calls for the control do
// nothing. If change() fails, act shows the error and its remedy in the element place, and
// returns false. Otherwise it returns true, and screen readers read done, which is a text, or a
// function that makes a text from the result of change().
export async function act(control, place, change, done) {
  if (control.getAttribute("aria-busy") === "true") return false;
  control.setAttribute("aria-busy", "true");
  place.replaceChildren();
  try {
    const result = await change();
    if (done) announce(typeof done === "function" ? done(result) : done);
    return true;
  } catch (error) {
    if (!error.code) console.error(error);
    place.replaceChildren(...explain(error).filter(Boolean));
    return false;
  } finally {
    control.removeAttribute("aria-busy");
  }
}

// fill calls read(), and replaces the children of the element place by those that
// children(result) returns. If the function children is missing, read() has shown the result
// itself. If read() fails, fill shows the error in the element, with a button that tries again
// or, after a 401, a link to sign in. It ignores a network error in a hidden page.
export async function fill(place, read, children) {
  if (!place.hasChildNodes()) place.append(h("p", { class: "soft" }, t("part.loading")));
  try {
    const data = await read();
    if (children) place.replaceChildren(...[children(data)].flat().filter(Boolean));
  } catch (error) {
    if (error.code === "NETWORK" && document.hidden) return;
    if (!error.code) console.error(error);
    place.replaceChildren(h("p", { class: "said", role: "alert" }, ...explain(error, () => fill(place, read, children)).filter(Boolean)));
  }
}

// section returns a section of a page with a heading.
export function section(id, title, ...children) {
  return h("section", { id, class: "part", "aria-labelledby": id + "-title" }, h("h2", { id: id + "-title", tabindex: "-1" }, title), h("div", { class: "body" }, ...children));
}

// choices returns a group of radio buttons. Each of the options is {value, label, hint}. When
// the viewer chooses one, choices calls choose(value, group), which returns a promise of whether
// the choice was stored. If it was not, the former choice is shown again.
export function choices(name, legend, options, current, choose) {
  let stored = current;
  const set = h("fieldset", {}, h("legend", {}, legend));
  for (const { value, label, hint } of options) {
    const input = h("input", { type: "radio", name, value, checked: value === current });
    input.addEventListener("change", async () => {
      if (await choose(value, set)) stored = value;
      for (const one of set.querySelectorAll("input")) one.checked = one.value === String(stored);
    });
    set.append(h("label", { class: "choice" }, input, h("span", {}, label, hint && h("span", { class: "soft hint" }, hint))));
  }
  return set;
}

// toggle returns a checkbox. When the viewer changes it, toggle calls change(checked, checkbox),
// which returns a promise of whether the change was stored. If it was not, the checkbox changes
// back.
export function toggle(label, checked, change, hint) {
  const input = h("input", { type: "checkbox", checked });
  input.addEventListener("change", async () => {
    const wanted = input.checked;
    if (!(await change(wanted, input))) input.checked = !wanted;
  });
  return h("label", { class: "choice" }, input, h("span", {}, label, hint && h("span", { class: "soft hint" }, hint)));
}

// confirmed returns a button. A click on it replaces it by a question, a button with yesText and
// a button to cancel. A click on the button with yesText calls yes() with that button.
export function confirmed(text, question, yesText, yes) {
  const place = h("span", { class: "confirm" });
  const first = button(text, () => {
    const sure = button(yesText, () => yes(sure), { class: "button main" });
    place.replaceChildren(h("span", { role: "alert" }, question), sure, button(t("part.cancel"), () => {
      place.replaceChildren(first);
      first.focus();
    }));
    sure.focus();
  });
  place.append(first);
  return place;
}

// pages returns an element with a list that the API returns page by page, and a button for the
// next page. The function item returns the element for an item, or false to leave it out. The
// list reads at most limit items at once, and at most the number most in total. If it stays or
// becomes empty, the text empty is shown.
/** @param {import("../../types").ListRoute} path */
export function pages(path, item, { empty, limit = 20, most = Infinity, attributes = {} }) {
  const outer = h("div");
  const list = h("ul", Object.assign({ class: "rows" }, attributes));
  let shown = 0;
  const read = (cursor) => () => /** @type {any} */ (request)("GET", path, { query: { limit: Math.min(limit, most - shown), cursor } });
  const add = ({ items, nextCursor }) => {
    shown += items.length;
    const rows = items.map(item).filter(Boolean);
    list.append(...rows);
    if (!nextCursor || shown >= most) {
      const none = h("p", { class: "soft" }, empty);
      list.addEventListener("emptied", () => outer.replaceChildren(none));
      return list.hasChildNodes() ? [list] : none;
    }
    const place = notes();
    const more = button(t("part.more"), () =>
      act(more, place, async () => {
        const page = await read(nextCursor)();
        const before = list.lastElementChild;
        outer.replaceChildren(...[add(page)].flat());
        const next = before ? before.nextElementSibling : list.firstElementChild;
        if (next) focusRow(next);
      })
    );
    return [list, place, more];
  };
  fill(outer, read(undefined), add);
  return outer;
}

// focusRow moves the focus to the first element in a row that matches the selector or, if there
// is none, to the row.
function focusRow(row, selector = "a:not([tabindex]), button, summary") {
  const control = row.querySelector(selector);
  if (!control) row.tabIndex = -1;
  (control || row).focus();
}

// removeRow removes a row of a list. The focus moves to the next row, else to the previous one,
// else to the heading of the section. In the last case the list is empty, and gets the event
// "emptied".
export function removeRow(row, selector) {
  const next = row.nextElementSibling || row.previousElementSibling;
  const list = row.parentElement;
  row.remove();
  if (next) return focusRow(next, selector);
  list.closest(".part").querySelector("h2").focus();
  list.dispatchEvent(new Event("emptied"));
}

// copyField returns a read-only field with a text, and a button that copies the text.
export function copyField(label, text) {
  const input = h("input", { readonly: true, value: text, "aria-label": label, onfocus: () => input.select() });
  const place = h("span", { role: "status" });
  const copy = async () => {
    input.select();
    try {
      await navigator.clipboard.writeText(text);
      place.textContent = t("part.copied");
    } catch {
      place.textContent = t("part.copyByHand");
    }
  };
  return h("p", { class: "copy" }, input, button(t("part.copy"), copy), place);
}

// logo returns Spotify's full logo, which must be next to all content of Spotify.
export function logo() {
  return h("img", { class: "logo", alt: "Spotify", src: base + "img/spotify.svg", width: 96, height: 30 });
}

// art returns the album art, with a link if the track has an address, or an empty element if the
// track has no album art.
export function art(track, size) {
  const img = isWeb(track.albumImageUrl) && h("img", { alt: "", src: track.albumImageUrl, width: size, height: size, loading: "lazy", referrerpolicy: "no-referrer" });
  if (!img) return h("span", { class: "no-art", "aria-hidden": "true" });
  if (!isWeb(track.originalUrl)) return img;
  return h("a", { class: "art", href: track.originalUrl, target: "_blank", rel: "noopener noreferrer", tabindex: "-1", "aria-hidden": "true" }, img);
}

// trackText returns title, artists and album with their links.
export function trackText(track) {
  return h("div", { class: "track" }, h("p", { class: "title" }, outLink(track.originalUrl, track.title)),
    h("p", { class: "soft" }, ...artists(track), track.album ? [" · ", outLink(track.album.url, track.album.name)] : null));
}

// personLink returns the name of a person, which leads to their page.
export function personLink(person) {
  return h("a", { class: "who", href: "/u/" + encodeURIComponent(person.handle), dir: "auto" }, person.nickName || t("page.someone"));
}

// when returns a time of the contract as an element.
export function when(text) {
  return h("time", { class: "soft", datetime: text }, dateTime(text));
}
