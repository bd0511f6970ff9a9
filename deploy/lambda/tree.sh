#!/bin/sh
# What the image of functions has beside Python itself. The Dockerfile runs this, and so do the tests, without Docker.
#
#   deploy/lambda/tree.sh packages FOLDER      # FOLDER/packages: what requirements/lambda.txt names, by its hashes
#   deploy/lambda/tree.sh app FOLDER           # FOLDER/app: this checkout. Needs requirements/build.txt installed
#
# Each module is compiled, and not compared with its source again: a sandbox may not write beside it. Each file can be read
# by Lambda's user.
set -eu
part=${1:?packages or app}
folder=${2:?the folder to make}
python=${PYTHON:-python3}
cd "$(dirname "$0")/../.."
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

finish() {
  chmod -R a+rX "$1"
  "$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$1" -p "$2" "$1"
}

case $part in
packages)
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes \
    --only-binary :all: --target "$folder/packages" -r requirements/lambda.txt
  finish "$folder/packages" /opt/python
  ;;
app)
  # Setuptools writes into the folder that it builds from.
  source=$(mktemp -d)
  trap 'rm -rf "$source"' EXIT
  cp -R eed_delivery setup.cfg pyproject.toml README.md LICENSE "$source"
  find "$source" -name __pycache__ -type d -prune -exec rm -rf {} +
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --no-build-isolation \
    --target "$folder/app" "$source"
  finish "$folder/app" /var/task
  ;;
*)
  echo "$0: packages or app, not $part" >&2
  exit 2
  ;;
esac
