// The last 200 plays, each of which can be deleted.
import { request } from "../api.js";
import { h } from "../dom.js";
import { act, art, button, confirmed, logo, notes, pages, removeRow, trackText, when } from "../parts.js";
import { clock, t } from "../text.js";

const most = 200;

export function history(state) {
  const list = pages("/me/plays", row, { empty: t("history.none"), limit: 20, most });
  return [h("p", { class: "soft" }, t("history.hint", { n: most })), logo(), list];

  function row(play) {
    const { track } = play;
    const said = notes();
    const element = h("li", { "data-play": play.id }, art(track, 56), h("div", { class: "grow" }, trackText(track), h("p", { class: "soft" }, when(play.startedAt), " · ", t("history.listened", { time: clock(play.listenedMs) }),
      play.provisional || play.probable ? " · " + t(play.probable ? "history.probable" : "history.provisional") : null)), menu(), said);
    return element;

    function menu() {
      const hideItem = (uri, text) => {
        const control = button(text, async () => {
          const hide = () => request("PUT", "/me/hidden/{uri}", { path: { uri } });
          if (!(await act(control, said, hide, t("history.hidden")))) return;
          said.replaceChildren(t("history.hidden"));
          state.changed();
          state.onHidden();
        }, { class: false });
        return control;
      };
      const canHide = (uri) => /^spotify:(track|artist|episode|chapter):/.test(uri);
      return h("details", {}, h("summary", { "aria-label": t("history.menuOf", { title: track.title }) }, t("history.menu")), h("span", { class: "actions" },
        confirmed(t("history.delete"), t("history.deleteSure"), t("history.delete"), async (control) => {
          if (!(await act(control, said, () => request("DELETE", "/me/plays/{id}", { path: { id: play.id } }), t("history.deleted")))) return;
          removeRow(element, "summary");
        }),
        canHide(track.uri) && hideItem(track.uri, t("history.hideTrack")),
        ...track.artists.filter((a) => canHide(a.uri)).map((a) => hideItem(a.uri, t("history.hideArtist", { name: a.name })))));
    }
  }
}
