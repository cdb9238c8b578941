// Tests the rules of reconnecting, with a fake fetch and with mocked timers.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { lostAfter, readStream, silentAfter, StreamError, type StreamEvent, type StreamOptions } from "./stream.js";

/** Connection is a connection that the client has opened. The test writes to it. */
class Connection {
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly body = new ReadableStream<Uint8Array>({ start: (c) => void (this.controller = c) });
  constructor(readonly url: URL, readonly headers: Headers, readonly signal: AbortSignal) {
    signal.addEventListener("abort", () => this.fail());
  }
  async write(text: string | Uint8Array) {
    this.controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
    await settle();
  }
  fail() {
    try {
      this.controller.error(new TypeError("terminated"));
    } catch {
      // The stream has ended already.
    }
  }
}

let connections: Connection[];
let answers: Response[]; // the answers to the next requests, in order; when none is left, a request gets a stream
let events: StreamEvent[];
let stop: AbortController;

/** settle waits until all callbacks that wait for no timer have run. The timers are mocked, so it fires none. */
const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((done) => setImmediate(done));
};
const pass = async (ms: number) => {
  mock.timers.tick(ms);
  await settle();
};
const snapshot = 'event: snapshot\ndata: {"topic":"window","serverTime":"2026-11-27T00:00:00.000Z","items":[]}\n\n';

beforeEach(() => {
  [connections, answers, events, stop] = [[], [], [], new AbortController()];
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(globalThis, "fetch", async (url: URL, init: { headers: HeadersInit; signal: AbortSignal }) => {
    const connection = new Connection(url, new Headers(init.headers), init.signal);
    connections.push(connection);
    return answers.shift() ?? new Response(connection.body, { headers: { "Content-Type": "text/event-stream" } });
  });
});
afterEach(() => {
  stop.abort();
  mock.reset();
  mock.timers.reset();
});

async function read(more: Partial<StreamOptions> = {}) {
  const reading = { done: readStream({
    baseUrl: "http://songspy.test", topics: ["window", "following"], onEvent: (e) => events.push(e), signal: stop.signal, random: () => 1, ...more,
  }) };
  reading.done.catch(() => {}); // the test checks the error later; until then it must not count as unhandled
  await settle();
  return reading;
}
const names = () => events.map((e) => e.event).join();
const wantConnections = (n: number) => assert.equal(connections.length, n);

test("events are read in order, wherever the network cuts them", async () => {
  await read({ token: () => "the-token" });
  assert.equal(connections[0]!.url.href, "http://songspy.test/v1/songspy/listening/stream?topics=window%2Cfollowing");
  assert.equal(connections[0]!.headers.get("Authorization"), "Bearer the-token");
  const text = new TextEncoder().encode('retry: 3000\n\n' + snapshot + ': \n\nevent: gone\ndata: {"topic":"window","handles":["앤"]}\n\n');
  for (const byte of text) await connections[0]!.write(Uint8Array.of(byte));
  assert.equal(names(), "snapshot,gone");
  assert.deepEqual(events[1], { event: "gone", topic: "window", handles: ["앤"] });
});

test("the wait grows with every failure, up to a minute, and starts again after a snapshot", async () => {
  await read();
  await connections[0]!.write("retry: 3000\n\n" + snapshot);
  for (const [i, wait] of [3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000].entries()) {
    connections[i]!.fail();
    await settle();
    await pass(wait - 1);
    wantConnections(i + 1);
    await pass(1);
    wantConnections(i + 2);
  }
  await connections[7]!.write(snapshot);
  connections[7]!.fail();
  await settle();
  await pass(3000);
  wantConnections(9);
});

test("the wait is a random part of it", async () => {
  await read({ random: () => 0.25 });
  await connections[0]!.write("retry: 8000\n\n" + snapshot + 'event: end\ndata: {"reason":"restart"}\n\n');
  await pass(1999);
  wantConnections(1);
  await pass(1);
  wantConnections(2);
});

