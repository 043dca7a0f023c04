/*
 * A load client: thousands of event streams in one process.
 *
 *     load HOST PORT SOURCES TEMPLATE QUERIES END LEAST
 *
 * Each stream sends TEMPLATE with the fields of its line of the file QUERIES, which tabs
 * part, in the place of each {}. It leaves from one of SOURCES addresses in turn, from
 * 127.0.0.1 on: one address has some 28,000 ports.
 *
 * Events are not understood, only counted: an event goes up to the bytes END, and
 * counts if it has LEAST bytes or more. So heartbeats can be left out. The first event
 * of a stream opens it and never counts.
 *
 * Commands come on the standard input, a line each; each is answered by a line of JSON:
 *
 *     open COUNT AT_ONCE     Open COUNT more streams, so many on their way at a time.
 *     wait EVENTS SECONDS    Until so many have come since it began, on all streams
 *                            together. "at" is when the last byte of them was there.
 *     close                  Close all streams, by a reset: no port is left waiting.
 *                            The next ones to open are the first again.
 *
 * Where it may not use all processors, a server has the others to itself, and it never
 * sleeps: a server that sends to one who sleeps pays for the waking, which takes as long
 * as the sending where the idle processor is a virtual one. How often that happens is the
 * scheduler's doing, and more often the slower the server.
 *
 * Every answer has "at" (monotonic clock), "events" and "bytes" since it began, and how
 * many streams are "open" and were "lost": refused, or ended by the server.
 */

#define _GNU_SOURCE

#include "stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MOST_END = 8, MOST_REQUEST = 16384, READ = 1 << 18, TURN = 1024 };

enum state { CLOSED, CONNECTING, ASKED, OPEN };

struct stream {
    int fd;
    enum state state;
    int tail_size;       /* bytes kept from the last read, in which END may begin */
    char tail[MOST_END];
    size_t since;        /* bytes of the event that is under way */
};

static struct sockaddr_in server;
static int sources;
static const char *template, *end_text;
static size_t end_size, least;

static char **queries;
static int query_count;
static struct stream *streams;

static int poller, begun, opened, lost;
static long events, bytes;
static double last_event;

/* What the command under way waits for. */
static enum { NOTHING, OPENING, WAITING } goal;
static int open_goal, at_once;
static long event_goal;
static double deadline;

static void answer(double at)
{
    printf("{\"at\": %.9f, \"events\": %ld, \"bytes\": %ld, \"open\": %d, \"lost\": %d}\n",
           at, events, bytes, opened, lost);
    fflush(stdout);
    goal = NOTHING;
}

static void poll_for(struct stream *stream, int operation, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.ptr = stream};
    if (epoll_ctl(poller, operation, stream->fd, &event))
        fail("epoll_ctl");
}

/* --- opening ---------------------------------------------------------------------- */

static void begin(struct stream *stream)
{
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (stream->fd < 0)
        fail("socket");
    if (sources > 1) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        long number = (stream - streams) % sources;
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)number);
        int yes = 1; /* the port is chosen when the peer is known */
        setsockopt(stream->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(stream->fd, (struct sockaddr *)&source, sizeof source))
            fail("bind");
    }
    if (connect(stream->fd, (struct sockaddr *)&server, sizeof server)
        && errno != EINPROGRESS)
        fail("connect");
    stream->state = CONNECTING;
    stream->tail_size = 0;
    stream->since = 0;
    poll_for(stream, EPOLL_CTL_ADD, EPOLLOUT);
}

/* The template with the fields of a line in it. */
static size_t make_request(const char *line, char *request)
{
    size_t size = 0;
    for (const char *from = template; *from; from++) {
        if (from[0] == '{' && from[1] == '}') {
            size_t field = strcspn(line, "\t");
            if (size + field >= MOST_REQUEST)
                refuse("the request is too long");
            memcpy(request + size, line, field);
            size += field;
            line += field + (line[field] == '\t');
            from++;
        } else {
            request[size++] = *from;
        }
        if (size + 1 >= MOST_REQUEST)
            refuse("the request is too long");
    }
    return size;
}

static void lose(struct stream *stream, const char *why)
{
    if (!lost++)
        fprintf(stderr, "the first stream lost: %s\n", why);
    opened -= stream->state == OPEN;
    close(stream->fd);
    stream->state = CLOSED;
}

static void ask(struct stream *stream)
{
    char request[MOST_REQUEST];
    size_t size = make_request(queries[stream - streams], request);
    ssize_t sent = send(stream->fd, request, size, MSG_NOSIGNAL);
    if (sent != (ssize_t)size) {
        lose(stream, "could not send its request");
        return;
    }
    stream->state = ASKED;
    poll_for(stream, EPOLL_CTL_MOD, EPOLLIN);
}

static void open_more(void)
{
    while (goal == OPENING && begun < open_goal && begun - opened - lost < at_once)
        begin(&streams[begun++]);
}

/* --- receiving -------------------------------------------------------------------- */

static char *find_end(char *from, char *stop)
{
    while (stop - from >= (long)end_size) {
        char *first = memchr(from, end_text[0], (size_t)(stop - from) - end_size + 1);
        if (!first || !memcmp(first, end_text, end_size))
            return first;
        from = first + 1;
    }
    return NULL;
}

