// The server's JSON API. A refusal is an Error with the line of the command line and what its exit code means.

const KEPT = "hwmodel-token";

/** A token in the address (#token=...) is kept for this tab and taken out of what could be shared. */
export function keepToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(KEPT, found[1]);
  history.replaceState(null, "", location.pathname);
}

function heads(more = {}) {
  const token = sessionStorage.getItem(KEPT);
  return token ? { ...more, authorization: `Bearer ${token}` } : more;
}

async function refusal(response) {
  let told = { message: `the server answered ${response.status}`, meaning: "" };
  try { told = (await response.json()).error; } catch { /* no JSON: the status alone is known */ }
  return Object.assign(new Error(told.message), { meaning: told.meaning, code: told.exit_code });
}

export async function read(path) {
  const response = await fetch(path, { headers: heads() });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

async function post(path, body, signal) {
  const response = await fetch(path, {
    method: "POST", signal, headers: heads({ "content-type": "application/json" }), body: JSON.stringify(body),
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

export const ask = async (verb, given, signal) => (await post(`api/${verb}`, given, signal)).json();
export const report = async (verb, given) => (await post(`api/${verb}/report`, given)).blob();
export const launch = async (verb, question, targets) => (await post(`api/${verb}/launch`, { question, targets })).blob();
