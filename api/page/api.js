// Asks the server that this page came from (docs/api.md).
//
// What goes wrong is thrown as a Failure: its message is for people, its `type` is what docs/api.md
// lists, its `status` is 0 where there was no answer.

export class Failure extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? (status ? `The server answered ${status}.` : 'The server does not answer.'));
    this.status = status;
    this.type = (problem?.type ?? '').split('/').pop();
  }
}

// A space as %20, for the server takes "+" as it stands. What is empty is left out.
export function url(path, query = {}) {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== '' && value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/api/v1${path}${pairs.length ? '?' : ''}${pairs.join('&')}`;
}

async function send(method, target, body) {
  // The header is what tells this page from another site's, which could make a browser send the cookie.
  const headers = {'X-Lookback-Request': '1'};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(target, {method, headers, body: text}).catch(() => {
    throw new Failure(0);
  });
  if (answer.ok) return answer;
  throw new Failure(answer.status, await answer.json().catch(() => undefined));
}

export const get = async (path, query) => (await send('GET', url(path, query))).json();

export const text = async (path, query) => (await send('GET', url(path, query))).text();

export const post = async (path, body) => (await send('POST', url(path), body)).json();

export const remove = (path) => send('DELETE', url(path));

// The headers of what GET would give.
export const head = async (path, query) => (await send('HEAD', url(path, query))).headers;
