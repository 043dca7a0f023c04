import { EventSource } from 'launchdarkly-eventsource';
import { follow, url } from './telling.mjs';

follow(new EventSource(url, { readTimeoutMillis: 75_000 })); // else 5 s in Node 20
