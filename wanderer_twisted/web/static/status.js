// The server's numbers.

import { ask } from './stream.js';
import { age, bytes, count, duration, now, setClock, short } from './text.js';

const EVERY_MS = 15_000;

const $ = (id) => document.getElementById(id);
const sum = (values) => values.reduce((all, each) => all + each, 0);

function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

/** Asks for `/status` while somebody looks. */
export class Status {
  #chart;
  #last = null; // when the newest killmail was published

  constructor(chart) {
    this.#chart = chart;
    setInterval(() => document.hidden || this.#ask(), EVERY_MS);
    setInterval(() => this.#tick(), 1_000);
    document.addEventListener('visibilitychange', () => document.hidden || this.#ask());
    this.#ask();
  }

  /** A killmail came. */
  seen() {
    this.#last = new Date(now()).toISOString();
  }

  /** Take the block of a heartbeat. */
  feed(block) {
    const state = document.querySelector(`#feeds [data-feed="${CSS.escape(block.source)}"] .state`);
    if (!state) return;
    state.textContent = block.state.replace('_', ' ');
    state.dataset.state = block.state;
  }

  async #ask() {
    try {
      const response = await ask('status');
      if (!response.ok) throw new Error(response.status);
      this.#show(await response.json());
    } catch (error) {
      say('uptime', `no numbers now (${error.message})`); // the next round asks again
    }
  }

  #show(it) {
    setClock(it.timestamp);
    const minutes = it.killmails.per_minute;
    this.#chart.set(minutes, it.timestamp);
    say('server', it.server);
    say('uptime', `up ${duration(it.uptime_seconds)}`);
    say('hour', count(sum(minutes)));
    say('streams', count(it.streams.open));
    say('most-streams', `of ${count(it.streams.limit)}`);
    const { following, replaying, historical } = it.streams;
    say('modes', `${following} following, ${replaying} replaying, ${historical} in their history`);
    say('events', short(sum(Object.values(it.sent.events))));
    say('bytes', bytes(it.sent.bytes));
    const times = it.feeds.map((feed) => feed.last_killmail).filter(Boolean).sort();
    this.#last = times.at(-1) ?? this.#last;
    this.#tick();
    $('feeds').replaceChildren(...it.feeds.map(feedLine));
    const { days, days_complete: complete } = it.coverage;
    say('coverage', `${complete} of ${days}`);
    $('days-complete').max = days || 1;
    $('days-complete').value = complete;
  }

  #tick() {
    if (this.#last) say('last', `${age(this.#last)} ago`);
    this.#chart.tick();
  }
}

function feedLine(feed) {
  const item = document.createElement('li');
  item.dataset.feed = feed.name;
  const part = (tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = name;
    return made;
  };
  const state = part('span', feed.state.replace('_', ' '), 'state');
  state.dataset.state = feed.state;
  item.append(part('b', feed.name, 'name'), ' ', state, ' ');
  item.append(part('span', feed.reason || (feed.position ? `at ${feed.position}` : ''), 'more'));
  return item;
}
