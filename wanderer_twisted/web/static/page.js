// The page: its parts, and what they tell each other.

import { Chart } from './chart.js';
import { Live } from './live.js';
import { Status } from './status.js';
import { setToken } from './stream.js';
import { Trial } from './trial.js';

const $ = (id) => document.getElementById(id);

const chart = new Chart($('chart'), $('most'));
const status = new Status(chart);
const feed = (block) => status.feed(block);

/** The server wants a token: show where it goes. */
function unauthorized() {
  $('access').open = true;
}

const trial = new Trial({ feed, unauthorized });
const live = new Live({
  feed,
  unauthorized,
  killmail() {
    chart.add();
    status.seen();
  },
});

$('token').addEventListener('change', () => {
  setToken($('token').value);
  trial.write();
  live.open();
});

/** Say something to those who don't see the page. */
function announce(text) {
  $('announced').textContent = text;
}

$('killmails').addEventListener('click', (event) => {
  const { field, id } = event.target.dataset;
  if (!field) return;
  trial.add(field, id);
  announce(`${event.target.textContent} is in the form`);
});

async function copy(input) {
  try {
    await navigator.clipboard.writeText(input.value);
  } catch { // only HTTPS and localhost have a clipboard
    input.select();
    document.execCommand('copy');
  }
}

for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', async () => {
    await copy($(button.dataset.copy));
    announce('Copied');
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1_500);
  });
}

performance.mark('usable');
