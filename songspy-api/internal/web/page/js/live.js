// Follows who is listening. All tabs of a browser share one stream: the tab that holds a Web
// Lock (the leader) reads the stream and passes its events to the other tabs through a
// BroadcastChannel. A tab with a share link, with topics that do not fit, or in a browser without
// locks or channels, has its own stream. While there is no stream, the leader or the tab reads the API every few seconds.
import { request, setServerTime } from "./api.js";
import { guard } from "./fault.js";

const emptyAfter = 10000; // milliseconds without news, after which a stream counts as broken and nothing is shown
const openingMax = 20000; // milliseconds until a stream begins to answer
const leaderSilence = 20000; // milliseconds without a message, after which another tab replaces the leader, or the leader forgets a tab
const beatAfter = 2500; // milliseconds since the leader last sent its state, after which data of the stream make it send it again
const askEvery = 5000; // milliseconds between two reads without a stream
const mostTopics = 8;
const signEvery = 300000; // least milliseconds between two requests that show that the viewer is active
const longestWork = 10; // milliseconds of work on events, after which the browser may do something else

const waiting = []; // functions that resume the work once the browser has done something else
const breaks = new MessageChannel();
breaks.port1.onmessage = () => waiting.shift()();

// pauseWork returns a promise that resolves once the browser has had time to paint and to handle
// clicks. It does not use a timer, because a timer would wait for a second in a hidden tab.
function pauseWork() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    breaks.port2.postMessage(0);
  });
}

// readStream reads server-sent events until the stream ends. It calls onEvent(type, data) for
// each event and for a line "retry:", and onByte() for each piece of text that arrives,
// keep-alive comments included. It throws if the answer is not a stream.
async function readStream(topics, link, onEvent, onByte, signal) {
  const query = new URLSearchParams({ topics: topics.join(",") });
  if (link) query.set("link", link);
  const answer = await fetch("/v1/songspy/listening/stream?" + query, { headers: { Accept: "text/event-stream" }, cache: "no-store", signal });
  if (!answer.ok || !answer.body || !(answer.headers.get("Content-Type") || "").startsWith("text/event-stream")) {
    throw Object.assign(new Error("no stream"), { status: answer.status, retryAfter: Number(answer.headers.get("Retry-After")) || 0 });
  }
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onByte();
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop() || "";
    let began = performance.now();
    for (const event of events) {
      if (performance.now() - began > longestWork) {
        await pauseWork();
        if (signal.aborted) return;
        began = performance.now();
      }
      let type = "message";
      let data = "";
      for (const line of event.split("\n")) {
        if (line.startsWith("event:")) type = line.slice(6).trim();
        else if (line.startsWith("data:")) data += line.slice(5).trim();
        else if (line.startsWith("retry:")) onEvent("retry", { after: Number(line.slice(6)) || 1000 });
      }
      if (data) onEvent(type, JSON.parse(data));
    }
  }
}

// ask reads the entries of a topic, such as person:HANDLE, by a request, in place of a stream.
async function ask(topic, link, signal) {
  const [word, handle] = topic.split(":");
  const quiet = (error) => {
    if (error.status === 404) return null;
    throw error;
  };
  if (word === "person") {
    const profile = await request("GET", "/people/{handle}", { path: { handle }, query: { link }, signal }).catch(quiet);
    return profile && profile.nowPlaying ? [Object.assign({ person: profile.person, state: "playing" }, profile.nowPlaying)] : [];
  }
  if (word === "track") {
    const track = await request("GET", "/tracks/{handle}", { path: { handle }, signal }).catch(quiet);
    return track ? track.listeners : [];
  }
  return (await request("GET", "/listening", { query: word === "following" ? { audience: "following", limit: 100 } : {}, signal })).items;
}