static void event_ended(struct stream *stream, size_t size)
{
    if (stream->state == ASKED) {
        stream->state = OPEN;
        opened++;
    } else if (size < least) {
        return;
    } else {
        events++;
    }
    last_event = now();
    if (goal == OPENING && opened + lost >= open_goal)
        answer(last_event);
    else if (goal == WAITING && events >= event_goal)
        answer(last_event);
}

static void receive(struct stream *stream)
{
    static char buffer[MOST_END + READ + 1];
    int tail = stream->tail_size;
    memcpy(buffer, stream->tail, (size_t)tail);
    ssize_t got = recv(stream->fd, buffer + tail, READ, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        lose(stream, got ? strerror(errno) : "the server ended it");
        return;
    }
    bytes += got;
    if (stream->state == ASKED && !stream->since && memcmp(buffer, "HTTP/1.1 200", 12)) {
        buffer[got] = 0;
        buffer[strcspn(buffer, "\r")] = 0;
        lose(stream, buffer); /* by the first line of the answer */
        return;
    }
    char *stop = buffer + tail + got, *found;
    char *start = buffer + tail - stream->since; /* of the event; may lie before */
    char *from = buffer;
    while ((found = find_end(from, stop))) {
        from = found + end_size;
        event_ended(stream, (size_t)(from - start));
        start = from;
    }
    stream->since = (size_t)(stop - start);
    long left = stop - from; /* so that no end is found twice */
    stream->tail_size = left < (long)end_size - 1 ? (int)left : (int)end_size - 1;
    memcpy(stream->tail, stop - stream->tail_size, (size_t)stream->tail_size);
}

/* --- commands --------------------------------------------------------------------- */

static void close_all(void)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int number = 0; number < begun; number++) {
        if (streams[number].state == CLOSED)
            continue;
        setsockopt(streams[number].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(streams[number].fd);
        streams[number].state = CLOSED;
    }
    begun = opened = lost = 0;
    answer(now());
}

static void obey(const char *line)
{
    double seconds;
    int count;
    if (sscanf(line, "open %d %d", &count, &at_once) == 2) {
        open_goal = begun + count;
        if (open_goal > query_count)
            refuse("there are not so many queries");
        goal = OPENING;
    } else if (sscanf(line, "wait %ld %lf", &event_goal, &seconds) == 2) {
        goal = WAITING;
        deadline = now() + seconds;
        if (events >= event_goal)
            answer(last_event);
    } else if (!strcmp(line, "close")) {
        close_all();
    } else {
        refuse("load: no such command");
    }
}

static void read_queries(const char *path)
{
    char *line = read_file(path);
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (query_count % 1024 == 0)
            queries = grown(queries, (size_t)(query_count + 1024) * sizeof *queries);
        queries[query_count++] = line;
    }
    streams = calloc((size_t)query_count + 1, sizeof *streams);
    if (!streams)
        fail("calloc");
}

static int has_all_processors(void)
{
    cpu_set_t own;
    if (sched_getaffinity(0, sizeof own, &own))
        fail("sched_getaffinity");
    return CPU_COUNT(&own) >= sysconf(_SC_NPROCESSORS_ONLN);
}

int main(int count, char **words)
{
    if (count != 8)
        refuse("load HOST PORT SOURCES TEMPLATE QUERIES END LEAST");
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(words[2]));
    if (inet_pton(AF_INET, words[1], &server.sin_addr) != 1)
        refuse("load: HOST is an IPv4 address");
    sources = atoi(words[3]);
    template = words[4];
    read_queries(words[5]);
    /* A NUL cannot be in a word: END is given in hexadecimal digits. */
    static char end[MOST_END];
    for (; words[6][2 * end_size] && end_size < MOST_END; end_size++) {
        unsigned byte;
        if (sscanf(words[6] + 2 * end_size, "%2x", &byte) != 1)
            refuse("load: END is up to 8 bytes in hexadecimal digits");
        end[end_size] = (char)byte;
    }
    end_text = end;
    least = (size_t)atol(words[7]);
    if (!end_size)
        refuse("load: END is up to 8 bytes in hexadecimal digits");

    poller = epoll_create1(0);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        fail("epoll");
    struct epoll_event ready[TURN];
    const int patience = has_all_processors() ? 100 : 0;
    for (;;) {
        open_more();
        int found = epoll_wait(poller, ready, TURN, patience);
        if (found < 0 && errno != EINTR)
            fail("epoll_wait");
        if (!found)
            sched_yield(); /* to whoever told it what to do */
        for (int number = 0; number < found; number++) {
            struct stream *stream = ready[number].data.ptr;
            if (!stream)
                read_commands(obey);
            else if (stream->state == CONNECTING && ready[number].events & EPOLLOUT)
                ask(stream);
            else if (stream->state != CLOSED)
                receive(stream);
        }
        if (goal == OPENING && opened + lost >= open_goal)
            answer(now()); /* the last of them was lost */
        if (goal == WAITING && now() > deadline)
            answer(now()); /* with fewer events than were waited for */
    }
}
