// A library for browsers; in Node it wants a window.
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { tell, tellEvent, url } from './telling.mjs';

globalThis.window = globalThis;
globalThis.document = { removeEventListener() {} };

const leavesCloseAlone = process.argv[3] === '--leave-close-alone';

fetchEventSource(url, {
  openWhenHidden: true,
  onmessage: ({ event, id, data }) => tellEvent(event, id, data),
  onclose: () => {
    if (!leavesCloseAlone) throw new Error('ended'); // else it never comes back
  },
  onerror: (error) => tell({ error: String(error) }),
}).then(() => tell({ ended: 'resolved' }));
