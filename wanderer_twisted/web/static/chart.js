// Killmails per minute: sixty whole minutes and the one that runs.

import { counted, now } from './text.js';

const MINUTES = 60;
const HEIGHT = 100;
const SVG = 'http://www.w3.org/2000/svg';

const minuteNow = () => Math.floor(now() / 60_000);

/** A bar chart that the server's numbers begin and the live stream goes on with. */
export class Chart {
  #svg;
  #most;
  #known = []; // of whole minutes, oldest first
  #until = minuteNow(); // the minute behind them
  #live = new Map(); // minute: killmails that we saw
  #bars = [];
  #drawn = 0; // the minute that runs in what is drawn

  /** @param most where the highest number is written. */
  constructor(svg, most) {
    this.#svg = svg;
    this.#most = most;
    for (let index = 0; index <= MINUTES; index++) {
      const bar = document.createElementNS(SVG, 'rect');
      bar.setAttribute('x', index * 10 + 1);
      bar.setAttribute('width', 8);
      bar.append(document.createElementNS(SVG, 'title'));
      this.#bars.push(bar);
    }
    this.#bars[MINUTES].classList.add('running');
    this.#svg.append(...this.#bars);
    this.draw();
  }

  /** Take what the server counted in each whole minute before *timestamp*. */
  set(minutes, timestamp) {
    this.#known = minutes;
    this.#until = Math.floor(Date.parse(timestamp) / 60_000);
    this.draw();
  }

  /** Count one that just came. */
  add() {
    const minute = minuteNow();
    this.#live.set(minute, (this.#live.get(minute) ?? 0) + 1);
    this.#live.delete(minute - MINUTES - 1);
    this.draw();
  }

  /** Move on where a minute is over. */
  tick() {
    if (minuteNow() !== this.#drawn) this.draw();
  }

  draw() {
    this.#drawn = minuteNow();
    const counts = this.#counts();
    const most = Math.max(4, ...counts);
    counts.forEach((value, index) => {
      const bar = this.#bars[index];
      const height = value ? Math.max(2, value / most * HEIGHT) : 0.8;
      bar.setAttribute('y', HEIGHT - height);
      bar.setAttribute('height', height);
      const ago = MINUTES - index;
      bar.firstChild.textContent = `${ago ? `${ago} min ago` : 'this minute'}: ${value}`;
    });
    this.#most.textContent = most;
    const sum = counts.reduce((all, value) => all + value, 0);
    const label = `${counted(sum, 'killmail')} in the last hour, at most ${Math.max(...counts)} a minute`;
    this.#svg.setAttribute('aria-label', label);
  }

  /** The sixty whole minutes and the running one, whatever the age of what we know. */
  #counts() {
    const current = minuteNow();
    return Array.from({ length: MINUTES + 1 }, (_, index) => {
      const minute = current - MINUTES + index;
      const known = this.#known.length - (this.#until - minute);
      return (minute < this.#until ? this.#known[known] : this.#live.get(minute)) ?? 0;
    });
  }
}
