Streams cost a third of the memory, and an event reaches thousands of them in a third of the time; clients that come back after a moment are served from memory.
