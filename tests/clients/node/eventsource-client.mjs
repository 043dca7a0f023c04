import { createEventSource } from 'eventsource-client';
import { tell, tellEvent, url } from './telling.mjs';

createEventSource({
  url,
  onMessage: ({ event, id, data }) => tellEvent(event, id, data),
  onDisconnect: () => tell({ error: 'connection lost' }),
});
