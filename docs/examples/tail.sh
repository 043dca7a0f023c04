#!/bin/sh
# A client of curl and jq: each killmail once, across lost connections and restarts.
#
#     sh tail.sh \
#         'http://127.0.0.1:4004/api/v1/kills/stream?character_ids=95465499&preload_days=90' \
#         cursor.txt
#
# It prints a line for each killmail; what else happens goes to stderr.
set -u
url=$1
kept=$2 # the file with the cursor; need not exist

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
echo 3 >"$work/retry"

# Lines come in, an event is whole at an empty one. For each one go out: "+" and a
# killmail, "!" and something to say, "~" and seconds to wait before a reconnect; last of
# all "=" and the cursor. What was cut off is no event, and comes again.
# shellcheck disable=SC2016 # the dollars are jq's
events='
  def killmail:
    "+ \(.kill_time) \(.killmail_id) " +
    "\(.victim.character_name // .victim.character_id // "nobody") lost a " +
    "\(.victim.ship_name // .victim.ship_type_id)";

  def told($event):
    if $event == "batch" then .kills[] | killmail
    elif $event == "killmail" then killmail
    elif $event == "transition" then
      "! \(.total_historical) of the past; from here on live",
      (select(.coverage.complete | not) | "! but not complete; ask again in some minutes")
    elif $event == "gap" then "! the cursor was not taken (\(.reason)); starting anew"
    elif $event == "warning" or $event == "error" then "! \(.type): \(.message)"
    else empty end;

  foreach inputs as $line ({};
    if .whole then {} else . end
    | if $line == "" then .whole = true
      elif $line | startswith("{") then .refusal = $line
      else ($line | index(": ")) as $colon
        | .[$line[:$colon]] = $line[$colon + 2:] end;

    (.refusal | values | "! \(.)"),
    (select(.whole and .data)
      | .event as $event
      | (.data | fromjson | told($event)),
        (.retry | values | "~ \(tonumber / 1000)"),
        (.id | values | "= \(.)")))
'

# Whole or not at all: a stop in between must not leave an empty file.
keep() {
    echo "$1" >"$kept.new" && mv "$kept.new" "$kept"
}

while :; do
    # 75 s without a byte: the connection is dead, as heartbeats come every 30 s.
    : >"$work/head"
    curl -sSN -D "$work/head" --connect-timeout 10 --speed-limit 1 --speed-time 75 \
        -H 'Accept: text/event-stream' \
        -H "Last-Event-ID: $(cat "$kept" 2>/dev/null)" "$url" |
        jq -Rrn --unbuffered "$events" |
        while IFS= read -r line; do
            case $line in
                '+ '*) printf '%s\n' "${line#+ }" || exit 1 ;;
                '! '*) printf '%s\n' "${line#! }" >&2 ;;
                '~ '*) echo "${line#\~ }" >"$work/retry" ;;
                '= '*) keep "${line#= }" || exit 1 ;;
            esac
        done || exit # what cannot be written does not count as shown

    status=
    read -r _ status _ <"$work/head"
    case $status in
        '' | 200 | 429 | 5??) echo "connection lost; status ${status:-none}" >&2 ;;
        *) echo "refused: $status" >&2 && exit 1 ;; # 204 as well: never again
    esac
    sleep "$(cat "$work/retry")"
done
