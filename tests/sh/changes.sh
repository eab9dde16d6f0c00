#!/bin/sh
# `refwarden policy diff` and brute force by a second reading of the rules, on random pairs of policies.
#
# Usage: tests/sh/changes.sh [SEEDS] [FIRST]
#
# Needs python3 3.11 or later, and the built program in target/debug.
set -u
cd "$(dirname "$0")/../.." || exit 2

if ! python3 -c 'import sys, tomllib, zoneinfo; zoneinfo.ZoneInfo("Europe/London")' 2>/dev/null; then
	echo "changes: skipped, there is no python3 3.11 with time zones"
	echo "0 passed, 0 failed"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
exec python3 tests/second/changes.py "${CARGO_TARGET_DIR:-target}/debug/refwarden" --keep-going \
	--seeds "${1:-30}" --start "${2:-0}"
