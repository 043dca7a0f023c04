/*
 * The floor under all event servers: one send() of ready bytes per stream and event, and
 * nothing else that could be left out.
 *
 *     floor EVENTS
 *
 * EVENTS is a file with a line for each event: the ids that it concerns, parted by
 * commas, a tab, and what it says. The first event is the first line's, and behind the
 * last line it starts anew. A stream asks for /?ids=1,2,3 and gets what concerns one of
 * these. It says its port in a line of JSON, then obeys commands on its standard input:
 *
 *     publish COUNT INTERVAL    So many events, one each INTERVAL milliseconds; answered.
 *     beat INTERVAL             From now on a heartbeat to each stream as often, spread
 *                               over that time.
 *
 * It is a yardstick, not a server: a stream that does not take an event whole ends it.
 */

#define _GNU_SOURCE

#include "stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    MOST_ID = 1 << 20,
    MOST_STREAMS = 1 << 17,
    MOST_FRAME = 1 << 16,
    TURN = 1024,
    BACKLOG = 4096,
    TICK = 50 /* milliseconds */
};

#define HEAD                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"  \
    "Connection: close\r\n\r\nevent: connected\ndata: {}\n\n"
#define BEAT                                                                             \
    "event: heartbeat\ndata: {\"timestamp\":\"2026-11-25T12:00:00.000Z\","               \
    "\"mode\":\"realtime\",\"feed\":{\"source\":\"r2z2\",\"state\":\"live\","            \
    "\"position\":\"96000000\",\"seconds_since_killmail\":3}}\n"                         \
    "id: l.abcdef.0000001\n\n"

struct stream {
    long told; /* the number of the last event that it got */
    int asked;
    int count;
    int ids[]; /* what it follows */
};

struct followers {
    int count, room;
    int *fds;
};

static struct followers index_of[MOST_ID]; /* id -> the streams that follow it */
static struct stream *stream_of[MOST_STREAMS]; /* descriptor -> stream */
static int most_fd, poller, listener;

static char **events;
static int event_count;
static long published;

static long left; /* of the command under way */
static double interval, due;
static double beat_interval, beat_due; /* of a part of the streams, one in each tick */
static int beat_parts, beat_part;

/* --- streams ---------------------------------------------------------------------- */

static void follow(int fd, int id)
{
    if (id < 0 || id >= MOST_ID)
        refuse("floor: an id is too large");
    struct followers *all = &index_of[id];
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 1;
        all->fds = grown(all->fds, (size_t)all->room * sizeof *all->fds);
    }
    all->fds[all->count++] = fd;
}

static void unfollow(int fd, int id)
{
    struct followers *all = &index_of[id];
    for (int number = 0; number < all->count; number++)
        if (all->fds[number] == fd) {
            all->fds[number] = all->fds[--all->count];
            return;
        }
}

static void accept_all(void)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_STREAMS)
            refuse("floor: there are too many streams");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        stream_of[fd] = grown(NULL, sizeof(struct stream));
        *stream_of[fd] = (struct stream){.told = -1};
        most_fd = fd > most_fd ? fd : most_fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
            fail("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail("accept");
}

static void leave(int fd)
{
    for (int number = 0; number < stream_of[fd]->count; number++)
        unfollow(fd, stream_of[fd]->ids[number]);
    free(stream_of[fd]);
    stream_of[fd] = NULL;
    close(fd);
}

/* A request comes whole, or not at all: this is the load client's server. */
static void read_request(int fd)
{
    char request[16384];
    ssize_t got = recv(fd, request, sizeof request - 1, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || stream_of[fd]->asked) {
        leave(fd);
        return;
    }
    request[got] = 0;
    int ids[1024], count = 0;
    char *from = strstr(request, "ids=");
    for (from = from ? from + 4 : from; from && count < 1024; count++) {
        ids[count] = (int)strtol(from, &from, 10);
        follow(fd, ids[count]);
        from = *from == ',' ? from + 1 : NULL;
    }
    size_t size = (size_t)count * sizeof *ids;
    struct stream *stream = grown(stream_of[fd], sizeof *stream + size);
    stream->asked = 1;
    stream->count = count;
    memcpy(stream->ids, ids, size);
    stream_of[fd] = stream;
    if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0)
        leave(fd);
}

/* --- events ----------------------------------------------------------------------- */

static void tell(int fd, const char *frame, size_t size)
{
    ssize_t sent = send(fd, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)size && (sent >= 0 || errno == EAGAIN))
        refuse("floor: a stream does not take what it is sent");
}

static void publish(void)
{
    static char frame[MOST_FRAME];
    char *event = events[published % event_count];
    int size = snprintf(frame, sizeof frame,
                        "event: killmail\ndata: %s\nid: l.abcdef.%07ld\n\n",
                        strchr(event, '\t') + 1, published);
    if (size >= MOST_FRAME)
        refuse("floor: an event is too large");
    for (char *from = event; from;) {
        struct followers *all = &index_of[strtol(from, &from, 10)];
        for (int number = 0; number < all->count; number++) {
            struct stream *stream = stream_of[all->fds[number]];
            if (stream->told != published)
                tell(all->fds[number], frame, (size_t)size);
            stream->told = published;
        }
        from = *from == ',' ? from + 1 : NULL;
    }
    published++;
}

static void beat(void)
{
    for (int fd = beat_part; fd <= most_fd; fd += beat_parts)
        if (stream_of[fd] && stream_of[fd]->asked)
            tell(fd, BEAT, sizeof BEAT - 1);
    beat_part = (beat_part + 1) % beat_parts;
}

static void obey(const char *line)
{
    double milliseconds;
    if (sscanf(line, "publish %ld %lf", &left, &milliseconds) == 2) {
        interval = milliseconds / 1000;
        due = now();
    } else if (sscanf(line, "beat %lf", &milliseconds) == 1) {
        beat_parts = (int)(milliseconds / TICK);
        beat_interval = TICK / 1000.0;
        beat_due = now() + beat_interval;
    } else {
        refuse("floor: no such command");
    }
}

/* Do what it is time for. Returns the milliseconds until there is something again. */
static int work(void)
{
    double time = now(), next = time + 1;
    for (; left && due <= time; due += interval) {
        publish();
        if (!--left) {
            printf("{\"published\": %ld}\n", published);
            fflush(stdout);
        }
    }
    if (beat_interval && beat_due <= time) {
        beat();
        beat_due += beat_interval;
    }
    if (left && due < next)
        next = due;
    if (beat_interval && beat_due < next)
        next = beat_due;
    return next <= time ? 0 : (int)((next - time) * 1000) + 1;
}

static void listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size)
        || listen(listener, BACKLOG)
        || getsockname(listener, (struct sockaddr *)&address, &size))
        fail("listen");
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int count, char **words)
{
    if (count != 2)
        refuse("floor EVENTS");
    char *line = read_file(words[1]);
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (!strchr(line, '\t'))
            refuse("floor: an event has no tab");
        events = grown(events, (size_t)(event_count + 1) * sizeof *events);
        events[event_count++] = line;
    }
    listen_somewhere();
    poller = epoll_create1(0);
    for (int number = 0; number < 2; number++) {
        int fd = number ? listener : STDIN_FILENO;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
            fail("epoll_ctl");
    }
    struct epoll_event ready[TURN];
    for (;;) {
        int found = epoll_wait(poller, ready, TURN, work());
        if (found < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int number = 0; number < found; number++) {
            int fd = ready[number].data.fd;
            if (fd == listener)
                accept_all();
            else if (fd == STDIN_FILENO)
                read_commands(obey);
            else
                read_request(fd);
        }
    }
}
