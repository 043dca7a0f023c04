// What the clients in Node share: how they tell the matrix what came, a line of JSON
// each.

export const url = process.argv[2];

// Every name that an event may have: an EventSource wants them one by one.
export const NAMES = [
  'connected', 'batch', 'transition', 'killmail', 'heartbeat', 'warning', 'gap', 'error',
];

export function tell(what) {
  process.stdout.write(JSON.stringify(what) + '\n');
}

export function killmailIds(name, document) {
  if (name === 'batch') return document.kills.map((killmail) => killmail.killmail_id);
  return name === 'killmail' ? [document.killmail_id] : [];
}

export function tellEvent(name, id, data) {
  tell({ event: name, id, killmail_ids: killmailIds(name, JSON.parse(data)) });
}

// Whatever looks like the browsers' EventSource.
export function follow(source) {
  for (const name of NAMES) {
    source.addEventListener(name, (e) => {
      if (e.data !== undefined) {
        tellEvent(name, e.lastEventId, e.data); // its error events are the server's
      } else {
        const text = e.message ?? 'the connection broke';
        tell(source.readyState === 2 ? { ended: text } : { error: text });
      }
    });
  }
}
