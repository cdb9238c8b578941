import { request, serverNow } from "./api.js";
import { isWeb, setText } from "./dom.js";
import { t } from "./text.js";

// The live board: reads the board every two seconds, shows it as text only, and moves
// the progress bars in between by the server's clock. It uses nothing that Safari 15
// lacks: see TestPage_WorksWithoutWhatSafari15Lacks.
const maxEntries = 40; // of the board; more users may be listening
const staleAfter = 10000; // milliseconds for which the last answer is shown
const timeout = 8000; // milliseconds for one answer

const board = document.getElementById("board");
const status = document.getElementById("status");
const template = document.getElementById("entry");
const cards = new Map(); // by user: a card stays with its user from track to track
let readAt = Date.now(); // when the board was last read
let refreshing = false;

// setImage shows the image at the address. A new address gets a new element, so that
// an old image is never next to a new text. If the image does not load, the element is
// hidden, and the placeholder behind it is visible.
function setImage(old, address) {
  if (old.dataset.address === address) return;
  const img = old.cloneNode(false);
  img.removeAttribute("src");
  img.dataset.address = address;
  img.hidden = !isWeb(address);
  img.onerror = () => (img.hidden = true);
  if (!img.hidden) img.src = address;
  old.replaceWith(img);
}

function makeCard() {
  const card = template.content.firstElementChild.cloneNode(true);
  card.querySelector("progress").setAttribute("aria-label", t("now.progress"));
  setText(card.querySelector("a"), t("now.open"));
  return card;
}

function fillCard(card, { track, user }) {
  const title = card.querySelector("h2");
  setText(title, track.title);
  title.title = track.title;
  setText(card.querySelector(".artist"), track.artistName);
  setText(card.querySelector(".who span"), user.nickName || t("page.someone"));
  setImage(card.querySelector(".cover img"), track.albumImageUrl);
  setImage(card.querySelector(".who img"), user.profileImageUrl);
  const link = card.querySelector("a");
  link.hidden = !isWeb(track.originalUrl);
  if (!link.hidden) link.href = track.originalUrl;
  link.setAttribute("aria-label", `${t("now.open")}: ${track.title}`);
}

// unmovedCards returns the largest set of cards that are in the wanted order already:
// the longest increasing subsequence of their positions.
function unmovedCards(wanted) {
  const position = new Map(Array.from(board.children, (card, i) => [card, i]));
  const runs = [];
  let best = null;
  for (const card of wanted.filter((c) => position.has(c))) {
    const run = { card, length: 1, before: null };
    for (const r of runs) {
      if (position.get(r.card) < position.get(card) && r.length >= run.length) Object.assign(run, { length: r.length + 1, before: r });
    }
    runs.push(run);
    if (!best || run.length > best.length) best = run;
  }
  const stay = new Set();
  for (; best; best = best.before) stay.add(best.card);
  return stay;
}

// reorder puts the cards in order and moves as few as possible. It keeps the focus on
// its card. If that card was removed, the card at its position gets the focus.
function reorder(wanted) {
  const focused = board.contains(document.activeElement) ? document.activeElement : null;
  const index = focused && Array.from(board.children).indexOf(focused.closest("li"));
  const keep = new Set(wanted);
  for (const card of Array.from(board.children)) if (!keep.has(card)) card.remove();
  const stay = unmovedCards(wanted);
  let next = null;
  for (const card of wanted.slice().reverse()) {
    if (!stay.has(card)) board.insertBefore(card, next);
    next = card;
  }
  if (!focused || document.activeElement === focused) return;
  const nextFocus = board.contains(focused) ? focused : (board.children[index] || board.lastElementChild)?.querySelector("a");
  nextFocus?.focus({ preventScroll: true });
}

function show(entries) {
  const wanted = entries.map((entry) => {
    const card = cards.get(entry.user.id)?.card || makeCard();
    fillCard(card, entry);
    cards.set(entry.user.id, { card, entry });
    return card;
  });
  const seen = new Set(entries.map((entry) => entry.user.id));
  for (const id of Array.from(cards.keys())) if (!seen.has(id)) cards.delete(id);
  reorder(wanted);
  updateProgress();
}

function updateProgress() {
  const now = serverNow();
  for (const { card, entry } of cards.values()) {
    const bar = card.querySelector("progress");
    const { durationMs } = entry.track;
    bar.hidden = !entry.endsAt || !durationMs;
    if (bar.hidden) continue;
    const played = durationMs - (Date.parse(entry.endsAt) - now);
    bar.value = Math.min(1, Math.max(0, played / durationMs));
  }
}

function countText(n) {
  if (n === 1) return t("now.one");
  return t(n < maxEntries ? "now.many" : "now.more", { n });
}

async function refresh() {
  if (refreshing) return;
  refreshing = true;
  const entries = await request("GET", "/tracks/current-playing", { timeout }).catch(() => null);
  refreshing = false;
  try {
    if (entries) {
      show(entries);
      setText(status, entries.length ? countText(entries.length) : t("now.nobody"));
      readAt = Date.now();
    } else {
      // Users who stopped sharing meanwhile must not be shown any longer.
      if (Date.now() - readAt > staleAfter) show([]);
      setText(status, t("now.lost"));
    }
    document.body.classList.toggle("stale", !entries);
  } catch (fault) {
    console.error(fault);
    cards.clear();
    board.replaceChildren();
    setText(status, t("page.fault"));
  }
}

async function pollBoard() {
  if (!document.hidden) await refresh();
  setTimeout(pollBoard, 2000);
}

export function render() {
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(updateProgress, 1000);
  pollBoard();
}
