// The admin API. The session's cookie goes along by itself; the header shows that the dashboard is asking.

/** What the API answers when it refuses: `error.code`, `error.param`, `error.status` say what and where. */
class APIError extends Error {
  constructor(status, details) {
    super(details.message);
    Object.assign(this, { status, code: details.code, param: details.param });
  }
}

let onSignedOut = () => {};

/** Tells who is to know that the session has ended. */
export function whenSignedOut(action) {
  onSignedOut = action;
}

/**
 * Asks and returns the decoded answer. An answer's entity tag becomes `etag` of the object, and `options.etag` makes
 * a change depend on that the object is still the same (412 if not).
 */
async function request(method, path, body, options = {}) {
  const headers = { "x-fastgate-dashboard": "1" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (options.etag) headers["if-match"] = options.etag;
  let response;
  try {
    response = await fetch(path, {
      method, headers, signal: options.signal, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new APIError(0, { message: "", code: "unreachable" });
  }
  const isJSON = (response.headers.get("content-type") ?? "").startsWith("application/json");
  const answer = isJSON ? await response.json() : await response.text();
  if (!response.ok) {
    const details = answer.error ?? { message: `${response.status} ${response.statusText}`, code: "unknown" };
    if (response.status === 401 && !options.signsIn) onSignedOut();
    throw new APIError(response.status, details);
  }
  const etag = response.headers.get("etag");
  if (etag && isJSON) Object.defineProperty(answer, "etag", { value: etag });
  return answer;
}

/** A path with a query; members that are null, undefined or empty are left out. */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}

export const api = {
  get: (path, query = {}, options) => request("GET", withQuery(path, query), undefined, options),
  post: (path, body, options) => request("POST", path, body, options),
  put: (path, body, options) => request("PUT", path, body, options),
  patch: (path, body, options) => request("PATCH", path, body, options),
  delete: (path, options) => request("DELETE", path, undefined, options),

  session: () => request("GET", "/admin/session"),
  signIn: token => request("POST", "/admin/session", { token }, { signsIn: true }),
  signOut: () => request("DELETE", "/admin/session", undefined, { signsIn: true }),
};