// follow calls onEntries(topic, entries) with all entries of a topic after each change. When the
// connection changes, it calls onState(state, emptied). The state is "live", "asking" (it reads
// the API without a stream), "reconnecting" or "offline"; emptied is true if the lists are empty
// now because the connection was lost for too long. It calls onSession when the session has
// ended. If one of these functions throws, the page shows a fault, and the stream goes on. The
// option link is the secret of a share link. The signal ends everything.
export function follow(topics, /** @type {import("../../types").Listeners} */ { onEntries, onState, onSession, link }, signal) {
  const entries = new Map(); // by topic: entries by handle
  let state = "";
  let emptying = 0;

  // setState sets the state of the connection. If the connection is lost, it empties all topics
  // once emptyAfter has passed since newsAt, the time of the last news.
  function setState(next, newsAt) {
    if (next === "live" || next === "asking") {
      clearTimeout(emptying);
      emptying = 0;
    } else if (!emptying) {
      emptying = setTimeout(() => {
        for (const topic of topics) publish(topic, new Map());
        guard(() => onState(state, true));
      }, Math.min(emptyAfter, Math.max(0, newsAt + emptyAfter - Date.now())));
    }
    if (state === next) return;
    state = next;
    guard(() => onState(next, false));
  }

  function publish(topic, map) {
    entries.set(topic, map);
    guard(() => onEntries(topic, Array.from(map.values())));
  }

  function apply(type, data) {
    if (type === "end" && data.reason === "session" && onSession) guard(onSession);
    if (!topics.includes(data.topic)) return;
    if (type === "snapshot") {
      setServerTime(data.serverTime);
      publish(data.topic, new Map(data.items.map((entry) => [entry.person.handle, entry])));
      return;
    }
    const map = entries.get(data.topic) || new Map();
    if (type === "playing" || type === "paused") for (const entry of data.items) map.set(entry.person.handle, entry);
    else if (type === "gone") for (const handle of data.handles) map.delete(handle);
    else return;
    publish(data.topic, map);
  }

  // The server counts a viewer as active for ten minutes after a request. So while the viewer
  // uses the page, or comes back to it, the page sends a small request from time to time.
  let signedAt = Date.now();
  const sign = () => {
    if (document.hidden || Date.now() - signedAt < signEvery) return;
    signedAt = Date.now();
    request("GET", "/listening", { query: { limit: 1 }, signal }).catch(() => null);
  };
  for (const type of ["visibilitychange", "pointermove", "keydown"]) document.addEventListener(type, sign, { signal, passive: true });

  const canShare = !link && "locks" in navigator && typeof BroadcastChannel === "function";
  const shared = { topics, apply, setState, signal };
  if (canShare) share(shared);
  else connect({ wanted: () => topics, link, apply, setState, signal });
  signal.addEventListener("abort", () => clearTimeout(emptying));
}

// connect keeps a stream open for the topics that wanted() returns. While there is no stream,
// and if isWatched() returns true because a tab is visible, it reads the topics by requests. It
// calls onNews() for each piece of the stream. It returns a function that opens the stream
// again, with the topics that wanted() returns then.
function connect({ wanted, link = /** @type {string | undefined} */ (undefined), apply, setState, signal, isWatched = () => !document.hidden, onNews = () => {} }) {
  let failures = 0;
  let newsAt = Date.now();
  let opened; // an AbortController of the current stream
  let wake = () => {};

  const pause = (ms) =>
    new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function stream() {
    let wait = 1000;
    opened = new AbortController();
    const end = () => opened.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, openingMax);
    try {
      await readStream(
        wanted(),
        link,
        (type, data) => {
          if (type === "retry") wait = data.after;
          else {
            failures = 0;
            setState("live", newsAt);
            apply(type, data);
          }
        },
        () => {
          newsAt = Date.now();
          clearTimeout(timer);
          timer = setTimeout(end, emptyAfter);
          onNews();
        },
        opened.signal,
      );
    } catch (error) {
      // If the server answers, but with neither a stream nor a 429 or 503, the next attempt
      // would fail too. So this counts as two failures, after which connect reads by requests.
      failures += error.status && error.status !== 429 && error.status !== 503 ? 2 : 1;
      wait = Math.max(1000 * Math.pow(2, Math.min(failures, 5)), 1000 * (error.retryAfter || 0));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    }
    return wait;
  }

  async function askAll() {
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), 8000);
    try {
      for (const topic of wanted()) apply("snapshot", { topic, items: await ask(topic, link, aborter.signal) });
      newsAt = Date.now();
      setState("asking", newsAt);
    } catch {
      setState(lost(), newsAt);
    } finally {
      clearTimeout(timer);
    }
  }

  let again = false;
  async function run() {
    while (!signal.aborted) {
      again = false;
      const wait = await stream();
      if (signal.aborted) return;
      if (again) continue;
      if (failures < 2) setState(lost(), newsAt);
      const until = Date.now() + Math.random() * wait;
      if (failures > 1) {
        // There may be no streams at all here: read by requests, and try a stream once a minute.
        for (let i = 0; i < 12 && !signal.aborted && !again; i++) {
          if (isWatched()) await askAll();
          await pause(askEvery);
        }
      } else await pause(Math.max(0, until - Date.now()));
    }
  }
  const restart = () => {
    again = true;
    if (opened) opened.abort();
    wake();
  };
  const lost = () => (navigator.onLine === false ? "offline" : "reconnecting");
  window.addEventListener("online", restart, { signal });
  window.addEventListener("offline", () => setState(lost(), newsAt), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || (failures > 1 && wake()), { signal });
  run();
  return restart;
}

