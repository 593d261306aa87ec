#!/bin/sh
# A load of HTTP requests by wrk, after half a second of warming up: http-wrk.sh PORT PATH SECONDS [SCRIPT]. Prints requests per second, and how many there were.
url="http://127.0.0.1:$1$2"
set -- "$3" ${4:+-s "$4"}
seconds=$1
shift
wrk -t1 -c50 -d0.5s "$@" "$url" >/dev/null 2>&1 || wrk -t1 -c50 -d1s "$@" "$url" >/dev/null
wrk -t1 -c50 -d"${seconds}s" "$@" "$url" | awk '/Requests\/sec/ { rate = $2 } /requests in/ { all = $1 } /Non-2xx/ { bad = 1; print > "/dev/stderr" } END { print rate, all; exit bad }'
