// Chromium's own EventSource: a headless browser that is told over its debugging pipe
// what to run, and tells back what came. A message there ends with a NUL.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMES, follow, killmailIds, tell, tellEvent, url } from './telling.mjs';

const profile = mkdtempSync(join(tmpdir(), 'wanderer-'));
const chromium = spawn('chromium', [
  '--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe',
  `--user-data-dir=${profile}`, 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [, , , commands, messages] = chromium.stdio;

process.on('SIGTERM', () => chromium.kill());
chromium.on('exit', () => {
  rmSync(profile, { recursive: true, force: true });
  process.exit();
});

let last = 0;
const waiting = new Map();

function command(method, params, sessionId) {
  commands.write(JSON.stringify({ id: ++last, method, params, sessionId }) + '\0');
  return new Promise((resolve) => waiting.set(last, resolve));
}

let rest = '';
messages.setEncoding('utf8').on('data', (text) => {
  const parts = (rest + text).split('\0');
  rest = parts.pop();
  for (const { id, method, params, result, error } of parts.map(JSON.parse)) {
    if (error) tell({ error });
    if (id) waiting.get(id)(result);
    if (method === 'Runtime.bindingCalled') process.stdout.write(params.payload + '\n');
  }
});

// What follows runs in the page.
const script = `
  const NAMES = ${JSON.stringify(NAMES)};
  function tell(what) { report(JSON.stringify(what)); }
  ${killmailIds} ${tellEvent} ${follow}
  follow(new EventSource(${JSON.stringify(url)}));
`;

const { targetInfos } = await command('Target.getTargets');
const { targetId } = targetInfos.find(({ type }) => type === 'page');
const { sessionId } = await command('Target.attachToTarget', { targetId, flatten: true });
await command('Runtime.enable', {}, sessionId);
await command('Runtime.addBinding', { name: 'report' }, sessionId);
await command('Runtime.evaluate', { expression: script }, sessionId);
