#!/bin/sh
# Times what a door adds to a connection, row P11: the ssh door against git-shell, and the HTTP door
# against git-http-backend, each up to the list of refs, without a network in between.
#
# Usage: benches/doors.sh [--programs DIR] [--rounds N]
#
#   --programs DIR   folder with pre-receive, update, post-receive, door, refwarden (target/release)
#   --rounds N       rounds (101)
# shellcheck disable=SC2016
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../target/release
rounds=101
failed=0
# shellcheck source=lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--rounds) rounds=${2:?}; shift ;;
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
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir "$work/bin" "$work/cases" "$work/root" "$work/home"
: >"$work/table"
build lap <"$here/lap.c"

git init -q --bare "$work/root/app.git"
tree=$(git -C "$work/root/app.git" mktree </dev/null)
commit=$(GIT_AUTHOR_NAME=b GIT_AUTHOR_EMAIL=b@b GIT_COMMITTER_NAME=b GIT_COMMITTER_EMAIL=b@b \
	git -C "$work/root/app.git" commit-tree -m 1 "$tree")
git -C "$work/root/app.git" update-ref refs/heads/main "$commit"

site door <<'TOML'
version = 1
[server]
name = "bench"
[store]
path = "@STATE@"
[audit]
file = "@TRAIL@"
[identity]
sources = ["ssh", "http"]
[tokens]
max-lifetime = "30d"
[users.bob]
[schemes.default]
[[schemes.default.permit]]
permissions = ["read", "push"]
to = ["authenticated"]
[projects.APP]
repositories = ["**"]
base = "main"
TOML
admin=$work/door/bin/refwarden
cp "$programs/door" "$work/door/bin/"
ln -s door "$work/door/bin/refwarden-http"
"$admin" store init >/dev/null
token=$("$admin" --json token create --as bob --scope read --for 1d | sed -n 's/.*"secret":"\([^"]*\)".*/\1/p')
[ -n "$token" ] || die "no token was made"
basic=$(printf 'bob:%s' "$token" | base64 | tr -d '\n')

# What the client says after the list of refs: that it wants nothing.
talk() { printf 0000 >"$work/cases/$1/stdin"; }
plain() { printf '%s\n' "PATH=$PATH" "HOME=$work/home"; }

plain | new_case git-shell "$work/home" "$(command -v git-shell)" -c "git-upload-pack '$work/root/app.git'"
talk git-shell
{ plain; echo "SSH_ORIGINAL_COMMAND=git-upload-pack '/app.git'"; } |
	new_case ssh-door "$work/home" "$work/door/bin/door" ssh bob
talk ssh-door

web() {
	plain
	printf '%s\n' REQUEST_METHOD=GET QUERY_STRING=service=git-upload-pack REMOTE_ADDR=127.0.0.1 \
		PATH_INFO=/app.git/info/refs
}
{ web; printf '%s\n' "GIT_PROJECT_ROOT=$work/root" GIT_HTTP_EXPORT_ALL=1; } |
	new_case http-backend "$work/home" "$(git --exec-path)/git-http-backend"
talk http-backend
{ web; echo "HTTP_AUTHORIZATION=Basic $basic"; } | new_case http-door "$work/home" "$work/door/bin/refwarden-http"
talk http-door

# As on a server on which nobody has just made a token: the briefs beside the store stand.
sleep 3
lap 3 ssh-door http-door
lap "$rounds" git-shell ssh-door http-backend http-door

# adds WHAT DOOR PLAIN: the difference of the medians.
adds() {
	a=$(median "$2")
	b=$(median "$3")
	row P11 "$1" "≤ 3 ms more" "$(awk -v a="$a" -v b="$b" 'BEGIN { print (a - b) / 1000 }')" 3 " ms" \
		"$(ms "$a") / $(ms "$b")"
}
adds 'the ssh door up to the list of refs, over git-shell' ssh-door git-shell
adds 'the HTTP door with a token, over git-http-backend' http-door http-backend
print_table "$(git version)"
exit "$failed"
