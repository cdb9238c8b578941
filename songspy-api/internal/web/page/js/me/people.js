// The part of the page /me with follow requests, followers, followed users and blocks.
import { request } from "../api.js";
import { h } from "../dom.js";
import { act, button, confirmed, notes, pages, personLink, removeRow, when } from "../parts.js";
import { t } from "../text.js";

export function people(state) {
  const requests = h("div");
  const followers = h("div");
  const options = ({ handle }) => ({ path: { handle } });

  // row returns the row of a user: the name, the time "at", and buttons. Each control is a
  // function with the parameters said and row that returns a button: said is the element for the
  // errors of the button, and row() returns the row.
  function row(person, at, ...controls) {
    const said = notes();
    const element = h("li", { "data-person": person.handle }, h("span", { class: "grow" }, personLink(person), " ", when(at)), h("span", { class: "actions" }, ...controls.map((control) => control(said, () => element))), said);
    return element;
  }
  const plain = (text, call, done, after) => (said, row) => {
    const control = button(text, async () => {
      if (await act(control, said, call, done)) after(row());
    });
    return control;
  };
  const asked = (text, question, call, done) => (said, row) => confirmed(text, question, text, async (control) => {
    if (await act(control, said, call, done)) leave(row());
  });

  function leave(row) {
    removeRow(row);
    state.changed();
  }

  const isRequest = (follow) => follow.state === "requested";
  function showRequests() {
    requests.replaceChildren(pages("/me/followers", (follow) => isRequest(follow) && row(follow.person, follow.askedAt,
      plain(t("people.approve"), () => request("PUT", "/me/followers/{handle}", options(follow.person)), t("people.approved"), (element) => {
        leave(element);
        showFollowers();
      }),
      plain(t("people.refuse"), () => request("DELETE", "/me/followers/{handle}", options(follow.person)), t("people.refused"), leave)), { empty: t("people.noRequests"), limit: 100 }));
  }

  function showFollowers() {
    followers.replaceChildren(pages("/me/followers", (follow) => !isRequest(follow) && row(follow.person, follow.approvedAt,
      asked(t("people.remove"), t("people.removeSure"), () => request("DELETE", "/me/followers/{handle}", options(follow.person)), t("people.removed")),
      asked(t("people.block"), t("people.blockSure"), () => request("PUT", "/people/{handle}/block", options(follow.person)).then(showBlocks), t("people.blocked"))), { empty: t("people.noFollowers"), limit: 100 }));
  }

  const blocks = h("div");
  const showBlocks = () => blocks.replaceChildren(pages("/me/blocks", ({ person, blockedAt }) => row(person, blockedAt,
    plain(t("people.unblock"), () => request("DELETE", "/people/{handle}/block", options(person)), t("people.unblocked"), leave)), { empty: t("people.noBlocks") }));
  const following = pages("/me/following", (follow) => row(follow.person, follow.approvedAt || follow.askedAt,
    plain(t(follow.state === "approved" ? "people.unfollow" : "people.withdraw"), () => request("DELETE", "/people/{handle}/follow", options(follow.person)), t("people.unfollowed"), leave)), { empty: t("people.noFollowing") });
  showRequests();
  showFollowers();
  showBlocks();
  return [h("h3", {}, t("people.requests")), requests, h("h3", {}, t("people.followers")), followers, h("h3", {}, t("people.following")), following, h("h3", {}, t("people.blocks")), h("p", { class: "soft" }, t("people.blocksHint")), blocks];
}
