// Raw events as they came: the newest first, not more than can be looked at.

import { bytes, count } from './text.js';

const MOST = 200;
const LONGEST = 2_000;

/** A bounded list that can be held still. */
export class Events {
  #list = document.getElementById('raw');
  #count = document.getElementById('event-count');
  #button = document.getElementById('hold');
  #held = null; // events that came while it is held; null while it is not
  #seen = 0;

  constructor() {
    this.#button.addEventListener('click', () => this.#toggle());
  }

  clear() {
    this.#seen = 0;
    this.#list.replaceChildren();
    if (this.#held) this.#held = [];
    this.#tell();
  }

  /** @param event as the EventSource gave it. */
  add(name, event) {
    this.#seen += 1;
    const item = line(name, event);
    if (this.#held) this.#held = [...this.#held, item].slice(-MOST);
    else this.#show(item);
    this.#tell();
  }

  #toggle() {
    const held = this.#held;
    this.#held = held ? null : [];
    held?.forEach((item) => this.#show(item));
    this.#button.textContent = held ? 'Pause' : 'Resume';
    this.#tell();
  }

  #tell() {
    const waiting = this.#held?.length ? `, ${count(this.#held.length)} wait` : '';
    this.#count.textContent = this.#seen ? `${count(this.#seen)}${waiting}` : '';
  }

  #show(item) {
    this.#list.prepend(item);
    while (this.#list.childElementCount > MOST) this.#list.lastElementChild.remove();
  }
}

/** A list item for an event, with no more of its data than is shown. */
function line(name, { data, lastEventId }) {
  const item = document.getElementById('event').content.cloneNode(true).firstElementChild;
  const size = data.length; // the wire is ASCII
  const rest = size > LONGEST ? `\n… and ${bytes(size - LONGEST)} more` : '';
  const time = new Date().toTimeString().slice(0, 8);
  item.dataset.event = name;
  item.querySelector('b').textContent = name;
  item.querySelector('code').textContent = data.slice(0, 120);
  item.querySelector('small').textContent = `${time} ${bytes(size)}`;
  item.querySelector('pre').textContent =
    `event: ${name}\ndata: ${data.slice(0, LONGEST)}${rest}\nid: ${lastEventId}`;
  return item;
}
