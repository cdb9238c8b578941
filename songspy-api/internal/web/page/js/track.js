// The page of a track: the users who play it now.
import { request, serverNow } from "./api.js";
import { fill, name, replaceFocused, timeText, watchImages } from "./card.js";
import { h, keepFocus, setText } from "./dom.js";
import { follow } from "./live.js";
import { explain } from "./parts.js";
import { showConnection } from "./row.js";
import { loadTexts, t } from "./text.js";

export async function render(root, { handle }, signal) {
  await loadTexts("account.");
  const find = (selector) => root.querySelector(selector);
  const state = find("[data-state]");
  const list = find("[data-listeners]");
  let listeners = [];
  watchImages(root);

  function show(entries) {
    keepFocus(root, find("#name"), () => draw(entries));
  }

  function draw(entries) {
    listeners = entries;
    find("[data-listeners-section]").hidden = entries.length === 0;
    find(".answer").hidden = find(".hero-art").hidden = entries.length === 0;
    if (entries.length === 0) {
      // The API returns a track only while a user plays it, so the page cannot show the track any more.
      const link = find("h1 [data-track]");
      link.removeAttribute("href");
      setText(link, t("track.none"));
      link.title = "";
      list.replaceChildren();
      return setText(state, t("track.noneHint"));
    }
    setText(state, "");
    fill(find("[data-hero]"), entries[0]);
    document.title = entries[0].track.title + " – Songspy";
    const rows = new Map(Array.from(list.children, (row) => [row.dataset.handle, row]));
    for (const entry of entries) {
      if (!rows.has(entry.person.handle)) {
        const href = "/u/" + encodeURIComponent(entry.person.handle);
        list.append(h("li", { "data-handle": entry.person.handle }, h("a", { class: "who", href, dir: "auto" }, name(entry.person)), " ", h("span", { class: "soft" })));
      }
      rows.delete(entry.person.handle);
    }
    for (const row of rows.values()) if (row.dataset.handle) removeListener(row);
    return tickAll();
  }

  // removeListener removes the row of a user. If the row has the focus, an empty row takes its
  // place and keeps the focus. The empty row is removed when the focus moves on.
  function removeListener(row) {
    const place = h("li", { "data-handle": "", onfocusout: () => setTimeout(() => place.remove()) }, h("span"));
    if (!replaceFocused(row, place)) row.remove();
  }

  function tickAll() {
    const times = new Map(listeners.map((entry) => [entry.person.handle, timeText(entry, serverNow())]));
    for (const row of list.children) setText(row.querySelector("span"), times.get(row.dataset.handle) || "");
  }

  async function load() {
    try {
      const { listeners: all } = await request("GET", "/tracks/{handle}", { path: { handle }, signal });
      show(all);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 404) show([]);
      else keepFocus(root, find("#name"), () => state.replaceChildren(...explain(error, load).filter(Boolean)));
    }
  }

  const ticker = setInterval(tickAll, 1000);
  signal.addEventListener("abort", () => clearInterval(ticker));
  await load();
  if (!signal.aborted) follow(["track:" + handle], { onEntries: (topic, entries) => show(entries), onState: showConnection, onSession: () => location.reload() }, signal);
}