test("a connection that is silent for 10 s is replaced; a comment is a sign of life", async () => {
  await read();
  await connections[0]!.write("retry: 1000\n\n" + snapshot);
  await pass(5_000);
  await connections[0]!.write(": \n\n");
  await pass(silentAfter - 1);
  assert.equal(connections[0]!.signal.aborted, false);
  await pass(1);
  assert.equal(connections[0]!.signal.aborted, true);
  await pass(1000);
  wantConnections(2);
});

test("the loss is reported once, 10 s after the connection broke, and again after the next one", async () => {
  await read();
  await connections[0]!.write("retry: 4000\n\n" + snapshot);
  connections[0]!.fail();
  await settle();
  await pass(4000);
  connections[1]!.fail();
  await settle();
  await pass(lostAfter - 4000 - 1);
  assert.equal(names(), "snapshot");
  await pass(1);
  assert.equal(names(), "snapshot,lost");
  await pass(60_000);
  assert.equal(names(), "snapshot,lost");
  await connections[2]!.write(snapshot);
  connections[2]!.fail();
  await settle();
  for (let i = 3; i < 6; i++) {
    await pass(2500);
    connections[i]?.fail();
    await settle();
  }
  await pass(2500);
  assert.equal(names(), "snapshot,lost,snapshot,lost");
});

test("a connection that comes back within 10 s is not reported", async () => {
  await read();
  await connections[0]!.write("retry: 4000\n\n" + snapshot);
  connections[0]!.fail();
  await settle();
  await pass(4000);
  await connections[1]!.write(snapshot);
  await pass(lostAfter);
  assert.equal(names(), "snapshot,snapshot");
});

for (const [name, begin] of Object.entries({
  "the end of the session": async () => {
    await read({ renewSession: renew });
    await connections[0]!.write('event: end\ndata: {"reason":"session"}\n\n');
  },
  "a 401": async () => {
    answers.push(new Response("{}", { status: 401 }));
    await read({ renewSession: renew });
  },
})) {
  test(`after ${name} the client asks who it is before it reconnects`, async () => {
    renewed = [true, false];
    await begin();
    assert.equal(renewed.length, 1);
    await pass(1000);
    wantConnections(2);
    answers.push(new Response("{}", { status: 401 }));
    connections[1]!.fail();
    await settle();
    await pass(2000);
    wantConnections(3);
    assert.equal(renewed.length, 0);
    await pass(120_000);
    wantConnections(3); // renewSession has returned false: the user is signed out
  });
}
let renewed: boolean[];
const renew = async () => renewed.shift()!;

test("Retry-After is waited for, and then the jitter", async () => {
  answers.push(new Response("{}", { status: 503, headers: { "Retry-After": "30" } }), new Response("{}", { status: 429, headers: { "Retry-After": "5" } }));
  await read();
  await pass(30_999);
  wantConnections(1);
  await pass(1);
  wantConnections(2);
  await pass(6999);
  wantConnections(2);
  await pass(1);
  wantConnections(3);
});

test("a refusal that asking again would not change is thrown", async () => {
  answers.push(new Response('{"error":{"code":"INVALID_REQUEST","message":"m","field":"topics"}}', { status: 400 }));
  await assert.rejects((await read()).done, (e) => e instanceof StreamError && e.status === 400 && e.fault?.field === "topics");
});

test("an error of the listener is thrown", async () => {
  const reading = await read({ onEvent: () => { throw new Error("of the listener"); } });
  await connections[0]!.write(snapshot);
  await assert.rejects(reading.done, /of the listener/);
});

test("the signal ends the reading, connected or waiting", async () => {
  const connected = await read();
  stop.abort();
  await connected.done;
  stop = new AbortController();
  const waiting = await read();
  connections[1]!.fail();
  await settle();
  stop.abort();
  await waiting.done;
  await pass(120_000);
  wantConnections(2);
});
