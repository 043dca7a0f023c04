// The form, and the stream that somebody tries.

import { Events } from './events.js';
import { Stream, address, hasToken } from './stream.js';
import { count, counted } from './text.js';

const $ = (id) => document.getElementById(id);

/** One stream at a time, from the form to its end. */
export class Trial {
  #events = new Events();
  #stream = null;
  #told;
  #killmails = 0;
  #live = 0;

  /** @param told told.unauthorized(), told.feed(block). */
  constructor(told) {
    this.#told = told;
    $('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#open();
    });
    $('form').addEventListener('input', () => this.write());
    $('close').addEventListener('click', () => this.#close());
    this.write();
  }

  /** Put an id into one of the form's fields, behind what is there. */
  add(field, id) {
    const ids = $(field).value.split(',').map((each) => each.trim()).filter(Boolean);
    if (!ids.includes(id)) ids.push(id);
    $(field).value = ids.join(',');
    this.write();
  }

  /** Write down the stream that the form stands for. */
  write() {
    const url = address(this.#query());
    const token = hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : '';
    $('url').value = url;
    $('curl').value = `curl -N ${token}'${url}'`;
  }

  #open() {
    this.#stream?.close();
    this.#events.clear();
    this.write();
    this.#killmails = this.#live = 0;
    for (const step of $('phases').children) this.#note(step.dataset.step, '');
    this.#progress(0, 0);
    $('close').disabled = false;
    this.#stream = new Stream(this.#query(), {
      event: (name, data, event) => this.#take(name, data, event),
      phase: (phase, message, status) => this.#move(phase, message, status),
    });
  }

  #close() {
    this.#stream?.close();
    this.#stream = null;
    this.#move('closed', 'Closed');
  }

  /** What the form says, as a query; commas stay readable, and blanks are some, too. */
  #query() {
    const pairs = [...new FormData($('form'))]
      .map(([name, value]) => [name, value.trim().replaceAll(/[\s,]+/g, ',')])
      .filter(([name, value]) => value && !(name === 'preload_days' && Number(value) === 0));
    return new URLSearchParams(pairs).toString().replaceAll('%2C', ',');
  }

  #take(name, data, event) {
    this.#events.add(name, event);
    if (name === 'connected') {
      if (!data.resumed) this.#killmails = this.#live = 0;
      this.#note('connecting', `session ${data.session}`);
      if (data.mode === 'realtime' && !data.resumed) this.#note('history', 'not asked for');
    } else if (name === 'batch') {
      this.#killmails += data.count;
      this.#progress(data.batch_number, data.total_batches);
      this.#note('history', counted(this.#killmails, 'killmail'));
    } else if (name === 'transition') {
      this.#transit(data);
    } else if (name === 'killmail') {
      this.#live += 1;
      this.#note('live', counted(this.#live, 'killmail'));
    } else if (name === 'heartbeat' && data.feed) {
      this.#told.feed(data.feed);
    } else if (name === 'warning') {
      this.#say(data.message);
    } else if (name === 'gap') {
      this.#say(`The cursor could not be honoured (${data.reason}); this begins anew`);
    }
  }

  #transit(data) {
    const total = data.total_historical;
    if (!total) this.#progress(1, 1, 'no batches: nothing there');
    this.#note('history', counted(total, 'killmail'));
    const lacks = data.missing ? `, ${count(data.missing)} missing` : '';
    this.#note('transition', (data.coverage.complete ? 'complete' : 'not complete yet') + lacks);
    this.#note('live', 'none so far');
  }

  #move(phase, message, status) {
    $('trial').dataset.phase = phase;
    this.#say(message);
    for (const step of $('phases').children) {
      if (step.dataset.step === phase) step.setAttribute('aria-current', 'step');
      else step.removeAttribute('aria-current');
    }
    if (phase === 'closed' || phase === 'ended') $('close').disabled = true;
    if (status === 401) this.#told.unauthorized();
  }

  #say(message) {
    $('said').textContent = message;
  }

  /** Say something beside a step; one that has said nothing was not reached. */
  #note(name, text) {
    const step = document.querySelector(`[data-step=${name}]`);
    step.querySelector('span').textContent = text;
    step.classList.toggle('reached', text !== '');
  }

  #progress(number, total, text = total ? `${number} of ${total}` : '–') {
    $('batches').max = total || 1;
    $('batches').value = number;
    $('batch-count').textContent = text;
  }
}
