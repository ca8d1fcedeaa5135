// Elements without a framework: h("p", {class: "note"}, "text", child).

const PROPERTIES = new Set(["value", "checked", "disabled", "open", "hidden"]);

export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) {
    if (given === null || given === undefined || given === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), given);
    else if (PROPERTIES.has(name)) made[name] = given;
    else made.setAttribute(name, given === true ? "" : given);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** A table from rows of cells; the first cell of a row is its heading. */
export function table(heads, rows, caption) {
  const cell = (text, i) => (i === 0 ? h("th", { scope: "row" }, text) : h("td", {}, text));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell))))));
}
