#!/bin/sh
# npm-ci.sh DIR: the npm packages of DIR/package-lock.json in DIR/node_modules, once.
# A second run does nothing and needs no network; several builds at once wait for each other.
set -eu
cd "$1"
marker=node_modules/.complete
exec 9<.
flock 9
if [ -e "$marker" ] && cmp -s package-lock.json "$marker"; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "npm is missing: run 'make deps', or install nodejs and npm" >&2
  exit 1
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json "$marker"
