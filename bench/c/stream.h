/*
 * What the load client and the floor share: the clock, memory, files, and lines of
 * commands on the standard input.
 */

#ifndef STREAM_H
#define STREAM_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Say what the system would not do, and end. */
__attribute__((noreturn)) static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Say what makes no sense, and end. */
__attribute__((noreturn)) static inline void refuse(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(2);
}

/* The machine's monotonic clock, which Python's time.monotonic() reads as well. */
static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Memory, or the end. */
static inline void *grown(void *old, size_t size)
{
    void *new = realloc(old, size);
    if (!new)
        fail("realloc");
    return new;
}

/* A whole file as one string. */
static inline char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail(path);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = grown(NULL, size + 1);
    if (fread(text, 1, size, file) != size)
        fail(path);
    text[size] = 0;
    fclose(file);
    return text;
}

/* Read what is there of the commands, and obey each that is a whole line. */
static inline void read_commands(void (*obey)(const char *line))
{
    static char buffer[4096];
    static size_t held;
    ssize_t got = read(STDIN_FILENO, buffer + held, sizeof buffer - held - 1);
    if (got < 0)
        fail("stdin");
    if (got == 0)
        exit(0); /* who measures has ended */
    held += (size_t)got;
    buffer[held] = 0;
    char *line = buffer;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        obey(line);
    }
    held = strlen(line);
    memmove(buffer, line, held + 1);
}

#endif
