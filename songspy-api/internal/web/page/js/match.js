// Finds pairs: two users who play the same track, or tracks of the same artist. ../../listening.go
// has the same rule, for the HTML from the server.
import { begin } from "./card.js";

// closest returns pairs {a, b, seconds, isSelf, artist}: the viewer's own pairs first, then
// those whose tracks began closest together in time. The argument most is their largest number.
// There is one pair for each track that several users play. If there is no such track, there is
// one pair for each artist that several users play, and the field artist is the artist's name.
// The argument self is the viewer's entry, or null.
export function closest(entries, self, most) {
  const playing = entries.filter((entry) => entry.state !== "paused" && (!self || entry.person.handle !== self.person.handle));
  const mine = self && self.state !== "paused" ? self : null;
  const pairs = pairsBy(playing, mine, (entry) => [[entry.track.handle, ""]]);
  const found = pairs.length ? pairs : pairsBy(playing, mine, (entry) => entry.track.artists.map((artist) => [artist.uri, artist.name]));
  return found.slice(0, most);
}

// around returns {together, pairs}, the pairs that the page shows. The field together pairs the
// hero's user with another user who plays the same track: the viewer if possible, else the user
// whose track began closest in time to the hero's. It is null if nobody else plays the track.
// The field pairs has the pairs of closest; if together is not null, only those of the viewer
// with a user who does not play the hero's track.
export function around(hero, entries, self, most) {
  const together = hero && pairOf(hero, entries, self);
  const pairs = closest(entries, self, most);
  return { together, pairs: together ? pairs.filter((pair) => pair.isSelf && pair.b.track.handle !== hero.track.handle) : pairs };
}

/** @returns {import("../../types").Pair | null} */
function pairOf(hero, entries, self) {
  const isSelf = (entry) => self && entry.person.handle === self.person.handle;
  const all = self ? [self].concat(entries.filter((entry) => !isSelf(entry))) : entries;
  const distance = (entry) => Math.abs(begin(entry) - begin(hero));
  const others = all.filter((entry) => entry.state !== "paused" && entry.track.handle === hero.track.handle && entry.person.handle !== hero.person.handle);
  if (hero.state === "paused" || others.length === 0) return null;
  const other = isSelf(others[0]) ? others[0] : others.reduce((best, entry) => (distance(entry) < distance(best) ? entry : best));
  const isFirst = isSelf(hero) || (!isSelf(other) && begin(hero) < begin(other));
  const [a, b] = isFirst ? [hero, other] : [other, hero];
  return { a, b, seconds: Math.round(distance(other) / 1000), isSelf: Boolean(isSelf(a)), artist: "" };
}

function pairsBy(playing, mine, keysOf) {
  const groups = new Map();
  for (const entry of mine ? [mine].concat(playing) : playing) {
    for (const [key, artist] of keysOf(entry)) {
      if (!groups.has(key)) groups.set(key, { artist, members: [] });
      groups.get(key).members.push(entry);
    }
  }
  const pairs = /** @type {import("../../types").Pair[]} */ ([]);
  for (const { artist, members } of groups.values()) if (members.length > 1) pairs.push(nearest(members, mine, artist));
  const seen = new Set();
  const isNew = ({ a, b }) => {
    const key = [a.person.handle, b.person.handle].sort().join();
    return !seen.has(key) && seen.add(key);
  };
  return pairs.filter(isNew).sort((x, y) => Number(y.isSelf) - Number(x.isSelf) || x.seconds - y.seconds);
}

/** @returns {import("../../types").Pair} */
function nearest(members, mine, artist) {
  const isSelf = members.includes(mine);
  const sorted = members.slice().sort((x, y) => begin(x) - begin(y));
  let best = /** @type {import("../../types").Pair | null} */ (null);
  for (let i = 1; i < sorted.length; i++) {
    const pair = [sorted[i - 1], sorted[i]];
    const seconds = Math.round((begin(pair[1]) - begin(pair[0])) / 1000);
    if (isSelf && !pair.includes(mine)) continue;
    if (best && best.seconds <= seconds) continue;
    const [a, b] = isSelf && pair[1] === mine ? [pair[1], pair[0]] : pair;
    best = { a, b, seconds, isSelf, artist };
  }
  return /** @type {import("../../types").Pair} */ (best);
}
