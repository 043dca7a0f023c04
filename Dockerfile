# docker build -t wanderer-sse .
# docker run -p 127.0.0.1:4004:4004 wanderer-sse --demo
# docker run -p 127.0.0.1:4004:4004 -v wanderer:/data wanderer-sse
#
# Settings of your own: -v ./wanderer.yaml:/etc/wanderer/wanderer.yaml:ro

FROM python:3.11-slim AS build
WORKDIR /source
COPY setup.py pyproject.toml README.rst LICENSE ./
COPY twisted twisted
COPY wanderer_twisted wanderer_twisted
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.11-slim
# twistd --help writes Twisted's cache of plugins, which the server's user could not; a
# second later, since an image keeps no more of a file's time, and it must be newer.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links=/wheels wanderer-twisted \
    && sleep 1 && twistd --help >/dev/null \
    && useradd --system --uid 10001 --home-dir /data --create-home wanderer
COPY etc/wanderer.yaml /etc/wanderer/wanderer.yaml

USER wanderer
WORKDIR /data
VOLUME /data
EXPOSE 4004
# The streams end over 20 s: docker stop --time 75.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:4004/health/live', timeout=4)"]
# The settings' database lies in /data, from which relative paths count. As an option it
# would be the demo's as well, whose killmails are made up and must not stay.
ENTRYPOINT ["twistd", "-n", "--pidfile=", "--logger=wanderer_twisted.ops.logs.json_stdout", "wanderer-sse", "--config", "/etc/wanderer/wanderer.yaml", "--listen", "tcp:4004"]
