#!/bin/sh
# Row R2: 64 clients push through both doors at once, for a while, to one repository and to eight; then
# every push is looked for in the trail. Half of the clients come by ssh and half by HTTP, and each
# fourth push of a client is one that the policy forbids.
#
# Usage: benches/load.sh [--programs DIR] [--clients N] [--seconds N]
#
#   --programs DIR   folder with the programs (target/release)
#   --clients N      clients at once (64)
#   --seconds N      how long they push (60)
#
# Needs sshd, nginx and fcgiwrap; sshd wants the account unlocked, so run it as root of a machine that is
# nobody else's. Ends with 1 where a verdict was wrong, a push has no line, or a line no push.
# shellcheck disable=SC2016,SC2317
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$here/../target/release
clients=64
seconds=60
# shellcheck disable=SC2317
# shellcheck source=lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
	case $1 in
	--programs) programs=${2:?}; shift ;;
	--clients) clients=${2:?}; shift ;;
	--seconds) seconds=${2:?}; shift ;;
	*) die "unknown argument $1" ;;
	esac
	shift
done
programs=$(cd "$programs" && pwd)
PATH=$PATH:/usr/sbin:/sbin
for need in sshd nginx fcgiwrap ssh-keygen; do
	command -v "$need" >/dev/null || die "no $need"
done
umask 022
work=$(mktemp -d)
work=$(cd "$work" && pwd -P)
chmod 755 "$work"
sshd=
wrap=
# What was started here ends here, by its own number.
stop() {
	[ -z "$sshd" ] || kill "$sshd" 2>/dev/null || :
	# With those that it started before it was asked anything.
	[ -z "$wrap" ] || kill -- "-$wrap" 2>/dev/null || :
	[ ! -f "$work/nginx.pid" ] || kill "$(cat "$work/nginx.pid")" 2>/dev/null || :
	wait 2>/dev/null || :
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM
mkdir "$work/root" "$work/home" "$work/ssh" "$work/log" "$work/clients"
export HOME="$work/home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=b GIT_AUTHOR_EMAIL=b@b GIT_COMMITTER_NAME=b GIT_COMMITTER_EMAIL=b@b

# ---- the server: eight repositories with hooks, both doors

for key in host bob; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$work/ssh/$key"; done
for number in 1 2 3 4 5 6 7 8; do
	repository=$work/root/r$number.git
	git init -q --bare "$repository"
	tree=$(git -C "$repository" mktree </dev/null)
	commit=$(git -C "$repository" commit-tree -m 1 "$tree")
	git -C "$repository" update-ref refs/heads/main "$commit"
done
site door <<TOML
version = 1
[server]
name = "load"
[store]
path = "@STATE@"
[audit]
file = "@TRAIL@"
[identity]
sources = ["ssh", "http"]
[tokens]
max-lifetime = "30d"
[users.bob]
ssh-keys = ["$(cat "$work/ssh/bob.pub")"]
[schemes.default]
[[schemes.default.permit]]
permissions = ["read"]
to = ["bob"]
[[schemes.default.permit]]
permissions = ["push"]
to = ["bob"]
branches = ["feature/**"]
[projects.LOAD]
repositories = ["**"]
base = "main"
TOML
cp "$programs/door" "$work/door/bin/"
ln -s door "$work/door/bin/refwarden-http"
admin=$work/door/bin/refwarden
"$admin" store init >/dev/null 2>&1
for number in 1 2 3 4 5 6 7 8; do
	"$admin" repo install "$work/root/r$number.git" >/dev/null 2>&1 || die "no hooks in r$number"
done
token=$("$admin" --json token create --as bob --scope read --scope push --for 1d |
	sed -n 's/.*"secret":"\([^"]*\)".*/\1/p')
[ -n "$token" ] || die "no token was made"

ssh_port=$((20000 + $$ % 20000))
web_port=$((ssh_port + 1))
mkdir -p /run/sshd 2>/dev/null || :
"$admin" ssh-keys --write "$work/ssh/authorized_keys" 2>/dev/null
cat >"$work/ssh/config" <<CONF
ListenAddress 127.0.0.1
Port $ssh_port
HostKey $work/ssh/host
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 200
AuthorizedKeysFile $work/ssh/authorized_keys
CONF
"$(command -v sshd)" -D -e -f "$work/ssh/config" 2>"$work/log/sshd" &
sshd=$!
setsid fcgiwrap -f -c 64 -s "unix:$work/fcgi" -p "$work/door/bin/refwarden-http" 2>"$work/log/wrap" &
wrap=$!
# As docs/doors-http.md, without its bounds for one address: all clients have this one.
cat >"$work/nginx.conf" <<CONF
pid $work/nginx.pid;
$([ "$(id -u)" != 0 ] || echo 'user root;')
error_log $work/log/nginx;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $work/t1;
	fastcgi_temp_path $work/t2;
	proxy_temp_path $work/t3;
	uwsgi_temp_path $work/t4;
	scgi_temp_path $work/t5;
	server {
		listen 127.0.0.1:$web_port backlog=1024;
		location / {
			fastcgi_pass unix:$work/fcgi;
			fastcgi_param SCRIPT_FILENAME $work/door/bin/refwarden-http;
			fastcgi_param REQUEST_METHOD \$request_method;
			fastcgi_param PATH_INFO \$uri;
			fastcgi_param QUERY_STRING \$query_string;
			fastcgi_param CONTENT_TYPE \$content_type;
			fastcgi_param CONTENT_LENGTH \$content_length;
			fastcgi_param REMOTE_ADDR \$remote_addr;
			client_max_body_size 0;
			fastcgi_request_buffering off;
			fastcgi_buffering off;
			fastcgi_read_timeout 1h;
		}
	}
}
CONF
sleep 1
nginx -p "$work" -c "$work/nginx.conf" -e "$work/log/nginx" || die "nginx did not start"

