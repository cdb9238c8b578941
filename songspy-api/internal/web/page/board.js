// The live board: reads the board every two seconds, shows it as text only, and moves
// the progress bars in between by the server's clock. It uses nothing that Safari 15
// lacks: see TestPage_WorksWithoutWhatSafari15Lacks.
const maxEntries = 40; // of the board; more users may be listening
const staleAfter = 10000; // milliseconds for which the last answer is shown
const timeout = 8000; // milliseconds for one answer
const korean = navigator.language.toLowerCase().startsWith("ko");
document.documentElement.lang = korean ? "ko" : "en";
const texts = korean
  ? {
      nobody: "지금은 아무도 음악을 듣고 있지 않아요.",
      count: (n) => `${n}명${n < maxEntries ? "이" : " 이상이"} 음악을 듣고 있어요.`,
      lost: "지금은 목록을 불러올 수 없어요. 곧 다시 시도할게요.",
      fault: "페이지에 문제가 생겼어요. 새로고침해 주세요.",
      someone: "이름 없는 청취자",
      open: "Spotify에서 열기",
      progress: "재생 위치",
      source: "곡 정보와 표지의 출처는 Spotify입니다. Songspy는 Spotify와 무관한 서비스입니다.",
    }
  : {
      nobody: "Nobody is listening right now.",
      count: (n) => (n === 1 ? "One person is listening." : `${n}${n < maxEntries ? "" : " or more"} people are listening.`),
      lost: "The board cannot be loaded right now. Trying again.",
      fault: "Something is wrong with this page. Please reload it.",
      someone: "A listener",
      open: "Open in Spotify",
      progress: "Position in the song",
      source: "Songs and covers come from Spotify. Songspy is independent of it.",
    };

const board = document.getElementById("board");
const status = document.getElementById("status");
const template = document.getElementById("entry");
document.getElementById("source").textContent = texts.source;
const cards = new Map(); // by user: a card stays with its user from track to track
let readAt = Date.now(); // when the board was last read
let clockOffset = 0; // the server's clock minus ours, in milliseconds
let refreshing = false;

// setText changes a text only if it differs, so that a screen reader reads it once.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// isWeb rejects links and images with other schemes, such as javascript:.
function isWeb(address) {
  try {
    return ["https:", "http:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

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
  card.querySelector("progress").setAttribute("aria-label", texts.progress);
  setText(card.querySelector("a"), texts.open);
  return card;
}

function fillCard(card, { track, user }) {
  const title = card.querySelector("h2");
  setText(title, track.title);
  title.title = track.title;
  setText(card.querySelector(".artist"), track.artistName);
  setText(card.querySelector(".who span"), user.nickName || texts.someone);
  setImage(card.querySelector(".cover img"), track.albumImageUrl);
  setImage(card.querySelector(".who img"), user.profileImageUrl);
  const link = card.querySelector("a");
  link.hidden = !isWeb(track.originalUrl);
  if (!link.hidden) link.href = track.originalUrl;
  link.setAttribute("aria-label", `${texts.open}: ${track.title}`);
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
  const now = Date.now() + clockOffset;
  for (const { card, entry } of cards.values()) {
    const bar = card.querySelector("progress");
    const { durationMs } = entry.track;
    bar.hidden = !entry.endsAt || !durationMs;
    if (bar.hidden) continue;
    const played = durationMs - (Date.parse(entry.endsAt) - now);
    bar.value = Math.min(1, Math.max(0, played / durationMs));
  }
}

// load reads the board. It throws on an error of the network or the server.
async function load() {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), timeout);
  try {
    const answer = await fetch("/v1/songspy/tracks/current-playing", { signal: aborter.signal });
    const { result, data } = await answer.json();
    if (result !== "SUCCESS") throw new Error("no board");
    return { data, date: Date.parse(answer.headers.get("Date")) || Date.now() };
  } finally {
    clearTimeout(timer);
  }
}

async function refresh() {
  if (refreshing) return;
  refreshing = true;
  const answer = await load().catch(() => null);
  refreshing = false;
  try {
    if (answer) {
      clockOffset = answer.date - Date.now();
      show(answer.data);
      setText(status, answer.data.length ? texts.count(answer.data.length) : texts.nobody);
      readAt = Date.now();
    } else {
      // Users who stopped sharing meanwhile must not be shown any longer.
      if (Date.now() - readAt > staleAfter) show([]);
      setText(status, texts.lost);
    }
    document.body.classList.toggle("stale", !answer);
  } catch (fault) {
    console.error(fault);
    cards.clear();
    board.replaceChildren();
    setText(status, texts.fault);
  }
}

async function pollBoard() {
  if (!document.hidden) await refresh();
  setTimeout(pollBoard, 2000);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(updateProgress, 1000);
pollBoard();
