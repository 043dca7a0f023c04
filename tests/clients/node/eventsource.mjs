import { EventSource } from 'eventsource';
import { follow, url } from './telling.mjs';

follow(new EventSource(url));
