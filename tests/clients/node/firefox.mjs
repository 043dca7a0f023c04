// Firefox's own EventSource: a headless browser shows a page of this program, which
// tells back what came, one thing after the other.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NAMES, follow, killmailIds, tellEvent, url } from './telling.mjs';

const page = `<!doctype html><meta charset="utf-8"><script>
  const NAMES = ${JSON.stringify(NAMES)};
  let told = Promise.resolve();
  function tell(what) {
    const body = JSON.stringify(what);
    told = told.then(() => fetch('/', { method: 'POST', body }));
  }
  ${killmailIds} ${tellEvent} ${follow}
  follow(new EventSource(${JSON.stringify(url)}));
</script>`;

const server = createServer(async (request, response) => {
  if (request.method === 'POST') {
    let line = '';
    for await (const part of request.setEncoding('utf8')) line += part;
    process.stdout.write(line + '\n');
    response.writeHead(204).end();
  } else {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
  }
});
await once(server.listen(0, '127.0.0.1'), 'listening');

// It stays at home, and shows nothing of its own.
const SETTINGS = {
  'app.normandy.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
};
const profile = mkdtempSync(join(tmpdir(), 'wanderer-'));
const lines = Object.entries(SETTINGS).map(
  ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
);
writeFileSync(join(profile, 'user.js'), lines.join(''));

const firefox = spawn('firefox-esr', [
  '--headless', '--no-remote', '--profile', profile,
  `http://127.0.0.1:${server.address().port}/`,
], { stdio: 'ignore' });

process.on('SIGTERM', () => firefox.kill());
firefox.on('exit', () => {
  rmSync(profile, { recursive: true, force: true });
  process.exit();
});
