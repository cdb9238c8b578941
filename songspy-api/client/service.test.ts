// Calls the service at SONGSPY_URL as the user of GOOGLE_TOKEN, a Google access token.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, dataOf, ServiceError } from "./client.js";
import { readStream, StreamError, type StreamEvent } from "./stream.js";

const baseUrl = process.env["SONGSPY_URL"] ?? "";
const accessToken = process.env["GOOGLE_TOKEN"] ?? "";
const client = connect({ baseUrl, token: () => token });
let token: string | undefined;

test("a user signs in, chooses a nickname and shares with everyone", async () => {
  const user = await dataOf(client.POST("/v1/songspy/google-auth", { body: { accessToken } }));
  token = user.token;
  const edited = await dataOf(client.POST("/v1/songspy/users/{id}/edit", { params: { path: { id: user.id } }, body: { nickName: "  앤  " } }));
  assert.equal(edited.nickName, "앤");
  const sharing = await dataOf(client.PATCH("/v1/songspy/me/sharing", { body: { now: "everyone", findable: true } }));
  assert.deepEqual([sharing.now, sharing.findable, sharing.hideLocal], ["everyone", true, true]);
  const me = await dataOf(client.GET("/v1/songspy/me"));
  assert.deepEqual([me.nickName, me.audience, me.hasSpotify], ["앤", "everyone", false]);
  const found = await dataOf(client.GET("/v1/songspy/people", { params: { query: { q: "앤" } } }));
  assert.deepEqual(found.items.map((person) => person.handle), [me.handle]);
});

test("an error has its code and the invalid field", async () => {
  await assert.rejects(dataOf(client.GET("/v1/songspy/me/plays", { params: { query: { limit: 0 } } })), (e) => {
    assert.ok(e instanceof ServiceError);
    assert.deepEqual([e.status, e.fault?.code, e.fault?.field], [400, "INVALID_REQUEST", "limit"]);
    return true;
  });
  const anonymous = connect({ baseUrl });
  await assert.rejects(dataOf(anonymous.GET("/v1/songspy/me")), (e) => e instanceof ServiceError && e.fault?.code === "UNAUTHORIZED");
});

test("a route without an envelope of its own is typed too", async () => {
  const { data, response } = await client.GET("/v1/songspy/tracks/current-playing");
  assert.match(data?.serverTime ?? "", /^\d{4}-.*Z$/);
  const again = await client.GET("/v1/songspy/tracks/current-playing", { headers: { "If-None-Match": response.headers.get("ETag") ?? "" } });
  assert.equal(again.response.status, 304);
});

test("the stream begins with a snapshot of each topic", async () => {
  const me = await dataOf(client.GET("/v1/songspy/me"));
  const topics = ["window", "following", `person:${me.handle}`];
  const snapshots: StreamEvent[] = [];
  const stop = new AbortController();
  const reading = readStream({
    baseUrl, topics, signal: stop.signal, token: () => token,
    onEvent: (e) => {
      if (snapshots.push(e) === topics.length) stop.abort();
    },
  });
  await reading;
  assert.deepEqual(snapshots.map((e) => e.event === "snapshot" && e.topic), topics);
});

test("the service refuses an unknown topic", async () => {
  const reading = readStream({ baseUrl, topics: ["nothing"], signal: new AbortController().signal, onEvent: () => assert.fail() });
  await assert.rejects(reading, (e) => e instanceof StreamError && e.status === 400 && e.fault?.field === "topics");
});

test("without a session, the topic of followed users ends the reading", async () => {
  await readStream({ baseUrl, topics: ["following"], signal: new AbortController().signal, onEvent: () => assert.fail() });
});
