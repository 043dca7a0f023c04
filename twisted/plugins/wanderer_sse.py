from twisted.application.service import ServiceMaker

server = ServiceMaker(
    "Wanderer SSE",
    "wanderer_twisted.tap",
    "EVE Online killmails as server-sent events: 90 days back, then live",
    "wanderer-sse",
)

simulator = ServiceMaker(
    "Wanderer simulator",
    "wanderer_twisted.simulator.tap",
    "A stand-in for R2Z2, RedisQ, zKillboard and ESI that plays real killmails",
    "wanderer-simulator",
)