// share takes part in the stream that all tabs of the browser share. The tab that holds the lock
// is the leader: it opens the stream for the topics of all tabs, and sends the events and the
// state of the stream to the other tabs. A tab whose topics do not fit into that stream has its
// own stream.
function share({ topics, apply, setState, signal }) {
  const id = Math.random().toString(36).slice(2);
  const channel = new BroadcastChannel("songspy-live");
  const tabs = new Map(); // in the leader: the other tabs by id: {topics, visible, seenAt}
  const known = new Map(); // in the leader: by topic, the entries by handle
  let leading = null; // in the leader: a function that opens the stream again
  let served = []; // the topics of the leader's stream
  let leaderState = { state: "reconnecting", newsAt: Date.now() };
  let leaderSeenAt = Date.now();
  let beatAt = 0; // in the leader: when it last sent its state
  let alone = null; // an AbortController of this tab's own stream, if it has one
  let leaderTimer = 0; // the timer that fires when the leader has sent nothing for emptyAfter

  function union() {
    const all = new Set(topics);
    for (const tab of tabs.values()) for (const topic of tab.topics) all.add(topic);
    return Array.from(all).slice(0, mostTopics);
  }

  function sendState() {
    beatAt = Date.now();
    channel.postMessage({ kind: "beat", ...leaderState });
  }

  // listen begins to wait for the next message of the leader. If none comes within emptyAfter,
  // the connection counts as lost.
  function listen() {
    leaderSeenAt = Date.now();
    clearTimeout(leaderTimer);
    leaderTimer = setTimeout(() => leading || alone || setState("reconnecting", leaderSeenAt), emptyAfter);
  }

  // connectAlone gives this tab its own stream, because the leader's stream has no room for the
  // topics of this tab.
  function connectAlone() {
    if (alone) return;
    alone = new AbortController();
    const { signal: end } = alone;
    ended.signal.addEventListener("abort", () => alone && alone.abort());
    connect({ wanted: () => topics, apply, setState: (state, newsAt) => end.aborted || setState(state, newsAt), signal: end });
  }

  function snapshotOf(topic) {
    return { kind: "event", type: "snapshot", data: { topic, items: Array.from(known.get(topic).values()) } };
  }

  function remember(type, data) {
    if (type === "snapshot") known.set(data.topic, new Map(data.items.map((entry) => [entry.person.handle, entry])));
    const map = known.get(data.topic);
    if (!map) return;
    if (type === "playing" || type === "paused") for (const entry of data.items) map.set(entry.person.handle, entry);
    if (type === "gone") for (const handle of data.handles) map.delete(handle);
  }

  function lead() {
    if (alone) alone.abort();
    alone = null;
    served = union();
    leading = connect({
      wanted: () => (served = union()),
      apply(type, data) {
        remember(type, data);
        apply(type, data);
        channel.postMessage({ kind: "event", type, data });
      },
      setState(state, newsAt) {
        if (state !== "live" && state !== "asking") known.clear();
        leaderState = { state, newsAt };
        setState(state, newsAt);
        sendState();
      },
      // The leader may be a hidden tab. A browser slows down the timers there, but not the data
      // of a stream. So data of the stream, and not only a timer, make the leader send its
      // state.
      onNews() {
        leaderState.newsAt = Date.now();
        if (leaderState.newsAt - beatAt > beatAfter) sendState();
      },
      isWatched: () => !document.hidden || Array.from(tabs.values()).some((tab) => tab.visible),
      signal: ended.signal,
    });
  }

  const ended = new AbortController();
  channel.onmessage = ({ data: message }) => {
    if (message.kind === "want" && leading) {
      const before = tabs.get(message.id);
      tabs.set(message.id, { topics: message.topics, visible: message.visible, seenAt: Date.now() });
      const all = union();
      if (!message.topics.every((topic) => all.includes(topic))) {
        tabs.delete(message.id);
        channel.postMessage({ kind: "full", id: message.id });
      } else if (!all.every((topic) => served.includes(topic))) leading();
      else if (!before) {
        for (const topic of message.topics) if (known.has(topic)) channel.postMessage(snapshotOf(topic));
        sendState();
      }
    } else if (message.kind === "leave") tabs.delete(message.id);
    else if (message.kind === "full" && message.id === id && !leading) connectAlone();
    else if (!leading && (message.kind === "event" || message.kind === "beat")) {
      listen();
      if (alone) return;
      if (message.kind === "event") apply(message.type, message.data);
      else setState(message.state, message.newsAt);
    }
  };

  const want = () => leading || alone || channel.postMessage({ kind: "want", id, topics, visible: !document.hidden });
  const beat = setInterval(() => {
    if (leading) {
      sendState();
      for (const [tab, { seenAt }] of tabs) if (Date.now() - seenAt > leaderSilence) tabs.delete(tab);
      return;
    }
    want();
    if (Date.now() - leaderSeenAt > leaderSilence) hold(true);
  }, 5000);
  document.addEventListener("visibilitychange", want, { signal });

  function hold(steal) {
    listen();
    const options = steal ? { steal: true } : { signal: ended.signal };
    navigator.locks
      .request("songspy-live", options, () => {
        if (ended.signal.aborted) return undefined;
        lead();
        return new Promise((resolve) => ended.signal.addEventListener("abort", resolve));
      })
      .catch(() => {
        // Another tab has taken the lock from this one, or this tab leaves the page. In the
        // first case, a leader reloads its page.
        if (leading && !ended.signal.aborted) location.reload();
      });
  }

  hold(false);
  want();
  signal.addEventListener("abort", () => {
    clearInterval(beat);
    clearTimeout(leaderTimer);
    channel.postMessage({ kind: "leave", id });
    ended.abort();
    channel.close();
  });
}
