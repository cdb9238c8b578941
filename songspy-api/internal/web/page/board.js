// The live board: asks every two seconds, shows what is told as text only, and
// moves the progress bars in between by the server's clock. It uses nothing that
// Safari 15 lacks: see TestPage_WorksWithoutWhatSafari15Lacks.
const most = 40; // entries of the board; there may be more people
const trust = 10000; // milliseconds for which what was told is shown without news
const patience = 8000; // milliseconds for one answer
const korean = navigator.language.toLowerCase().startsWith("ko");
document.documentElement.lang = korean ? "ko" : "en";
const words = korean
  ? {
      nobody: "지금은 아무도 음악을 듣고 있지 않아요.",
      count: (n) => `${n}명${n < most ? "이" : " 이상이"} 음악을 듣고 있어요.`,
      lost: "지금은 소식을 들을 수 없어요. 곧 다시 시도할게요.",
      fault: "페이지에 문제가 생겨 목록을 보여 드리지 못해요. 새로고침해 주세요.",
      someone: "이름 없는 청취자",
      open: "Spotify에서 열기",
      progress: "재생 위치",
      source: "곡 정보와 표지의 출처는 Spotify입니다. Songspy는 Spotify와 무관한 서비스입니다.",
    }
  : {
      nobody: "Nobody is listening right now.",
      count: (n) => (n === 1 ? "One person is listening." : `${n}${n < most ? "" : " or more"} people are listening.`),
      lost: "The board cannot be reached right now. Trying again.",
      fault: "This page has a fault and cannot show the board. Please reload it.",
      someone: "A listener",
      open: "Open in Spotify",
      progress: "Position in the song",
      source: "Songs and covers come from Spotify. Songspy is independent of it.",
    };

const board = document.getElementById("board");
const status = document.getElementById("status");
const template = document.getElementById("entry");
document.getElementById("source").textContent = words.source;
const cards = new Map(); // by user: a card stays with its user from track to track
let heard = Date.now(); // when the board was last told
let clock = 0; // what to add to our clock to get the server's, in milliseconds
let asking = false;

// put changes a text only when it differs: a screen reader reads it out once.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// isWeb keeps javascript: and its kin out of links and images.
function isWeb(address) {
  try {
    return ["https:", "http:"].includes(new URL(address).protocol);
  } catch {
    return false;
  }
}

// setImage shows the picture at the address. Another address gets another element,
// so that no old picture stands next to new words. Without one that loads, the
// element is hidden; what is drawn behind it shows.
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
  card.querySelector("progress").setAttribute("aria-label", words.progress);
  put(card.querySelector("a"), words.open);
  return card;
}

function fill(card, { track, user }) {
  const title = card.querySelector("h2");
  put(title, track.title);
  title.title = track.title;
  put(card.querySelector(".artist"), track.artistName);
  put(card.querySelector(".who span"), user.nickName || words.someone);
  setImage(card.querySelector(".cover img"), track.albumImageUrl);
  setImage(card.querySelector(".who img"), user.profileImageUrl);
  const link = card.querySelector("a");
  link.hidden = !isWeb(track.originalUrl);
  if (!link.hidden) link.href = track.originalUrl;
  link.setAttribute("aria-label", `${words.open}: ${track.title}`);
}

// steady finds the most cards that are in the wanted order already: the longest
// rising run of their places on the page.
function steady(wanted) {
  const place = new Map(Array.from(board.children, (card, i) => [card, i]));
  const runs = [];
  let best = null;
  for (const card of wanted.filter((c) => place.has(c))) {
    const run = { card, length: 1, before: null };
    for (const r of runs) {
      if (place.get(r.card) < place.get(card) && r.length >= run.length) Object.assign(run, { length: r.length + 1, before: r });
    }
    runs.push(run);
    if (!best || run.length > best.length) best = run;
  }
  const stay = new Set();
  for (; best; best = best.before) stay.add(best.card);
  return stay;
}

// arrange puts the cards into their order, moves as few as possible, and keeps
// the focus: on its card, or on the one that takes the place of a card that left.
function arrange(wanted) {
  const held = board.contains(document.activeElement) ? document.activeElement : null;
  const left = held && Array.from(board.children).indexOf(held.closest("li"));
  const keep = new Set(wanted);
  for (const card of Array.from(board.children)) if (!keep.has(card)) card.remove();
  const stay = steady(wanted);
  let next = null;
  for (const card of wanted.slice().reverse()) {
    if (!stay.has(card)) board.insertBefore(card, next);
    next = card;
  }
  if (!held || document.activeElement === held) return;
  const heir = board.contains(held) ? held : (board.children[left] || board.lastElementChild)?.querySelector("a");
  heir?.focus({ preventScroll: true });
}

function show(entries) {
  const wanted = entries.map((entry) => {
    const card = cards.get(entry.user.id)?.card || makeCard();
    fill(card, entry);
    cards.set(entry.user.id, { card, entry });
    return card;
  });
  const seen = new Set(entries.map((entry) => entry.user.id));
  for (const id of Array.from(cards.keys())) if (!seen.has(id)) cards.delete(id);
  arrange(wanted);
  move();
}

function move() {
  const now = Date.now() + clock;
  for (const { card, entry } of cards.values()) {
    const bar = card.querySelector("progress");
    const { durationMs } = entry.track;
    bar.hidden = !entry.endsAt || !durationMs;
    if (bar.hidden) continue;
    const played = durationMs - (Date.parse(entry.endsAt) - now);
    bar.value = Math.min(1, Math.max(0, played / durationMs));
  }
}

// load asks the server. What it throws is a fault of the network or the server.
async function load() {
  const patient = new AbortController();
  const timer = setTimeout(() => patient.abort(), patience);
  try {
    const answer = await fetch("/v1/songspy/tracks/current-playing", { signal: patient.signal });
    const { result, data } = await answer.json();
    if (result !== "SUCCESS") throw new Error("no board");
    return { data, date: Date.parse(answer.headers.get("Date")) || Date.now() };
  } finally {
    clearTimeout(timer);
  }
}

async function ask() {
  if (asking) return;
  asking = true;
  const answer = await load().catch(() => null);
  asking = false;
  try {
    if (answer) {
      clock = answer.date - Date.now();
      show(answer.data);
      put(status, answer.data.length ? words.count(answer.data.length) : words.nobody);
      heard = Date.now();
    } else {
      // Whoever withdrew meanwhile must not go on being shown.
      if (Date.now() - heard > trust) show([]);
      put(status, words.lost);
    }
    document.body.classList.toggle("stale", !answer);
  } catch (fault) {
    console.error(fault);
    cards.clear();
    board.replaceChildren();
    put(status, words.fault);
  }
}

async function follow() {
  if (!document.hidden) await ask();
  setTimeout(follow, 2000);
}

document.addEventListener("visibilitychange", () => document.hidden || ask());
setInterval(move, 1000);
follow();
