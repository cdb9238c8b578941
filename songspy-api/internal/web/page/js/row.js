// Parts that several pages show.
import { serverNow } from "./api.js";
import { name } from "./card.js";
import { announce, artists, get, h, isWeb, outLink, setText } from "./dom.js";
import { ago, t } from "./text.js";

// showConnection shows what is wrong with the connection, and what happens next. Screen readers
// read that, and also that the connection works again. The arguments are those of onState in
// live.js: emptied says that the lists are empty because the connection is lost.
export function showConnection(state, emptied) {
  const line = get("#connection");
  const lost = state === "reconnecting" || state === "offline";
  const text = !lost ? "" : t(state === "offline" ? "now.offline" : emptied ? "now.reconnecting" : "now.unsteady");
  // Screen readers may miss the text of a region that was hidden just before, as this line is.
  // So announce writes the text into another region, which is never hidden.
  if (line.textContent !== text) announce(text || t("now.connected"));
  setText(line, text);
  line.hidden = !text;
}

// cover returns the album art of a track with a link to the track, or null if the track has no
// album art or no address.
export function cover(track) {
  if (!isWeb(track.originalUrl) || !isWeb(track.albumImageUrl)) return null;
  const img = h("img", { alt: "", width: 96, height: 96, src: track.albumImageUrl, loading: "lazy", referrerpolicy: "no-referrer" });
  return h("a", { class: "art", href: track.originalUrl, tabindex: -1, "aria-hidden": "true", target: "_blank", rel: "noopener noreferrer" }, img);
}

// playRow returns a row of a list of plays, with the user's name if play.person is set.
export function playRow(play) {
  const { track } = play;
  return h(
    "li",
    { class: "row", "data-play": play.startedAt },
    cover(track) || h("span", { class: "art" }),
    h(
      "div",
      {},
      h("p", { class: "title" }, outLink(track.originalUrl, track.title, { title: track.title })),
      h("p", { class: "soft" }, ...artists(track), ...(track.album ? [" · ", outLink(track.album.url, track.album.name)] : [])),
      h("p", { class: "soft" }, ...(play.person ? [h("a", { href: "/u/" + encodeURIComponent(play.person.handle), dir: "auto" }, name(play.person)), " · "] : []), ago(Date.parse(play.startedAt), serverNow())),
    ),
  );
}
