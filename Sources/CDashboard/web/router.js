// Addresses behind the hash: "#/logs/req_1?status=4xx" is page "logs", rest ["req_1"], query {status: "4xx"}.

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").map(decode);
  return { page: parts[0], rest: parts.slice(1).filter(part => part !== ""), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page, for links. */
export function link(page, rest = [], query = {}) {
  const path = [page, ...rest].map(encodeURIComponent).join("/");
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `#/${path}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
}

export function go(...place) {
  location.hash = link(...place);
}

/** Changes the address without a new entry in the history and without showing the page anew. */
export function replace(...place) {
  history.replaceState(null, "", link(...place));
}
