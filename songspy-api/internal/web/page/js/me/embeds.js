// Embeds: images for other websites that show what the viewer is playing.
import { request } from "../api.js";
import { get, h } from "../dom.js";
import { act, confirmed, copyField, fill, notes, when } from "../parts.js";
import { me } from "../session.js";
import { lang, t } from "../text.js";

const width = 480;
const height = 148;

export function embeds(state) {
  const said = notes();
  const list = h("div");
  const made = h("div", { "aria-live": "polite" });
  let shown = 0; // the id of the embed whose address is shown
  const label = h("input", { name: "label", maxlength: 100, autocomplete: "off" });
  const submit = h("button", { class: "button" }, t("embeds.create"));
  const form = h("form", {}, h("label", { class: "field" }, t("embeds.label"), label), said, h("p", { class: "actions" }, submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let created = { url: "", embed: { id: 0 } };
    const create = async () => (created = await request("POST", "/me/embeds", { body: { purpose: "embed", label: label.value.trim() } }));
    if (!(await act(submit, said, create, t("embeds.created")))) return;
    label.value = "";
    shown = created.embed.id;
    made.replaceChildren(...preview(created));
    show();
  });
  const audience = h("p", { class: "soft" });
  const explain = () => (audience.textContent = t(["everyone", "link"].includes(state.settings.now) ? "embeds.visible" : "embeds.empty"));
  state.onChange(explain);
  explain();

  const show = () => fill(list, () => request("GET", "/me/embeds"), (all) => {
    if (all.length === 0) return h("p", { class: "soft" }, t("embeds.none"));
    return h("ul", { class: "rows" }, ...all.map((one) => h("li", { "data-embed": one.id }, h("span", { class: "grow", dir: "auto" }, one.label || t("embeds.unnamed"), " ", when(one.createdAt)),
      confirmed(t("embeds.revoke"), t("embeds.revokeSure"), t("embeds.revoke"), async (control) => {
        if (!(await act(control, said, () => request("DELETE", "/me/embeds/{id}", { path: { id: one.id } }), t("embeds.revoked")))) return;
        if (one.id === shown) made.replaceChildren();
        await show();
        get("#embeds-title").focus();
      }))));
  });
  show();
  return [h("p", {}, t("embeds.what")), audience, form, made, list];
}

// preview returns elements that show the new image as other pages will show it, with the HTML
// and the address to copy.
function preview({ url }) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const image = new URL(url, location.origin);
  image.searchParams.set("lang", lang());
  const html = '<a href="' + location.origin + "/u/" + me().handle + '"><img src="' + image + '" alt="' + t("embeds.alt") + '" width="' + width + '" height="' + height + '"></a>';
  const shown = new URL(image.pathname + image.search, location.origin);
  if (dark) shown.searchParams.set("theme", "dark");
  return [h("p", {}, t("embeds.once")), h("img", { class: "embed", src: shown.href, alt: t("embeds.alt"), width, height }), copyField(t("embeds.code"), html), copyField(t("embeds.address"), image.href)];
}
