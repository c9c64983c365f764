#!/bin/sh
# Ships one commit of the demo's page to one environment: exports it beside what is live, then switches in one step.
set -eu
environment=$1
commit=$2
site=$(dirname "$0")/sites/$environment
release=$site/releases/$commit

echo "Exporting $DECKHAND_REF"
rm -rf "$release.new"
mkdir -p "$release.new"
git -C "$DECKHAND_REPOSITORY" archive --format=tar "$commit" | tar -x -f - -C "$release.new"
rm -rf "$release"
mv "$release.new" "$release"

echo "Warming up"
sleep "${DECKHAND_DEMO_PAUSE:-1}"

echo "Switching $environment"
ln -sfn "releases/$commit" "$site/current.new"
# Renaming a link over another is one step: no visitor ever meets a missing page.
mv -fT "$site/current.new" "$site/current" 2>/dev/null || mv -fh "$site/current.new" "$site/current"
echo "Done"
