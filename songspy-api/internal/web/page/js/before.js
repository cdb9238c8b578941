// The last songs of the only listening user. The front page shows them if nobody else is
// listening.
import { request } from "./api.js";
import { name } from "./card.js";
import { h, setText } from "./dom.js";
import { playRow } from "./row.js";
import { t } from "./text.js";

const most = 6;
const spread = 20000; // longest random wait in milliseconds until a page reads again after a new song of the same user, so that not all viewers read at once

export class LastSongs {
  constructor(section, signal) {
    this.section = section;
    this.list = section.querySelector("[data-before]");
    this.signal = signal;
    this.handle = "";
    this.key = "";
    this.timer = 0;
    signal.addEventListener("abort", () => this.show(null));
    this.list.addEventListener("focusout", () => setTimeout(() => this.key || this.replace([], "")));
  }

  // show shows the last songs of the entry's user, as far as the viewer may see them. If the
  // entry is null or of another user, the songs shown before disappear at once.
  show(entry) {
    const handle = entry ? entry.person.handle : "";
    const key = entry ? handle + entry.track.handle + entry.startedAt : "";
    if (key === this.key) return;
    clearTimeout(this.timer);
    const isOther = handle !== this.handle;
    this.handle = handle;
    this.key = key;
    if (isOther) this.replace([], "");
    if (entry) this.timer = setTimeout(() => this.load(entry, key), isOther ? 0 : Math.random() * spread);
  }

  async load(entry, key) {
    const { handle } = entry.person;
    const page = await request("GET", "/people/{handle}/plays", { path: { handle }, query: { limit: most }, signal: this.signal }).catch(() => ({ items: [] }));
    // Do nothing if the page shows another user or song by now, or if a song of the list has the
    // focus.
    if (key === this.key && !this.list.contains(document.activeElement)) this.replace(page.items.map(playRow), name(entry.person));
  }

  replace(rows, person) {
    const focused = this.list.contains(document.activeElement);
    const place = h("li", { class: "slot", tabindex: -1, "aria-label": t("card.gone") });
    this.list.replaceChildren(...(focused && rows.length === 0 ? [place] : rows));
    if (focused) place.focus({ preventScroll: true });
    setText(this.section.querySelector("h2"), person && t("now.before", { name: person }));
    this.section.hidden = !this.list.hasChildNodes();
  }
}
