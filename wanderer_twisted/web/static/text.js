// Numbers and moments as people read them.

const number = new Intl.NumberFormat('en');
const units = [[1e12, 't'], [1e9, 'b'], [1e6, 'm'], [1e3, 'k']];

/** How far the server's clock is ahead of this one, in milliseconds. */
let ahead = 0;

/** Take the server's time, which is the one that moments are compared with. */
export function setClock(timestamp) {
  ahead = Date.parse(timestamp) - Date.now();
}

/** The server's time, in milliseconds. */
export function now() {
  return Date.now() + ahead;
}

export function count(value) {
  return number.format(value);
}

/** "1 killmail", "1,234 killmails". */
export function counted(value, thing) {
  return `${count(value)} ${thing}${value === 1 ? '' : 's'}`;
}

/** Three digits and a unit: "1.23 b". */
export function short(value) {
  const [size, unit] = units.find(([least]) => value >= least) ?? [1, ''];
  return `${Number((value / size).toPrecision(3))} ${unit}`.trim();
}

export function bytes(value) {
  const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), 4);
  const rounded = Number((value / 1000 ** power).toPrecision(3));
  return `${rounded} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** A time in the two units that matter: "3 d 4 h". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
}

/** How long ago something was. */
export function age(timestamp) {
  return duration((now() - Date.parse(timestamp)) / 1000);
}