GIT_SSH_COMMAND="ssh -F none -p $ssh_port -i $work/ssh/bob -o IdentitiesOnly=yes \
-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes"
export GIT_SSH_COMMAND
account=$(id -un)

# ---- the clients

# client NUMBER REPOSITORIES END: pushes until then, and writes `id verdict` of each push: `ok`,
# `no` with RW201 in the words, or what else came.
client() {
	folder=$work/clients/$1
	repository=r$(($1 % $2 + 1)).git
	git init -q --bare "$folder"
	cd "$folder"
	: >log
	echo none >last
	tree=$(git mktree </dev/null)
	case $(($1 / 8 % 2)) in
	0) url=ssh://$account@127.0.0.1:$ssh_port/$repository ;;
	*) url=http://bob:$token@127.0.0.1:$web_port/$repository ;;
	esac
	git fetch -q "$url" main 2>said || { echo "none ok odd: $(tr "\n" " " <said | cut -c 1-200)" >>log; exit; }
	base=$(git -C "$work/root/$repository" rev-parse main)
	head=$base
	count=0
	while [ "$(date +%s)" -lt "$3" ]; do
		count=$((count + 1))
		next=$(git commit-tree -p "$head" -m "$1 $count" "$tree")
		if [ $((count % 4)) = 0 ]; then
			ref=refs/heads/main
			wanted=no
			next=$(git commit-tree -p "$base" -m "$1 $count" "$tree")
		else
			ref=refs/heads/feature/c$1
			wanted=ok
		fi
		if git push -q "$url" "$next:$ref" 2>said; then got=ok; else
			got=no
			grep -q RW201 said || got="odd: $(tr '\n' ' ' <said | cut -c 1-200)"
		fi
		if [ "$got" = ok ]; then
			head=$next
			echo "$head" >last
		fi
		echo "$next $wanted $got" >>log
	done
}

failed=0
# round REPOSITORIES
round() {
	rm -rf "$work/clients"
	mkdir "$work/clients"
	before=$(wc -l <"$work/door/log/audit.jsonl")
	end=$(($(date +%s) + seconds))
	pids=
	number=0
	while [ "$number" -lt "$clients" ]; do
		(client "$number" "$1" "$end") &
		pids="$pids $!"
		number=$((number + 1))
	done
	for pid in $pids; do wait "$pid"; done
	late=$(($(date +%s) - end))
	cat "$work"/clients/*/log | sort >"$work/pushed"
	# What was decided, push by push: `id verdict`.
	tail -n "+$((before + 1))" "$work/door/log/audit.jsonl" | grep '"event":"push.decided"' |
		sed 's/.*"new":"\([0-9a-f]*\)".*"verdict":"\([a-z]*\)"}$/\1 \2/' |
		sed 's/allowed$/ok/; s/refused$/no/' | sort >"$work/decided"
	tail -n "+$((before + 1))" "$work/door/log/audit.jsonl" | grep '"event":"push.landed"' |
		sed 's/.*"new":"\([0-9a-f]*\)".*/\1/' | sort >"$work/landed"
	wrong=$(awk '$2 != $3' "$work/pushed" | wc -l)
	awk '{ print $1, $3 }' "$work/pushed" | sort >"$work/told"
	lost=$(comm -3 "$work/told" "$work/decided" | wc -l)
	awk '$3 == "ok" { print $1 }' "$work/pushed" | sort >"$work/moved"
	unlanded=$(comm -3 "$work/moved" "$work/landed" | wc -l)
	stale=0
	for folder in "$work"/clients/*; do
		number=${folder##*/}
		there=$(git -C "$work/root/r$((number % $1 + 1)).git" rev-parse -q --verify \
			"refs/heads/feature/c$number" || :)
		[ "${there:-none}" = "$(cat "$folder/last")" ] || stale=$((stale + 1))
	done
	"$admin" audit verify >/dev/null || { say 'the trail does not verify'; failed=1; }
	printf '| R2 | %s clients, %s s, %s | %s pushes: %s allowed, %s refused | wrong verdicts %s, not in the trail or not told %s, without `push.landed` %s, refs elsewhere %s, last one %s s late |\n' \
		"$clients" "$seconds" "$([ "$1" = 1 ] && echo '1 repository' || echo "$1 repositories")" \
		"$(wc -l <"$work/pushed")" "$(grep -c ' ok$' "$work/told" || :)" \
		"$(grep -c ' no$' "$work/told" || :)" "$wrong" "$lost" "$unlanded" "$stale" "$late"
	if [ $((wrong + lost + unlanded + stale)) != 0 ]; then
		failed=1
		awk '$2 != $3' "$work/pushed" | cut -d ' ' -f 3- | sort | uniq -c | sort -rn | head >&2
		comm -3 "$work/told" "$work/decided" | head -n 5 >&2
	fi
	for number in 1 2 3 4 5 6 7 8; do
		git -C "$work/root/r$number.git" for-each-ref --format 'delete %(refname)' refs/heads/feature |
			git -C "$work/root/r$number.git" update-ref --stdin
	done
}

echo '| row | load | pushes | accounted for |'
echo '| --- | --- | --- | --- |'
round 1
round 8
exit "$failed"
