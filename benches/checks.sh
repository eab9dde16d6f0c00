#!/bin/sh
# Times a first push of 100 000 commits with every check on against what git itself takes to walk
# and compare them, and prints the rows P8 and P10 of checks. See benches/README.md.
#
# Usage: benches/checks.sh [--programs DIR] [--commits N] [--rounds N] [--keep]
# shellcheck disable=SC2016,SC2154,SC2317
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../target/release
commits=100000
rounds=5
keep=
failed=0
# shellcheck source=lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--commits) commits=${2:?}; shift ;;
	--rounds) rounds=${2:?}; shift ;;
	--keep) keep=1 ;;
	*) die "unknown argument $1" ;;
	esac
	shift
done
[ -d "$programs" ] || die "no folder $programs: cargo build --release"
programs=$(cd "$programs" && pwd)
umask 022
work=$(mktemp -d)
work=$(cd "$work" && pwd -P)
chmod 755 "$work"
cleanup() { if [ -n "$keep" ]; then say "kept: $work"; else rm -rf "$work"; fi; }
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/cases" "$work/root" "$work/home"
: >"$work/table"
for name in $(env | sed -n 's/^\(GIT_[A-Z_0-9]*\)=.*/\1/p'); do unset "$name"; done
HOME=$work/home
GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
export HOME GIT_CONFIG_NOSYSTEM LC_ALL
build lap <"$here/lap.c"

# Twenty lines a file, one of which changes: so there is something to compare and to search.
say "making $commits commits"
history=$work/history.git
git init -q --bare "$history"
awk -v n="$commits" 'BEGIN {
	for (i = 1; i <= n; i++) {
		printf "commit refs/heads/main\ncommitter b <bob@example.org> %d +0000\n", 1600000000 + i * 60
		m = "PAY-" i ": change " i "\n\nTicket: PAY-" i "\n"
		printf "data %d\n%s", length(m), m
		for (f = 0; f < 2; f++) {
			at = (i * 7 + f * 13) % 900
			text = ""
			for (line = 0; line < 20; line++)
				text = text "line " line " of the file " at ", " (line == i % 20 ? "changed " i : "as it was") "\n"
			printf "M 100644 inline dir%d/sub%d/file%d.c\ndata %d\n%s\n", at % 20, at % 7, at, length(text), text
		}
	}
}' | git -C "$history" fast-import --quiet
tip=$(git -C "$history" rev-parse main)
zero=$(echo "$tip" | tr 0-9a-f 0)

# checks NAME: a site whose policy has every check on, and what follows on stdin beside it.
checks() {
	{
		cat <<-'TOML'
			version = 1
			[server]
			name = "bench"
			max-commits-per-push = 1000000
			[store]
			path = "@STATE@"
			[audit]
			file = "@TRAIL@"
			[identity]
			sources = ["remote-user"]
			[users.bob]
			emails = ["bob@example.org"]
			[[schemes.default.permit]]
			permissions = ["write"]
			to = ["authenticated"]
			[projects.PAY]
			repositories = ["**"]
			base = "main"
			[[checks]]
			name = "message"
			subject = "^PAY-[0-9]+: "
			message = "(?m)^Ticket: PAY-"
			max-subject = 72
			committer = "pusher"
			author = "known"
			merges = "none"
			[[checks]]
			name = "files"
			max-file-size = "10MiB"
			forbid-paths = ["secrets/**", "**/*.exe"]
			max-path-length = 200
			case-conflicts = true
			reserved-names = true
			symlinks = "inside"
			submodules = "none"
		TOML
		cat
	} | site "$1"
}
checks all </dev/null
checks content <<'TOML'
[[checks]]
name = "secrets"
content = ["secrets"]
TOML

server=$work/root/first.git
git init -q --bare "$server"
incoming=$server/objects/tmp_objdir-incoming-bench
mkdir -p "$incoming/pack"
printf '%s\n' "$tip" | git -C "$history" pack-objects -q --revs --threads=0 --delta-base-offset \
	"$incoming/pack/pack" >/dev/null

# first NAME: the hook of that site on the first push.
first() {
	printf '%s\n' "PATH=$PATH" "HOME=$HOME" REMOTE_USER=bob GIT_DIR=. \
		"GIT_QUARANTINE_PATH=$incoming" "GIT_OBJECT_DIRECTORY=$incoming" \
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=$server/objects" |
		new_case "$1" "$server" "$work/$1/bin/pre-receive"
	printf '%s\n' "$zero $tip refs/heads/main" >"$work/cases/$1/stdin"
	: >"$work/cases/$1/sample"
}
first all
first content
environment() { printf '%s\n' "PATH=$PATH" "HOME=$HOME"; }
environment | new_case rev-list "$history" "$(command -v git)" rev-list --objects "$tip"
environment | new_case diff-tree "$history" "$(command -v git)" diff-tree -r --root --stdin
environment | new_case diff-text "$history" "$(command -v git)" diff-tree -r -p --root --stdin
git -C "$history" rev-list "$tip" | tee "$work/cases/diff-text/stdin" >"$work/cases/diff-tree/stdin"
lap "$rounds" all content rev-list diff-tree diff-text

# against NAME A B: the hook's time over that of two git processes.
against() {
	awk -v h="$(median "$1")" -v a="$(median "$2")" -v b="$(median "$3")" 'BEGIN { print h / (a + b) }'
}
row P8 "first push, $commits commits, every check but content" \
	'≤ `rev-list --objects` + `diff-tree -r`' "$(against all rev-list diff-tree)" 1 ' ×' \
	"$(ms "$(median all)")"
row P8 "the same, content searched" '≤ `rev-list --objects` + `diff-tree -r -p`' \
	"$(against content rev-list diff-text)" 1 ' ×' "$(ms "$(median content)")"
for name in all content; do
	row P10 "peak memory, $name" '≤ 64 MiB beyond mapped packs' \
		"$(figure 5 "$name" | awk '{ print $1 / 1024 }')" 64 ' MiB' 'anonymous, sampled each millisecond'
done

print_table "$(git version)"
exit "$failed"
