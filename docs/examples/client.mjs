// A client in Node, 18 or newer, with nothing to install: each killmail once, across
// lost connections and restarts.
//
//     node client.mjs \
//         'http://127.0.0.1:4004/api/v1/kills/stream?character_ids=95465499&preload_days=90' \
//         cursor.txt
//
// It prints a line for each killmail; what else happens goes to stderr. Without a second
// argument it begins anew each time that it is started.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

// Milliseconds without a byte after which a connection is taken for dead: more than the
// longest heartbeat, which is 60 s.
const READ_TIMEOUT = 75_000;

const LONGEST_PAUSE = 60_000;

// The server does not want this request, and asking again would not help.
class Refused extends Error {}

// The events of a stream, for ever: each one's name and data, and the cursor that is to
// be kept once it is dealt with.
async function* follow(url, cursor = '') {
  let retry = 3000;
  let failures = 0;
  while (true) {
    failures += 1;
    const silence = new Silence();
    try {
      const headers = { Accept: 'text/event-stream' };
      if (cursor) headers['Last-Event-ID'] = cursor;
      const response = await fetch(url, { headers, signal: silence.signal });
      await check(response);
      for await (const event of events(response.body, silence)) {
        retry = Number(event.retry ?? retry);
        cursor = event.id ?? cursor;  // none: the one before stands
        yield { name: event.event, data: JSON.parse(event.data), cursor };
        failures = 0;
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      say(`connection lost: ${error.cause?.message ?? error.message}`);
    } finally {
      silence.end();
    }
    await pause(Math.min(retry * 2 ** failures, Math.max(retry, LONGEST_PAUSE)));
  }
}

async function check(response) {
  const type = response.headers.get('Content-Type') ?? 'nothing';
  if (response.status === 200) {
    if (type.startsWith('text/event-stream')) return;
    throw new Error(`no event stream but ${type}; is the URL right?`);
  }
  const said = `${response.status}: ${await response.text()}`;
  const retryable = response.status === 429 || response.status >= 500;
  throw retryable ? new Error(said) : new Refused(said);  // 204 as well: never again
}

// This server's events: blocks of whole lines, "name: value", with an empty line behind
// each. What lacks that one is not complete, and comes again after the reconnect.
async function* events(body, silence) {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    silence.broken();
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      yield Object.fromEntries(block.split('\n').map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }));
    }
  }
}

// Aborts a request when nothing comes for too long.
class Silence {
  #controller = new AbortController();
  #timer;

  constructor() {
    this.broken();
  }

  get signal() {
    return this.#controller.signal;
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), READ_TIMEOUT);
  }

  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

// What you want to do with a killmail.
async function show(killmail) {
  const { victim } = killmail;
  const who = victim.character_name ?? victim.character_id ?? 'nobody';
  const ship = victim.ship_name ?? victim.ship_type_id;
  const value = ((killmail.zkb?.total_value ?? 0) / 1e6).toFixed(1);
  const what = `${who} lost a ${ship} worth ${value} M ISK`;
  await print(`${killmail.kill_time} ${killmail.killmail_id} ${what}`);
}

// Fails where it cannot be written: what is not shown must come again.
function print(line) {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

process.stdout.on('error', () => {});  // print() tells of it

// Each event once. Names that you do not know are safe to leave alone.
async function dealWith(name, data) {
  switch (name) {
    case 'batch':
      for (const killmail of data.kills) await show(killmail);
      break;
    case 'killmail':
      await show(data);
      break;
    case 'transition':
      say(`${data.total_historical} of the past; from here on live`);
      if (!data.coverage.complete) {
        say('the past is not complete; ask again in some minutes');
      }
      break;
    case 'gap':
      say(`the cursor was not taken (${data.reason}); starting anew`);
      break;
    case 'warning':
    case 'error':
      say(`${data.type}: ${data.message}`);
  }
}

// Whole or not at all: a stop in between must not leave an empty file.
function keep(path, cursor) {
  writeFileSync(`${path}.new`, cursor);
  renameSync(`${path}.new`, path);
}

function say(text) {
  console.error(text);
}

const [url, kept] = process.argv.slice(2);
try {
  const cursor = kept && existsSync(kept) ? readFileSync(kept, 'utf8') : '';
  for await (const event of follow(url, cursor)) {
    await dealWith(event.name, event.data);
    if (kept) keep(kept, event.cursor);
  }
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
