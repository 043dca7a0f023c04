Streams cost a quarter of the memory, and an event reaches thousands of them in half the time; clients that come back after a moment are served from memory.
