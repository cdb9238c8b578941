// The overlay shows what the owner of its token plays. It shows nothing while it does not know
// what the owner plays.

const SILENCE_MAX = 10_000; // in ms; after this time without an event or a comment nothing is shown, and the connection is replaced
const RETRY_MAX = 15_000;

const token = location.pathname.split("/").pop();
const address = `/v1/songspy/listening/stream?topics=owner&token=${encodeURIComponent(token)}`;
const card = document.querySelector("main");
const byId = (id) => document.getElementById(id);

function show(item) {
  card.hidden = !item || item.state !== "playing";
  if (card.hidden) return;
  const { track } = item;
  byId("title").textContent = byId("title").title = track.title;
  byId("artist").textContent = byId("artist").title = track.artistName;
  byId("logo").hidden = track.kind === "local";
  const art = byId("art");
  art.hidden = !/^https?:\/\//.test(track.albumImageUrl);
  if (art.hidden) art.removeAttribute("src");
  else art.src = track.albumImageUrl;
}

const handlers = {
  snapshot: (data) => show(data.items[0]),
  playing: (data) => show(data.items[0]),
  paused: () => show(null),
  gone: () => show(null),
  reset: () => show(null),
  end: () => show(null),
};

// read passes the events of one connection to the handlers. It uses fetch, because EventSource
// does not report comments, and a comment is a sign that the connection works.
async function read() {
  const stop = new AbortController();
  let silence = setTimeout(() => stop.abort(), SILENCE_MAX);
  try {
    const answer = await fetch(address, { signal: stop.signal, cache: "no-store", credentials: "omit" });
    if (!answer.ok) return;
    let rest = "";
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MAX);
      clearTimeout(emptying);
      emptying = setTimeout(() => show(null), SILENCE_MAX);
      const events = (rest + text).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const lines = event.split("\n");
        const name = lines.find((l) => l.startsWith("event: "))?.slice("event: ".length);
        const data = lines.find((l) => l.startsWith("data: "))?.slice("data: ".length);
        if (name && data) handlers[name]?.(JSON.parse(data));
      }
    }
  } finally {
    clearTimeout(silence);
  }
}

let emptying; // the timer that empties the card, from the last event or comment on
for (let failures = 0; ; failures++) {
  const began = Date.now();
  await read().catch(() => {});
  if (Date.now() - began > SILENCE_MAX) failures = 0;
  // The random wait spreads the connections of all clients when a server comes back.
  const wait = Math.random() * Math.min(1000 * 2 ** failures, RETRY_MAX);
  await new Promise((resolve) => setTimeout(resolve, wait));
}
