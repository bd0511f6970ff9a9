#!/bin/sh
# What hosts install, in one file: the checkout's last commit, and each package that its locks name.
#
#   deploy/bundle.sh aarch64          # or x86_64; makes build/eed-delivery-aarch64.tar.gz
#   aws s3 cp build/eed-delivery-aarch64.tar.gz s3://BUCKET/
#
# Put the SHA-256 that it prints into `bundle` of the module hosts.
set -eu
machine=${1:?the machine: aarch64 or x86_64}
cd "$(dirname "$0")/.."
folder=build/bundle/eed-delivery
rm -rf build/bundle
mkdir -p "$folder"
git archive HEAD eed_delivery docs requirements systemd setup.cfg pyproject.toml README.md LICENSE | tar x -C "$folder"
python3 -m pip download --quiet --require-hashes --only-binary :all: --dest "$folder/wheels" \
  --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
  --platform "manylinux2014_$machine" --platform "manylinux_2_28_$machine" --platform any \
  -r requirements/build.txt -r requirements/run.txt -r requirements/operators.txt
tar --sort=name --owner=0 --group=0 --mtime="@$(git log -1 --format=%ct)" -C build/bundle -cz \
  -f "build/eed-delivery-$machine.tar.gz" eed-delivery
sha256sum "build/eed-delivery-$machine.tar.gz"
