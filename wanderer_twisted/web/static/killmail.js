// One killmail, as a line of the list.

import { age, count, counted, short } from './text.js';

const IMAGES = 'https://images.evetech.net';
const MOST_FAILURES = 6;
const REST_MS = 60_000;

/** Pictures that failed in a row: without a network nobody asks for each of them. */
let failures = 0;
let restUntil = 0;

/** Put a picture into its box, by the first address that has one; else leave the box. */
function show(box, alt, ...paths) {
  if (performance.now() < restUntil) return;
  const image = new Image(64, 64);
  image.alt = alt;
  image.loading = 'lazy';
  image.decoding = 'async';
  image.referrerPolicy = 'no-referrer';
  image.addEventListener('load', () => {
    failures = 0;
    box.classList.add('there');
  });
  image.addEventListener('error', () => {
    failures += 1;
    if (failures >= MOST_FAILURES) {
      failures = 0;
      restUntil = performance.now() + REST_MS;
    }
    if (paths.length && performance.now() >= restUntil) image.src = `${IMAGES}/${paths.shift()}`;
    else image.remove();
  });
  image.src = `${IMAGES}/${paths.shift()}`;
  box.append(image);
}

/** Make a name a button that puts its id into the form; without an id there is none. */
function offer(button, field, id, name) {
  if (!id) {
    button.remove();
    return;
  }
  button.textContent = name;
  button.dataset.field = field;
  button.dataset.id = id;
  button.title = 'Put it into the form';
}

/** Who did it: whoever had the final blow, or else the first, and how many others. */
function attackers(killmail) {
  const all = killmail.attackers ?? [];
  const best = all.find((each) => each.final_blow) ?? all[0];
  const name = best?.character_name ?? best?.corporation_name ?? best?.ship_name;
  const others = all.length - 1;
  return [name && `by ${name}`, others > 0 && `+ ${count(others)}`].filter(Boolean).join(' ');
}

/** A list item for a killmail. */
export function line(killmail) {
  const item = document.getElementById('killmail').content.cloneNode(true).firstElementChild;
  const part = (name) => item.querySelector(name);
  const { victim } = killmail;
  const ship = victim.ship_name ?? `Type ${victim.ship_type_id}`;
  const pilot = victim.character_name ?? `Pilot ${victim.character_id}`;
  const system = killmail.solar_system_name ?? `System ${killmail.system_id}`;
  const type = `types/${victim.ship_type_id}`;
  show(part('.ship'), ship, `${type}/render?size=64`, `${type}/icon?size=64`);
  if (victim.character_id) {
    const portrait = `characters/${victim.character_id}/portrait?size=64`;
    show(part('.pilot'), pilot, portrait);
  }
  item.dataset.killmail = killmail.killmail_id;
  part('.hull').textContent = ship;
  part('.hull').href = `https://zkillboard.com/kill/${killmail.killmail_id}/`;
  const value = killmail.zkb?.total_value;
  part('.value').textContent = value === undefined ? '' : `${short(value)} ISK`;
  offer(part('.victim'), 'characters', victim.character_id, pilot);
  part('.side').textContent = victim.alliance_name ?? victim.corporation_name ?? '';
  part('time').dateTime = killmail.kill_time;
  part('time').title = killmail.kill_time;
  offer(part('.system'), 'systems', killmail.system_id, system);
  part('.by').textContent = attackers(killmail);
  part('.by').title = counted(killmail.attacker_count ?? 0, 'attacker');
  tell(item);
  return item;
}

/** Bring a line's age up to date. */
export function tell(item) {
  const time = item.querySelector('time');
  time.textContent = age(time.dateTime);
}
