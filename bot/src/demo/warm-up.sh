#!/bin/sh
# A runbook to try: reads what is live in an environment a few times, and says how long it is.
set -eu
page=$(dirname "$0")/sites/$1/current/index.html
round=1
while [ "$round" -le "$2" ]; do
    echo "Reading $1, $round of $2: $(wc -c < "$page") bytes"
    sleep "${DECKHAND_DEMO_PAUSE:-1}"
    round=$((round + 1))
done
