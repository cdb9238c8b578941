// Reads the stream of the live board with fetch, which can send a JWT. EventSource cannot.
import type { Fault, Schemas } from "./client.js";

export type StreamEvent =
  | ({ event: "snapshot" } & Schemas["LiveSnapshot"])
  | ({ event: "playing" | "paused" } & Schemas["LiveItems"])
  | ({ event: "gone" } & Schemas["LiveGone"])
  | ({ event: "reset" } & Schemas["LiveReset"])
  | ({ event: "end" } & Schemas["LiveEnd"])
  /** There has been no connection for 10 s, so what the client shows may be wrong. A snapshot comes when the client is connected again. */
  | { event: "lost" };

export interface StreamOptions {
  baseUrl: string;
  topics: string[];
  onEvent: (event: StreamEvent) => void;
  /** The secret of a share link. It lets the viewer see the owner of the link, in the topic of this owner. */
  link?: string;
  /** Aborting the signal ends readStream. */
  signal: AbortSignal;
  /** Returns the JWT for the next connection. If token is missing or returns undefined, a browser sends its session cookie. */
  token?: () => string | undefined;
  /**
   * Is called when the session has ended. Returns whether the user is signed in, after renewing
   * the session if needed. If it returns false or is missing, readStream returns.
   */
  renewSession?: () => Promise<boolean>;
  random?: () => number;
}

/** StreamError is thrown if the service refuses the stream, and asking again would not help. */
export class StreamError extends Error {
  constructor(readonly status: number, readonly fault: Fault | undefined) {
    super(fault?.message ?? `the service answered ${status}`);
  }
}

/** A connection is dead if it brings no event and no comment for this time, in ms. The server sends a comment every 5 s. */
export const silentAfter = 10_000;
export const lostAfter = 10_000;
/** The longest random wait before a reconnection, in ms. Retry-After comes in addition. */
export const longestWait = 60_000;

/**
 * readStream calls onEvent for each event. When a connection ends, it connects again. It returns
 * when the signal is aborted, or when the session has ended and renewSession is missing or
 * returns false. It throws a StreamError if the service refuses the stream with a status below
 * 500 other than 401 and 429: then asking again would not help.
 */
export async function readStream(o: StreamOptions): Promise<void> {
  const state: State = { retry: 1000, failures: 0 };
  const lost = () => o.onEvent({ event: "lost" });
  let alarm: ReturnType<typeof setTimeout> | undefined;
  try {
    while (!o.signal.aborted) {
      const end = await connectOnce(o, state, () => {
        clearTimeout(alarm);
        alarm = undefined;
      });
      if (o.signal.aborted) return;
      if (end.kind === "session" && !(await (o.renewSession ?? (async () => false))())) return;
      alarm ??= setTimeout(lost, lostAfter);
      // Full jitter: clients that lost their connections together do not reconnect together.
      const jitter = (o.random ?? Math.random)() * Math.min(longestWait, state.retry * 2 ** state.failures);
      state.failures = Math.min(state.failures + 1, 16);
      await pause(end.retryAfter + jitter, o.signal);
    }
  } finally {
    clearTimeout(alarm);
  }
}

/** State is kept between connections. retry is the wait that the server sends, in ms. failures is how many connections ended since the last snapshot, at most 16. */
interface State {
  retry: number;
  failures: number;
}

interface End {
  kind: "closed" | "session";
  retryAfter: number; // ms
}

/** connectOnce reads one connection to its end. It calls connected at each snapshot. */
async function connectOnce(o: StreamOptions, state: State, connected: () => void): Promise<End> {
  const end: End = { kind: "closed", retryAfter: 0 };
  const connection = new AbortController();
  const stop = () => connection.abort();
  o.signal.addEventListener("abort", stop);
  let watch = setTimeout(stop, silentAfter);
  let delivering = false;
  try {
    const address = new URL("/v1/songspy/listening/stream", o.baseUrl);
    address.searchParams.set("topics", o.topics.join(","));
    if (o.link !== undefined) address.searchParams.set("link", o.link);
    const token = o.token?.();
    const headers: HeadersInit = { Accept: "text/event-stream", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
    const response = await fetch(address, { headers, signal: connection.signal, cache: "no-store" });
    if (!response.ok || response.body === null) {
      const body = (await response.json().catch(() => undefined)) as { error?: Fault } | undefined;
      if (response.status === 401) end.kind = "session";
      else if (response.status < 500 && response.status !== 429) throw new StreamError(response.status, body?.error);
      end.retryAfter = 1000 * (Number(response.headers.get("Retry-After")) || 0);
      return end;
    }
    for await (const field of fields(response.body)) {
      clearTimeout(watch);
      watch = setTimeout(stop, silentAfter);
      if (field.retry !== undefined) state.retry = field.retry;
      if (field.event === undefined) continue;
      delivering = true;
      o.onEvent(field.event);
      delivering = false;
      if (field.event.event === "snapshot") {
        state.failures = 0;
        connected();
      }
      if (field.event.event === "end") {
        if (field.event.reason === "session") end.kind = "session";
        return end;
      }
    }
  } catch (e) {
    if (delivering || e instanceof StreamError) throw e; // any other error means that the connection broke, so the caller connects again
  } finally {
    clearTimeout(watch);
    o.signal.removeEventListener("abort", stop);
    connection.abort();
  }
  return end;
}

/** fields yields an empty object for each chunk of the body, which shows that the connection works, and then an object for each field "retry" and for each event in the chunk. */
async function* fields(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event?: StreamEvent; retry?: number }> {
  const decoder = new TextDecoder();
  let rest = "";
  let name = "";
  let data: string[] = [];
  for await (const part of body) {
    yield {};
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const colon = line.indexOf(":");
      const [field, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (line === "" && data.length > 0) yield { event: { event: name, ...JSON.parse(data.join("\n")) } as StreamEvent };
      if (line === "") [name, data] = ["", []];
      else if (field === "event") name = value;
      else if (field === "data") data.push(value);
      else if (field === "retry" && /^\d+$/.test(value)) yield { retry: Number(value) };
    }
  }
}

/** pause waits for the given number of ms, or until the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}
