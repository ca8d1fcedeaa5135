// What the address says: #plan?gpus=512xH100&tokens=2T, and two questions side by side with a | between them.

/** Questions of an address: [{verb, given}], at most two. Unknown verbs and options are passed over. */
export function parse(hash, form) {
  const verbs = new Map(form.verbs.map((verb) => [verb.name, verb]));
  return hash.replace(/^#/, "").split("|").slice(0, 2).map((text) => {
    const [name, rest = ""] = text.split(/\?(.*)/s);
    const verb = verbs.get(name);
    if (!verb) return null;
    const pairs = [...new URLSearchParams(rest)].filter(([key, held]) => verb.fields.includes(key) && held !== "");
    return { verb: name, given: Object.fromEntries(pairs) };
  }).filter((question) => question !== null);
}

export function address(questions) {
  return "#" + questions.map(({ verb, given }) => `${verb}?${new URLSearchParams(given)}`).join("|");
}

/** The body of a request: texts as typed, yes and no as booleans. */
export function body(given, fields) {
  return Object.fromEntries(Object.entries(given).filter(([, held]) => held !== "")
    .map(([name, held]) => [name, fields[name].flag ? held === "true" : held]));
}
