// A library for browsers; in Node it runs over fetch.
import polyfill from 'event-source-polyfill';
import { follow, url } from './telling.mjs';

follow(new polyfill.EventSourcePolyfill(url));
