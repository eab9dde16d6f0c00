#!/bin/sh
# P12: how many decisions a second `refwarden policy explain --stdin` makes on one core.
# Usage: benches/explain.sh [--programs DIR] [--count N]
# shellcheck disable=SC2016
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../target/release
count=200000
failed=0
# shellcheck source=lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--count) count=${2:?}; shift ;;
	*) die "unknown argument $1" ;;
	esac
	shift
done
[ -x "$programs/refwarden" ] || die "$programs/refwarden is missing: cargo build --release"
programs=$(cd "$programs" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/cases"
: >"$work/table"
build lap <"$here/lap.c"
one_core=
command -v taskset >/dev/null && one_core='taskset -c 0'

awk -v n="$count" 'BEGIN {
	split("create update force delete", action); split("main b/7 release/1 area-3/x tmp-1", branch)
	for (i = 0; i < n; i++)
		printf "{\"user\":\"%s\",\"repository\":\"some/repo%d\",\"action\":\"%s\"," \
			"\"ref\":\"refs/heads/%s\",\"paths\":[]}\n", i % 3 ? "bob" : "user" 1 + i % 9,
			i % 100, action[1 + i % 4], branch[1 + i % 5]
}' >"$work/questions"

measure() {
	"$here/policy.sh" "$2" "$3" /nonexistent/state /nonexistent/audit.jsonl >"$work/$1.toml"
	# shellcheck disable=SC2086
	printf '%s\n' "PATH=$PATH" "HOME=$work" | new_case "$1" "$work" /usr/bin/env $one_core \
		"$programs/refwarden" policy explain --policy "$work/$1.toml" --stdin --json
	cp "$work/questions" "$work/cases/$1/stdin"
	answers=$("$programs/refwarden" policy explain --policy "$work/$1.toml" --stdin --json \
		<"$work/questions" | grep -c '"verdict"' || :)
	[ "$answers" -eq "$count" ] || die "$answers answers to $count questions"
	lap 5 "$1"
	row P12 "\`policy explain --stdin\`, $4" '≥ 50 000 decisions a second' \
		"$(median "$1" | awk -v n="$count" '{ print n / ($1 / 1e6) }')" 50000 ' a second' \
		"$(ms "$(median "$1")") for $count, start included" least
}
measure small 10 1 '20 entries'
measure large 10000 1000 '20 000 entries'
print_table "one core"
exit "$failed"
