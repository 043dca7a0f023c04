// The list of killmails as they come.

import { line, tell } from './killmail.js';
import { Stream } from './stream.js';

const MOST = 50;
const HIDDEN_MS = 60_000; // a tab that nobody sees gives its connection back
const AGAIN_MS = 30_000;
const BAD = ['silent', 'failing'];

/** The page's own stream, of everything. */
export class Live {
  #list = document.getElementById('killmails');
  #said = document.getElementById('live-said');
  #warning = document.getElementById('warning');
  #button = document.getElementById('pause');
  #told;
  #stream = null;
  #paused = false;
  #timer = 0;

  /** @param told told.killmail(killmail), told.feed(block), told.unauthorized(). */
  constructor(told) {
    this.#told = told;
    this.#button.addEventListener('click', () => this.#toggle());
    document.addEventListener('visibilitychange', () => this.#look());
    window.addEventListener('pagehide', () => this.#close());
    window.addEventListener('pageshow', (event) => event.persisted && this.open());
    setInterval(() => [...this.#list.children].forEach(tell), 5_000);
    this.#look();
  }

  /** Begin, or begin anew, with what the server says now; or go on at a cursor. */
  open(cursor = '') {
    if (this.#paused) return;
    this.#close();
    const told = {
      event: (name, data) => this.#take(name, data),
      phase: (phase, message, status) => this.#move(phase, message, status),
    };
    this.#stream = new Stream('', told, cursor);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = null;
  }

  #toggle() {
    this.#paused = !this.#paused;
    this.#button.textContent = this.#paused ? 'Resume' : 'Pause';
    if (this.#paused) {
      this.#close();
      this.#say('paused', 'Paused');
    } else {
      this.open();
    }
  }

  #look() {
    clearTimeout(this.#timer);
    if (document.hidden) {
      this.#timer = setTimeout(() => this.#close(), HIDDEN_MS);
    } else if (!this.#stream) {
      this.open();
    }
  }

  #take(name, data) {
    if (name === 'killmail') {
      this.#list.prepend(line(data));
      while (this.#list.childElementCount > MOST) this.#list.lastElementChild.remove();
      this.#told.killmail(data);
    } else if (name === 'heartbeat' && data.feed) {
      if (!BAD.includes(data.feed.state)) this.#warn('');
      this.#told.feed(data.feed);
    } else if (name === 'warning') {
      this.#warn(data.message);
    } else if (name === 'gap') {
      this.#warn('Some killmails may be missing here: the server began anew');
    }
  }

  #move(phase, message, status) {
    const words = { connecting: 'Connecting', live: 'Following', reconnecting: 'Reconnecting' };
    this.#say(phase, words[phase] ?? message);
    if (phase === 'live') this.#warn('');
    if (phase !== 'ended') return;
    const { cursor } = this.#stream;
    this.#close();
    if (status === 401) this.#told.unauthorized();
    else this.#timer = setTimeout(() => document.hidden || this.open(cursor), AGAIN_MS);
  }

  #say(phase, text) {
    this.#said.dataset.phase = phase;
    this.#said.textContent = text;
  }

  #warn(text) {
    this.#warning.textContent = text;
    this.#warning.hidden = !text;
  }
}
