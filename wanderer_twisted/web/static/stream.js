// One stream: an EventSource, and the phase that it is in.

const NAMES = ['connected', 'batch', 'transition', 'killmail', 'heartbeat', 'warning', 'gap'];

const PATIENCE_MS = 10_000;
const SILENT_MS = 130_000; // two of the longest heartbeats: the connection is dead

let token = '';

/** Take the token for all requests from now on. It is kept here and nowhere else. */
export function setToken(text) {
  token = text.trim();
}

export function hasToken() {
  return token !== '';
}

/** The address of a stream, as people share it: without the token. */
export function address(query = '') {
  const url = new URL('api/v1/kills/stream', document.baseURI);
  url.search = query;
  return url.href;
}

/** Fetch a document of the server's; it fails where none comes. */
export function ask(path) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return fetch(new URL(path, document.baseURI), { headers, signal, cache: 'no-store' });
}

/**
 * A stream that runs until it is closed or refused for good.
 *
 * Phases: connecting, history, live, reconnecting; refused: the server said no, and the
 * browser comes back by itself; ended: it does not.
 */
export class Stream {
  #source;
  #query;
  #phase = '';
  #told;
  #timer = 0;

  /** Where another stream can go on. */
  cursor;

  /**
   * @param query the parameters, without a token.
   * @param told told.event(name, data, event) and told.phase(phase, message, status).
   * @param cursor of the stream that this one goes on with.
   */
  constructor(query, told, cursor = '') {
    this.#query = query;
    this.#told = told;
    this.cursor = cursor;
    this.#open();
    this.#move('connecting', 'Connecting');
  }

  close() {
    clearTimeout(this.#timer);
    this.#source.close();
    this.#told = null;
  }

  #open() {
    const more = Object.entries({ token, last_event_id: this.cursor })
      .map(([name, value]) => value && `${name}=${encodeURIComponent(value)}`);
    const query = [this.#query, ...more].filter(Boolean).join('&');
    this.#source = new EventSource(address(query));
    for (const name of [...NAMES, 'error']) {
      this.#source.addEventListener(name, (event) => this.#take(name, event));
    }
    this.#watch();
  }

  /** Some proxies keep a connection whose other end is gone: a browser never would notice. */
  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#source.close();
      this.#open();
      this.#move('reconnecting', 'No word for long; reconnecting');
    }, SILENT_MS);
  }

  #take(name, event) {
    if (event.data === undefined) {
      this.#lose(); // the connection's own error, which has no data
      return;
    }
    this.#watch();
    const data = JSON.parse(event.data);
    this.cursor = event.lastEventId || this.cursor;
    if (name === 'connected') {
      const historical = data.mode === 'historical';
      const how = data.resumed ? 'Resumed' : 'Connected';
      this.#move(
        historical ? 'history' : 'live',
        `${how}; ${historical ? 'the past comes first' : 'live'}`,
      );
    } else if (name === 'transition') {
      this.#move('live', 'The past is told; live from here on');
    } else if (name === 'error') {
      const seconds = Math.ceil(data.retry_after_ms / 1000);
      this.#move('refused', `${data.message}. Next try in ${seconds} s`);
    }
    this.#told?.event(name, data, event);
  }

  #lose() {
    if (this.#source.readyState === EventSource.CLOSED) {
      clearTimeout(this.#timer);
      this.#explain();
    } else if (this.#phase !== 'refused') {
      this.#move('reconnecting', 'Connection lost; reconnecting');
    }
  }

  /** Find out why: a browser tells no status. A dry run is refused as the stream was. */
  async #explain() {
    let status = 0;
    let message = 'The server cannot be reached';
    try {
      const response = await ask(`api/v1/kills/stream?${this.#query}&dry_run=1`);
      status = response.status;
      message = response.ok ? 'The stream was refused; it would not be now' : `Refused (${status})`;
      message = (await response.json()).error?.message ?? message;
    } catch {
      // Not there, or not JSON, as of some proxy: what is known by now is told.
    }
    if (status === 401) message = `This server asks for a token: ${message} (401)`;
    this.#move('ended', message, status);
  }

  #move(phase, message, status = 0) {
    this.#phase = phase;
    this.#told?.phase(phase, message, status);
  }
}
