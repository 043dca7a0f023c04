// A library for browsers; in Node it wants an EventSource to wrap.
import { EventSource } from 'eventsource';
import ReconnectingEventSource from 'reconnecting-eventsource';
import { follow, url } from './telling.mjs';

follow(new ReconnectingEventSource(url, { eventSourceClass: EventSource }));
