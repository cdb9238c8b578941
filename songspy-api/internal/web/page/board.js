// The live board: asks every two seconds, shows what is told as text only, and
// moves the progress bars in between by the server's clock.
const most = 40; // entries of the board; there may be more people
const trust = 10000; // milliseconds for which what was told is shown without news
const korean = navigator.language.toLowerCase().startsWith("ko");
document.documentElement.lang = korean ? "ko" : "en";
const words = korean
  ? {
      nobody: "지금은 아무도 음악을 듣고 있지 않아요.",
      count: (n) => `${n}명${n < most ? "이" : " 이상이"} 음악을 듣고 있어요.`,
      lost: "지금은 소식을 들을 수 없어요. 곧 다시 시도할게요.",
      someone: "이름 없는 청취자",
      open: "Spotify에서 열기",
      progress: "재생 위치",
      source: "곡 정보와 표지의 출처는 Spotify입니다. Songspy는 Spotify와 무관한 서비스입니다.",
    }
  : {
      nobody: "Nobody is listening right now.",
      count: (n) => (n === 1 ? "One person is listening." : `${n}${n < most ? "" : " or more"} people are listening.`),
      lost: "The board cannot be reached right now. Trying again.",
      someone: "A listener",
      open: "Open in Spotify",
      progress: "Position in the song",
      source: "Songs and covers come from Spotify. Songspy is independent of it.",
    };

const board = document.getElementById("board");
const status = document.getElementById("status");
const template = document.getElementById("entry");
document.getElementById("source").textContent = words.source;
const cards = new Map(); // by person and start: one card for one play
let heard = Date.now(); // when the board was last told
let clock = 0; // what to add to our clock to get the server's, in milliseconds

// say changes the status only when it differs, so that it is read out once.
function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

// isWeb keeps javascript: and its kin out of links and images.
function isWeb(address) {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}

function setImage(img, address) {
  img.hidden = !isWeb(address);
  if (!img.hidden && img.src !== address) img.src = address;
}

function makeCard({ track, user }) {
  const card = template.content.firstElementChild.cloneNode(true);
  card.querySelector("h2").textContent = card.querySelector("h2").title = track.title;
  card.querySelector(".artist").textContent = track.artistName;
  card.querySelector("progress").setAttribute("aria-label", words.progress);
  const cover = card.querySelector("img");
  if (isWeb(track.albumImageUrl)) cover.src = track.albumImageUrl;
  else cover.removeAttribute("src");
  const link = card.querySelector("a");
  link.hidden = !isWeb(track.originalUrl);
  if (!link.hidden) link.href = track.originalUrl;
  link.textContent = words.open;
  link.setAttribute("aria-label", `${words.open}: ${track.title}`);
  card.dataset.user = user.id;
  return card;
}

function show(entries) {
  const seen = new Set();
  const order = entries.map((entry) => {
    const key = `${entry.user.id} ${entry.track.id} ${entry.track.createdAt}`;
    seen.add(key);
    const card = cards.get(key)?.card ?? makeCard(entry);
    card.querySelector(".who span").textContent = entry.user.nickName || words.someone;
    setImage(card.querySelector(".who img"), entry.user.profileImageUrl);
    cards.set(key, { card, entry });
    return card;
  });
  for (const key of cards.keys()) if (!seen.has(key)) cards.delete(key);
  if (order.length !== board.children.length || order.some((card, i) => board.children[i] !== card)) {
    board.replaceChildren(...order);
  }
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

async function ask() {
  try {
    const answer = await fetch("/v1/songspy/tracks/current-playing", { signal: AbortSignal.timeout(8000) });
    const { result, data } = await answer.json();
    if (result !== "SUCCESS") throw new Error("no board");
    clock = (Date.parse(answer.headers.get("Date")) || Date.now()) - Date.now();
    show(data);
    say(data.length ? words.count(data.length) : words.nobody);
    heard = Date.now();
    document.body.classList.remove("stale");
  } catch {
    // Whoever withdrew meanwhile must not go on being shown.
    if (Date.now() - heard > trust) show([]);
    say(words.lost);
    document.body.classList.add("stale");
  }
}

async function follow() {
  if (!document.hidden) await ask();
  setTimeout(follow, 2000);
}

document.addEventListener("visibilitychange", () => document.hidden || ask());
setInterval(move, 1000);
follow();
