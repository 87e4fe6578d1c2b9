#!/usr/bin/env bash
# The README's two commands on machines that never saw the project: a bare Debian 13 (Python 3.13) and a bare Debian 12 (3.11).
# Needs root, and half an hour; continuous integration does the first alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

for suite in trixie bookworm; do
  echo "== $suite"
  time .ci/fresh-debian "$suite"
done
