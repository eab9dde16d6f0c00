#!/bin/sh
# Installs refwarden: the programs, the site file, a first policy, and the hooks into repositories.
# Knows the order of the steps and where things go; what is safe inside a repository is known by
# `refwarden repo`, which does it. Every step prints one line.
set -eu
umask 022

usage() {
    cat <<'END'
usage: install.sh [options] REPO.git...       (an upgrade needs no REPO.git)
       install.sh --uninstall [options] [REPO.git...]
       install.sh --demo

  --prefix DIR          programs into DIR/lib/refwarden and DIR/bin (default /usr/local, for root)
  --policy FILE         the policy (default /etc/refwarden/policy.toml, or below the prefix);
                        a commented one is written when there is none
  --root DIR            the folder that all repositories lie in (default: found from those named)
  --account USER        the account that pushes run as (default: the first repository's owner)
  --hooks LIST          of pre-receive,post-receive,update (default: all that suit the host)
  --copy                copy the programs into the repositories, instead of linking
  --take-over           replace hooks of another installation of refwarden (else refused)
  --template[=DIR]      also into the template that git makes new repositories from
  --system-hooks-path   every repository of this machine, by the system's core.hooksPath
  --host HOST           gitea, gitlab or gitolite: use the place that the host has for hooks
  --systemd             also a service and a timer that run `refwarden sweep` every minute, which
                        settles pushes that were cut short and sends notices again
  --ssh-door            also a file for sshd that leads every login to the hosting account through
                        `refwarden ssh`; without root it is printed. sshd is not reloaded
  --http-door           also systemd's units that run the HTTP door by fcgiwrap, and nginx's lines
                        for it are printed; nothing is started
  --dry-run             print every step and change nothing
  --uninstall           take the hooks out of the repositories named (of all below the root, when
                        none is) and give back what was there; the programs go when no repository
                        needs them any more, and with them the timer and the doors' files.
                        Policy, state and trail stay.
  --demo                show refwarden at work in a temporary folder, in half a minute, and
                        clean up
  --help                this text

Run as root, or as an ordinary user with a prefix of one's own. Built programs beside install.sh,
or in ./bin beside it, are used as they are; without them cargo builds them.
END
}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
misused() {
    printf 'error: %s (see install.sh --help)\n' "$*" >&2
    exit 2
}
# Says a step, and takes it unless only telling.
act() {
    say "$1"
    shift
    if [ "$dry_run" = no ]; then "$@"; fi
}

# A path made absolute; the site file can't hold control characters.
absolute() {
    case $1 in
    *[[:cntrl:]]*) misused "a path with control characters" ;;
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$PWD" "$1" ;;
    esac
}
real_folder() { (CDPATH='' cd -P -- "$1" 2>/dev/null && pwd -P); }
is_below() {
    case $1 in
    "${2%/}"/*) return 0 ;;
    *) return 1 ;;
    esac
}

programs='refwarden pre-receive post-receive update door'
here=$(real_folder "$(dirname -- "$0")")
me=$(id -un)
my_uid=$(id -u)

prefix='' policy='' root='' account='' hooks='' host='' template=''
copy=no take_over=no system=no systemd=no ssh_door=no http_door=no dry_run=no first=no mode=install

set_option() {
    [ -n "$2" ] || misused "$1 needs a value"
    case $1 in
    --prefix) prefix=$(absolute "$2") ;;
    --policy) policy=$(absolute "$2") ;;
    --root) root=$(absolute "$2") ;;
    --account) account=$2 ;;
    --hooks) hooks=$2 ;;
    --host) host=$2 ;;
    --template) template=--template=$(absolute "$2") ;;
    *) misused "no such option: $1" ;;
    esac
}

# Options are taken off, repositories are put back at the end as absolute paths.
left=$#
only_paths=no
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    if [ "$only_paths" = yes ]; then
        path=$(absolute "$word")
        set -- "$@" "$path"
        continue
    fi
    case $word in
    --help | -h)
        usage
        exit 0
        ;;
    --) only_paths=yes ;;
    --copy) copy=yes ;;
    --take-over) take_over=yes ;;
    --template) template=--template ;;
    --system-hooks-path) system=yes ;;
    --systemd) systemd=yes ;;
    --ssh-door) ssh_door=yes ;;
    --http-door) http_door=yes ;;
    --dry-run) dry_run=yes ;;
    --uninstall) mode=uninstall ;;
    --demo) mode=demo ;;
    --prefix | --policy | --root | --account | --hooks | --host)
        [ "$left" -gt 0 ] || misused "$word needs a value"
        set_option "$word" "$1"
        shift
        left=$((left - 1))
        ;;
    --*=*) set_option "${word%%=*}" "${word#*=}" ;;
    -*) misused "no such option: $word" ;;
    '') misused "an empty path" ;;
    *)
        path=$(absolute "$word")
        set -- "$@" "$path"
        ;;
    esac
done

case $host in
'' | gitea | gitlab | gitolite) ;;
*) misused "--host is gitea, gitlab or gitolite" ;;
esac
case ",$hooks," in
*,pre-receive,* | ,,) ;;
*) misused "--hooks needs pre-receive: it decides" ;;
esac

# What is in place so far, for the words after a failure.
placed=nothing
stage='looking around'
work=''
finish() {
    status=$?
    if [ -n "$work" ]; then rm -rf -- "$work"; fi
    if [ "$status" -ne 0 ] && [ "$placed" != nothing ]; then
        printf 'stopped while %s; in place: %s\n' "$stage" "$placed" >&2
    fi
    exit "$status"
}
reached() {
    if [ "$placed" = nothing ]; then placed=$1; else placed="$placed, $1"; fi
}

# ---------------------------------------------------------------- programs

# The folder with all built programs, into $built; they are built when there are none.
find_programs() {
    for built in "$here" "$here/bin"; do
        if has_programs "$built"; then return 0; fi
    done
    [ -f "$here/Cargo.toml" ] || fail "no built programs beside install.sh (in bin/: $programs) and no source to build"
    command -v cargo >/dev/null 2>&1 || fail "no built programs beside install.sh (in bin/: $programs), and no cargo"
    build
}
has_programs() {
    for name in $programs; do
        if [ ! -f "$1/$name" ] || [ ! -x "$1/$name" ]; then return 1; fi
    done
}

# Static where it can be: a hook of a static program starts several times faster.
build() {
    gnu=$(cd -- "$here" && rustc -vV | sed -n 's/^host: //p')
    musl="${gnu%-gnu*}-musl"
    flags=${RUSTFLAGS-}
    if [ -d "$(cd -- "$here" && rustc --print sysroot)/lib/rustlib/$musl" ]; then
        target=$musl
        # Tells in a hundredth of the length what is put right at each start (musl 1.2.4 and later).
        flags="$flags -C link-arg=-Wl,-z,pack-relative-relocs"
    else
        target=$gnu
        case $gnu in *-linux-gnu*) flags="$flags -C target-feature=+crt-static" ;; esac
    fi
    # Asking the processor for its SHA instructions takes longer than the few short texts of a push.
    flags="$flags --cfg sha2_256_backend=\"soft\""
    built="$here/target/$target/release"
    act "build the programs for $target (some minutes)" cargo_build
    if [ "$dry_run" = no ]; then
        has_programs "$built" || fail "the build left no programs in $built"
    fi
}
cargo_build() {
    (cd -- "$here" && RUSTFLAGS=$flags cargo build --quiet --release --locked --bins \
        --target "$target" --target-dir "$here/target")
}

# By rename: a hook that is running keeps the file that it was started from.
install_program() {
    rm -f -- "$lib/.$1.new"
    cp -- "$built/$1" "$lib/.$1.new"
    chmod 0755 "$lib/.$1.new"
    mv -f -- "$lib/.$1.new" "$lib/$1"
}
# By this name the program is the HTTP door, whatever arguments a web server makes of a query.
install_door() {
    rm -f -- "$lib/.refwarden-http.new"
    ln -s door "$lib/.refwarden-http.new"
    mv -f -- "$lib/.refwarden-http.new" "$lib/refwarden-http"
}
install_link() {
    ln -s ../lib/refwarden/refwarden "$prefix/bin/.refwarden.new"
    mv -f -- "$prefix/bin/.refwarden.new" "$prefix/bin/refwarden"
}
install_programs() {
    stage='installing the programs'
    for folder in "$lib" "$prefix/bin"; do
        [ -d "$folder" ] || act "make the folder $folder" mkdir -p -- "$folder"
    done
    for name in $programs; do
        if ! cmp -s -- "$built/$name" "$lib/$name" || [ ! -x "$lib/$name" ]; then
            act "install $lib/$name" install_program "$name"
        fi
    done
    if [ "$(readlink -- "$prefix/bin/refwarden" 2>/dev/null)" != ../lib/refwarden/refwarden ]; then
        if [ -e "$prefix/bin/refwarden" ] || [ -L "$prefix/bin/refwarden" ]; then
            fail "$prefix/bin/refwarden is there and not ours"
        fi
        act "link $prefix/bin/refwarden" install_link
    fi
    if [ "$(readlink -- "$lib/refwarden-http" 2>/dev/null)" != door ]; then
        act "link $lib/refwarden-http" install_door
    fi
    reached "programs in $lib"
}

# ---------------------------------------------------------------- site, policy, folders

toml_string() { printf '"%s"' "$(printf '%s' "$1" | sed 's/["\\]/\\&/g')"; }
# A value of an earlier installation's site file, as write_site wrote it.
site_value() {
    [ -f "$lib/site.toml" ] || return 0
    sed -n "s/^$1 = \"\\(.*\\)\"\$/\\1/p" "$lib/site.toml" | sed 's/\\\(["\\]\)/\1/g'
}
site_text() {
    say 'version = 1'
    say "policy = $(toml_string "$policy")"
    say "state = $(toml_string "$state")"
    say "account = $(toml_string "$account")"
    say "account-uid = $account_uid"
    say "root = $(toml_string "$root")"
}
write_site() {
    rm -f -- "$lib/.site.toml.new"
    (set -C && site_text >"$lib/.site.toml.new")
    chmod 0644 "$lib/.site.toml.new"
    mv -f -- "$lib/.site.toml.new" "$lib/site.toml"
}
install_site() {
    stage='writing the site file'
    if [ "$(site_text)" != "$(cat -- "$lib/site.toml" 2>/dev/null)" ]; then
        act "write $lib/site.toml" write_site
    fi
    reached 'the site file'
}

own_folder() {
    mkdir -p -- "$(dirname -- "$1")"
    mkdir -m 0700 -- "$1"
    # Never through a link: the folder above may be the account's own.
    [ "$my_uid" != 0 ] || chown -h -- "$account_uid" "$1"
}
install_folders() {
    stage='making the folders for state and trail'
    for folder in "$state" "$log"; do
        [ -d "$folder" ] || act "make $folder (0700, of $account)" own_folder "$folder"
    done
    reached 'state and trail folders'
}

# What users of policies may be called; the account may have another name.
user_of_account() {
    case $account in
    [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) printf admin ;;
    *) printf '%s' "$account" ;;
    esac
}
starter() {
    user=$(user_of_account)
    cat <<END
# The policy of refwarden: who may push what, to which ref, until when.
# An edit counts once \`refwarden policy apply\` has accepted it (or use \`refwarden policy edit\`).
# What no permit allows is refused.
version = 1

[store]
path = $(toml_string "$state")

[audit]
file = $(toml_string "$log/audit.jsonl")

# Which evidence tells who pushes. Nothing is auto-detected, nothing else is believed.
#   "unix"         the hosting account itself: for a server of one person
#   "env:PUSHER"   a variable that your own ssh wrapper sets (README.md has the wrapper)
#   "remote-user"  the web server's own authentication, in front of git-http-backend
#   "gitolite", "gitlab", "gitea", ...   the hosting stack's variables
[identity]
sources = ["unix"]

# Everybody who pushes is declared here.
[users."$user"]
END
    [ "$user" = "$account" ] || say "unix = $(toml_string "$account")"
    cat <<END

# [users.bob]
# emails = ["bob@example.org"]

# [groups]
# core = ["$user", "bob"]

[global]
administer = ["$user"]

# Rights are collected in schemes; every project uses one.
[schemes.default]
END
    if [ "$my_uid" = 0 ]; then
        cat <<END
# Nobody may push yet. With "unix" everybody who reaches the hosting account is "$user":
# choose the sources above first, then give rights.
#
# [[schemes.default.permit]]
# permissions = ["push", "force", "delete"]
# branches = ["feature/**", "users/\${user}/**"]
# to = ["@core"]
#
# [[schemes.default.permit]]
# permissions = ["push"]
# branches = ["main"]
# to = ["$user"]
END
    else
        cat <<END

[[schemes.default.permit]]
permissions = ["write"]
to = ["$user"]

# [[schemes.default.permit]]
# permissions = ["push", "force", "delete"]
# branches = ["feature/**", "users/\${user}/**"]
# to = ["bob"]
END
    fi
    cat <<END

# [[schemes.default.forbid]]
# permissions = ["force", "delete"]
# tags = ["v*"]
# reason = "released tags never move"

[projects.all]
repositories = ["**"]
scheme = "default"

# What people may ask for when a push is refused, with nothing but git, and who has to agree:
#   git push -o access=hotfix -o for=1h -o reason='why it can not wait' origin main
#   refwarden access approve ID --as NAME
#
# [entitlements.hotfix]
# projects = ["all"]
# eligible = ["bob"]
# permissions = ["push"]
# branches = ["main"]
# max-duration = "4h"
# approval = [{ from = ["$user"], count = 1 }]
END
}
write_starter() {
    mkdir -p -- "$(dirname -- "$policy")"
    # A link of that name would be written through.
    rm -f -- "$policy.new"
    (set -C && starter >"$policy.new")
    mv -- "$policy.new" "$policy"
}
install_policy() {
    stage='writing the policy'
    if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
        first=yes
        act "write a commented policy to $policy" write_starter
    fi
    reached "the policy $policy"
}

# ---------------------------------------------------------------- using the installed program

# State and trail are the account's: what root wrote there, the hooks could not.
as_account() {
    if [ "$my_uid" = "$account_uid" ]; then
        (cd / && "$@")
    elif command -v runuser >/dev/null 2>&1; then
        (cd / && runuser -u "$account" -- "$@")
    else
        # shellcheck disable=SC2016 # expanded by the shell that su starts
        (cd / && su -s /bin/sh "$account" -c '"$0" "$@"' -- "$@")
    fi
}
apply_policy() {
    stage='applying the policy'
    act "apply the policy $policy" as_account "$lib/refwarden" policy apply --yes
    reached 'the applied policy'
    stage='making the store'
    if [ -e "$state/door.key" ] && [ -e "$state/state.db" ]; then
        # What an older version made may lack something.
        if [ "$dry_run" = no ]; then as_account "$lib/refwarden" store init; fi
    else
        act 'make the store of access records' as_account "$lib/refwarden" store init
    fi
    reached 'the store'
}

# Whether a text was put in place because it was another one before.
put_text() {
    if cmp -s -- "$1" "$2"; then return 0; fi
    mkdir -p -- "$(dirname -- "$2")"
    cp -- "$1" "$2.new"
    mv -f -- "$2.new" "$2"
    texts_changed=yes
}
# Where shells and man look; a program that does not know the verbs has none.
install_texts() {
    if [ "$dry_run" = yes ]; then
        if ! cmp -s -- "$built/refwarden" "$lib/refwarden" ||
            [ ! -e "$prefix/share/man/man1/refwarden.1" ]; then
            say "install completions and man pages below $prefix/share"
        fi
        return 0
    fi
    texts_changed=no
    stage='installing completions and man pages'
    work=$(mktemp -d)
    for pair in bash:bash-completion/completions/refwarden \
        zsh:zsh/site-functions/_refwarden fish:fish/vendor_completions.d/refwarden.fish; do
        file="$prefix/share/${pair#*:}"
        if "$lib/refwarden" completions "${pair%%:*}" >"$work/text" 2>/dev/null; then
            put_text "$work/text" "$file"
        fi
    done
    mkdir "$work/man"
    if "$lib/refwarden" man "$work/man" >/dev/null 2>&1; then
        for page in "$work/man"/*.1; do
            if [ -f "$page" ]; then
                put_text "$page" "$prefix/share/man/man1/$(basename -- "$page")"
            fi
        done
    fi
    if [ "$texts_changed" = yes ]; then
        say "install completions and man pages below $prefix/share"
    fi
}

# ---------------------------------------------------------------- the sweep's timer

# A path in a unit file: % begins a specifier there.
unit_string() { printf '"%s"' "$(printf '%s' "$1" | sed 's/["\\]/\\&/g; s/%/%%/g')"; }
# The service's line; the folder is spelled as later runs will find it.
exec_line() {
    folder=$(real_folder "$lib") || folder=$lib
    printf 'ExecStart=%s sweep' "$(unit_string "$folder/refwarden")"
}
# Where the policy keeps the trail, when it says so in the ordinary form.
trail_folder() {
    file=$(sed -n '/^\[audit\]/,/^\[[^a]/s/^file *= *"\([^"\\]*\)".*/\1/p' "$policy" 2>/dev/null | head -n 1)
    case $file in
    /*) dirname -- "$file" ;;
    *) printf '%s' "$log" ;;
    esac
}
service_text() {
    cat <<END
# Written by install.sh of refwarden; settings of your own: systemctl edit refwarden-sweep.service
[Unit]
Description=refwarden: settle pushes that were cut short, send notices that are due

[Service]
Type=oneshot
$(exec_line)
TimeoutStartSec=5min
UMask=0077
NoNewPrivileges=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
END
    # The manager of an ordinary user can't lay these walls; it runs as the account anyway.
    if [ "$my_uid" = 0 ]; then
        cat <<END
User=$account
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths=$(unit_string "$state") $(unit_string "$(trail_folder)")
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
CapabilityBoundingSet=
END
    fi
}
timer_text() {
    cat <<END
# Written by install.sh of refwarden.
[Unit]
Description=refwarden: sweep every minute

[Timer]
OnCalendar=minutely
AccuracySec=10s

[Install]
WantedBy=timers.target
END
}
# Whether the units there are run this installation's program.
units_are_ours() {
    grep -Fqx -- "$(exec_line)" "$units/refwarden-sweep.service" 2>/dev/null
}
manager() {
    if [ "$my_uid" = 0 ]; then systemctl "$@"; else systemctl --user "$@"; fi
}
# Containers often have the program and nothing that it could talk to.
manager_answers() { manager show-environment >/dev/null 2>&1; }
write_unit() {
    mkdir -p -- "$units"
    rm -f -- "$units/.$1.new"
    (set -C && "$2" >"$units/.$1.new")
    chmod 0644 "$units/.$1.new"
    mv -f -- "$units/.$1.new" "$units/$1"
}
install_unit() {
    if [ "$("$2")" = "$(cat -- "$units/$1" 2>/dev/null)" ]; then return 0; fi
    act "write $units/$1" write_unit "$1" "$2"
    if [ "$dry_run" = yes ]; then "$2" | sed 's/^/    /'; fi
}
start_timer() {
    manager daemon-reload
    # Units below a prefix are where no manager looks.
    if [ "$my_uid" = 0 ] && [ -n "$own" ]; then
        manager link "$units/refwarden-sweep.service" "$units/refwarden-sweep.timer"
    fi
    manager enable --quiet --now refwarden-sweep.timer
}
install_units() {
    stage="writing the sweep's timer"
    if [ -e "$units/refwarden-sweep.service" ] && ! units_are_ours; then
        fail "$units/refwarden-sweep.service is there and not ours"
    fi
    install_unit refwarden-sweep.service service_text
    install_unit refwarden-sweep.timer timer_text
    if manager_answers; then
        act 'start refwarden-sweep.timer, now and at every boot' start_timer
        if [ "$my_uid" != 0 ]; then
            say "so that it runs while you are not logged in: loginctl enable-linger $account"
        fi
    else
        say 'no systemd answers here; where one does:'
        case $my_uid-$own in
        0-) say '  systemctl daemon-reload && systemctl enable --now refwarden-sweep.timer' ;;
        0-*) say "  systemctl link $units/refwarden-sweep.* && systemctl enable --now refwarden-sweep.timer" ;;
        *) say '  systemctl --user daemon-reload && systemctl --user enable --now refwarden-sweep.timer' ;;
        esac
    fi
    reached "the sweep's timer"
}
remove_units() {
    if manager_answers; then manager disable --quiet --now refwarden-sweep.timer || :; fi
    rm -f -- "$units/refwarden-sweep.service" "$units/refwarden-sweep.timer"
    if manager_answers; then manager daemon-reload || :; fi
    if [ -n "$own" ] && [ "$my_uid" = 0 ]; then
        rmdir -- "$units" "$own/etc/systemd" 2>/dev/null || :
    fi
}

# ---------------------------------------------------------------- the doors

ssh_text() {
    cat <<END
# Written by install.sh of refwarden: whoever logs in to the account $account comes in by the door.
PermitUserEnvironment no
Match User $account
    AuthenticationMethods publickey
    AuthorizedKeysCommand $lib/refwarden ssh-keys %u %f %t %k
    AuthorizedKeysCommandUser $account
    AuthorizedKeysFile none
    TrustedUserCAKeys none
    ForceCommand none
    AcceptEnv GIT_PROTOCOL
    DisableForwarding yes
    PermitUserRC no
END
}
# Whether a file of a door is this installation's.
door_is_ours() {
    head -n 1 -- "$1" 2>/dev/null | grep -q '^# Written by install.sh of refwarden' &&
        grep -Fq -- "$lib/refwarden" "$1"
}
# sshd takes the file, before and beside all that it has.
sshd_takes_it() {
    printf 'Include %s\n' "$1" >"$1.test"
    if [ -f /etc/ssh/sshd_config ]; then printf 'Include /etc/ssh/sshd_config\n' >>"$1.test"; fi
    said=$("$sshd" -t -f "$1.test" 2>&1) && status=0 || status=$?
    rm -f -- "$1.test"
    return "$status"
}
write_ssh_door() {
    mkdir -p -- "$(dirname -- "$ssh_file")"
    rm -f -- "$ssh_file.new"
    (set -C && ssh_text >"$ssh_file.new")
    chmod 0644 "$ssh_file.new"
    if ! sshd_takes_it "$ssh_file.new"; then
        rm -f -- "$ssh_file.new"
        fail "sshd does not take it, so it was not put in place: $said"
    fi
    mv -f -- "$ssh_file.new" "$ssh_file"
}
install_ssh_door() {
    stage='writing the file for sshd'
    case $lib$account in
    *[!A-Za-z0-9/._@+-]*) misused "sshd needs plain names for the door's program and account" ;;
    esac
    sshd=$(PATH=$PATH:/usr/sbin:/usr/local/sbin:/sbin command -v sshd) || sshd=''
    if [ "$my_uid" != 0 ] || [ -z "$sshd" ]; then
        say "for root, into /etc/ssh/sshd_config.d/refwarden.conf on a host that has sshd:"
        ssh_text | sed 's/^/    /'
        return 0
    fi
    if [ -e "$ssh_file" ] && ! door_is_ours "$ssh_file"; then
        fail "$ssh_file is there and not ours"
    fi
    if [ "$(ssh_text)" != "$(cat -- "$ssh_file" 2>/dev/null)" ]; then
        act "write $ssh_file" write_ssh_door
        if [ "$dry_run" = yes ]; then ssh_text | sed 's/^/    /'; fi
    fi
    if [ -n "$own" ] || ! grep -Eiq '^[[:space:]]*Include[[:space:]].*/sshd_config\.d/\*\.conf' \
        /etc/ssh/sshd_config 2>/dev/null; then
        say "sshd does not read it by itself; at the top of /etc/ssh/sshd_config: Include $ssh_file"
    fi
    say 'sshd goes on as before until you reload it (systemctl reload ssh, or sshd); stay logged in'
    say "  meanwhile. The policy's [identity] sources has to list \"ssh\", and people's keys"
    reached 'the file for sshd'
}

web_account() {
    for name in www-data nginx apache http; do
        if id -u -- "$name" >/dev/null 2>&1; then
            printf '%s' "$name"
            return 0
        fi
    done
    printf 'www-data'
}
socket_text() {
    cat <<END
# Written by install.sh of refwarden: where the web server reaches $lib/refwarden-http
[Socket]
ListenStream=/run/refwarden-http.sock
SocketUser=$(web_account)
SocketMode=0600

[Install]
WantedBy=sockets.target
END
}
http_text() {
    cat <<END
# Written by install.sh of refwarden.
[Service]
User=$account
ExecStart=${fcgiwrap:-/usr/sbin/fcgiwrap} -f -c 64 -p $(unit_string "$lib/refwarden-http")
END
}
# As docs/doors-http.md has it, in a server that speaks TLS.
nginx_text() {
    cat <<END
# Outside of the server:
# limit_conn_zone \$binary_remote_addr zone=refwarden_held:10m;
# limit_req_zone \$binary_remote_addr zone=refwarden_begun:10m rate=50r/s;
location / {
    fastcgi_pass unix:/run/refwarden-http.sock;
    fastcgi_param SCRIPT_FILENAME "$lib/refwarden-http";
    fastcgi_param REQUEST_METHOD \$request_method;
    fastcgi_param PATH_INFO \$uri;
    fastcgi_param QUERY_STRING \$query_string;
    fastcgi_param CONTENT_TYPE \$content_type;
    fastcgi_param CONTENT_LENGTH \$content_length;
    fastcgi_param REMOTE_ADDR \$remote_addr;
    fastcgi_param REQUEST_SCHEME \$scheme;
    limit_conn refwarden_held 16;
    limit_conn_status 429;
    limit_req zone=refwarden_begun burst=200 nodelay;
    limit_req_status 429;
    client_max_body_size 0;
    client_body_timeout 15s;
    fastcgi_request_buffering off;
    fastcgi_buffering off;
    fastcgi_read_timeout 1h;
}
END
}
install_http_door() {
    stage="writing the HTTP door's units"
    case $lib in
    *[\'\"\\$]*) misused "neither nginx nor systemd runs a program whose path has quotes: $lib" ;;
    esac
    fcgiwrap=$(PATH=$PATH:/usr/sbin:/sbin command -v fcgiwrap) || fcgiwrap=''
    if [ "$my_uid" != 0 ]; then
        say 'for root, as refwarden-http.socket and refwarden-http.service in /etc/systemd/system:'
        { socket_text && http_text; } | sed 's/^/    /'
    else
        for unit in refwarden-http.socket refwarden-http.service; do
            if [ -e "$units/$unit" ] && ! door_is_ours "$units/$unit"; then
                fail "$units/$unit is there and not ours"
            fi
        done
        install_unit refwarden-http.socket socket_text
        install_unit refwarden-http.service http_text
        reached "the HTTP door's units"
    fi
    [ -n "$fcgiwrap" ] || say 'fcgiwrap is not there yet: install it'
    if [ -n "$own" ]; then say "systemctl link $units/refwarden-http.*, for no manager looks there"; fi
    say 'to open the door: systemctl daemon-reload && systemctl enable --now refwarden-http.socket'
    say 'nginx, in the server that speaks TLS (Apache: docs/doors-http.md):'
    nginx_text | sed 's/^/    /'
    say "the policy's [identity] sources has to list \"http\", and [tokens] max-lifetime"
}
# The doors' files of this installation.
door_files() {
    for file in "$ssh_file" "$units/refwarden-http.socket" "$units/refwarden-http.service"; do
        if door_is_ours "$file"; then printf '%s\n' "$file"; fi
    done
}
remove_door_files() {
    if door_files | grep -Fq refwarden-http.socket && manager_answers; then
        manager disable --quiet --now refwarden-http.socket refwarden-http.service 2>/dev/null || :
    fi
    door_files | while IFS= read -r file; do rm -f -- "$file"; done
    if [ -n "$own" ] && [ "$my_uid" = 0 ]; then
        for folder in "$own/etc/ssh/sshd_config.d" "$own/etc/ssh" "$units" "$own/etc/systemd"; do
            rmdir -- "$folder" 2>/dev/null || :
        done
    fi
}
remove_doors() {
    files=$(door_files)
    if [ -z "$files" ]; then return 0; fi
    ssh_was=no
    if [ -e "$ssh_file" ] && door_is_ours "$ssh_file"; then ssh_was=yes; fi
    act "remove $(printf '%s\n' "$files" | tr '\n' ' ')" remove_door_files
    if [ "$ssh_was" = yes ]; then
        say 'sshd still starts the door until you reload it, and nobody comes in by it'
    fi
}
# Once sshd reads the account's own file again, what stands in it counts again.
tell_of_keys() {
    home=$(getent passwd "$(site_value account)" 2>/dev/null | cut -d: -f6) || return 0
    [ -n "$home" ] || return 0
    for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        if ! grep -q '^# refwarden: begin' "$file" 2>/dev/null; then continue; fi
        say "$file keeps the lines of \`refwarden ssh-keys --write\`: they count again"
        say '  once sshd is reloaded. To take them away:'
        say "  sed -i '/^# refwarden: begin/,/^# refwarden: end/d' $file"
    done
}

# `refwarden repo VERB` with the options that were given; repositories are the arguments.
repo() {
    verb=$1
    shift
    if [ -n "$template" ]; then set -- "$template" "$@"; fi
    if [ "$system" = yes ]; then set -- --system "$@"; fi
    if [ "$dry_run" = yes ]; then set -- --dry-run "$@"; fi
    if [ "$verb" = install ]; then
        if [ "$copy" = yes ]; then set -- --copy "$@"; fi
        if [ "$take_over" = yes ]; then set -- --take-over "$@"; fi
        if [ -n "$host" ]; then set -- --host "$host" "$@"; fi
        if [ -n "$hooks" ]; then set -- --hooks "$hooks" "$@"; fi
    fi
    "$lib/refwarden" repo "$verb" "$@"
}
install_hooks() {
    stage='installing the hooks'
    if [ "$dry_run" = yes ] && [ ! -f "$lib/site.toml" ]; then
        for path in "$@"; do say "$path: put the hooks in, keep those that are there"; done
        return 0
    fi
    if repo install "$@"; then
        reached 'the hooks'
        return 0
    fi
    # It fails for every other side path too, with the hooks in place: they close one themselves.
    if have_hooks "$@"; then
        reached 'the hooks'
        stage='holding the host to secure mode, which is not met'
    fi
    return 1
}
have_hooks() {
    [ $# -gt 0 ] || return 1
    have=$("$lib/refwarden" repo list) || return 1
    for path in "$@"; do
        real=$(real_folder "$path") || return 1
        printf '%s\n' "$have" | grep -Fxq -e "$real" -e "$real/.git" || return 1
    done
}
look_at_it() {
    if [ "$dry_run" = yes ]; then return 0; fi
    stage='looking at the result (refwarden doctor)'
    # An upgrade changes no repository; it fails only where secure mode asks for it.
    if [ $# -eq 0 ]; then
        "$lib/refwarden" doctor --quiet --secure-mode
        return 0
    fi
    say "look at the result: $prefix/bin/refwarden doctor"
    # As who reads it: its cures are for them to type.
    "$lib/refwarden" doctor --quiet "$@"
}

# ---------------------------------------------------------------- install, uninstall

check_repository() {
    for place in "$1" "$1/.git"; do
        if [ -f "$place/HEAD" ] && [ -d "$place/objects" ]; then return 0; fi
    done
    fail "$1 is not a git repository"
}
# The deepest folder that all repositories lie in.
find_root() {
    root=$(dirname -- "$(real_folder "$1")")
    for path in "$@"; do
        while ! is_below "$(real_folder "$path")" "$root"; do root=$(dirname -- "$root"); done
    done
    [ "$root" != / ] || fail "the repositories have no folder in common: give --root"
}
settle_account() {
    [ -n "$account" ] || account=$(site_value account)
    if [ "$my_uid" != 0 ]; then
        [ "${account:-$me}" = "$me" ] || fail "only root can install for the account $account"
        account=$me
    elif [ -z "$account" ]; then
        account=git
        if [ $# -gt 0 ]; then account=$(stat -L -c %U -- "$1"); fi
    fi
    account_uid=$(id -u -- "$account" 2>/dev/null) ||
        fail "this host has no account $account: make it, or name another with --account"
}
settle_prefix() {
    if [ -z "$prefix" ]; then
        [ "$my_uid" = 0 ] || misused "an ordinary user needs --prefix"
        prefix=/usr/local
    fi
    if [ -d "$prefix" ]; then prefix=$(real_folder "$prefix"); fi
    lib=$prefix/lib/refwarden
    own=$prefix
    case $prefix in /usr | /usr/local) own='' ;; esac
    # An ordinary user's manager looks into the user's home, root's into /etc.
    units=$own/etc/systemd/system
    ssh_file=$own/etc/ssh/sshd_config.d/refwarden.conf
    [ "$my_uid" = 0 ] || units=${XDG_CONFIG_HOME:-${HOME-}/.config}/systemd/user
}
# What is not given comes from an earlier installation, else from the prefix.
settle_paths() {
    [ -n "$policy" ] || policy=$(site_value policy)
    [ -n "$policy" ] || policy=$own/etc/refwarden/policy.toml
    state=$(site_value state)
    [ -n "$state" ] || state=$own/var/lib/refwarden
    log=$own/var/log/refwarden
    [ -n "$root" ] || root=$(site_value root)
    if [ -z "$root" ]; then
        [ $# -gt 0 ] || fail "give --root, or a repository"
        find_root "$@"
    fi
    root=$(real_folder "$root") || fail "the root is not a folder that can be entered"
    for path in "$@"; do
        is_below "$(real_folder "$path")" "$root" ||
            fail "$path is not below the root $root: give another --root"
    done
}

install() {
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    settle_prefix
    # An upgrade needs none: hooks that are links lead to the new programs.
    if [ $# -eq 0 ] && [ -z "$template" ] && [ "$system" = no ] && [ ! -f "$lib/site.toml" ]; then
        misused "name a repository"
    fi
    for path in "$@"; do check_repository "$path"; done
    settle_account "$@"
    settle_paths "$@"
    case $systemd-$lib in
    yes-*[\'\"\\]*) misused "systemd runs no program whose path has quotes or backslashes: $lib" ;;
    esac
    find_programs
    install_programs
    install_site
    install_policy
    install_folders
    apply_policy
    install_texts
    if [ "$systemd" = yes ]; then install_units; fi
    if [ "$ssh_door" = yes ]; then install_ssh_door; fi
    if [ "$http_door" = yes ]; then install_http_door; fi
    if [ $# -gt 0 ] || [ -n "$template" ] || [ "$system" = yes ]; then install_hooks "$@"; fi
    look_at_it "$@"
    tell_the_end
}
# What stands now, and what comes next.
tell_the_end() {
    if [ "$dry_run" = yes ]; then
        say 'nothing was changed (--dry-run)'
        return 0
    fi
    say "installed; the policy is $policy"
    if [ "$first" = no ]; then return 0; fi
    if [ "$my_uid" = 0 ]; then
        say 'it permits nobody anything yet, so every push there is refused: edit it, then'
        say "  $prefix/bin/refwarden policy apply"
    fi
    say "other repositories below $root have no hooks before you say"
    say "  $prefix/bin/refwarden repo install --all"
}

remove_programs() {
    for name in $programs refwarden-http site.toml; do rm -f -- "$lib/$name"; done
    rmdir -- "$lib" 2>/dev/null || say "$lib stays: something else is in it"
    if [ "$(readlink -- "$prefix/bin/refwarden" 2>/dev/null)" = ../lib/refwarden/refwarden ]; then
        rm -f -- "$prefix/bin/refwarden"
    fi
    share=$prefix/share
    rm -f -- "$share/bash-completion/completions/refwarden" \
        "$share/zsh/site-functions/_refwarden" "$share/fish/vendor_completions.d/refwarden.fish" \
        "$share/man/man1/refwarden.1" "$share/man/man1"/refwarden-*.1
    # Folders that nothing is left in; /usr/local's own stay.
    if [ "$prefix" != /usr/local ] && [ "$prefix" != /usr ]; then
        for folder in share/bash-completion/completions share/bash-completion \
            share/zsh/site-functions share/zsh share/fish/vendor_completions.d share/fish \
            share/man/man1 share/man share lib bin; do
            rmdir -- "$prefix/$folder" 2>/dev/null || :
        done
    fi
}
uninstall() {
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    settle_prefix
    [ -x "$lib/refwarden" ] || fail "no installation in $lib"
    stays="$(site_value policy) and $(site_value state)"
    placed='what was installed, but for the steps above'
    stage='removing the hooks'
    [ "$my_uid" != 0 ] || system=yes
    if [ $# -gt 0 ]; then repo uninstall "$@"; else repo uninstall --all; fi
    if [ "$dry_run" = yes ]; then
        say "remove the programs in $lib, when no repository needs them any more"
        if units_are_ours; then say "and with them $units/refwarden-sweep.service and .timer"; fi
        remove_doors
        tell_of_keys
        say 'nothing was changed (--dry-run)'
        return 0
    fi
    # A link to a program that is gone is skipped by git without a word.
    stage='looking for repositories that need the programs'
    others=$("$lib/refwarden" repo list)
    if [ -n "$others" ]; then
        say "the programs stay: $(printf '%s\n' "$others" | wc -l) other repositories need them"
        return 0
    fi
    stage='removing the programs'
    if units_are_ours; then act "remove $units/refwarden-sweep.service and .timer" remove_units; fi
    remove_doors
    tell_of_keys
    act "remove the programs in $lib" remove_programs
    say "uninstalled; $stays stay, and the trail"
}

# ---------------------------------------------------------------- demo

# A command as it can be typed.
show_line() {
    printf '\n$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=@%+,-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
}
show() {
    show_line "$@"
    "$@"
}
# A push that must not get through.
show_refused() {
    show_line "$@"
    if "$@"; then fail 'that push should have been refused'; fi
}
tell() { printf '\n# %s\n' "$*"; }
end_demo() {
    status=$?
    cd / && rm -rf -- "$demo"
    if [ "$status" -eq 0 ]; then say "everything was in $demo, and is gone"; fi
    exit "$status"
}
demo_policy() {
    cat <<END
version = 1

[store]
path = $(toml_string "$demo/prefix/var/lib/refwarden")

[audit]
file = $(toml_string "$demo/prefix/var/log/refwarden/audit.jsonl")

[identity]
sources = ["env:DEMO_USER"]     # a stand-in for ssh or the web server

[users.alice]
[users.bob]

[global]
administer = ["alice"]

[schemes.default]

[[schemes.default.permit]]
permissions = ["push"]
to = ["alice"]

[[schemes.default.permit]]
permissions = ["push"]
branches = ["feature/**"]
to = ["bob"]

[projects.DEMO]
repositories = ["**"]
scheme = "default"

[entitlements.hotfix]           # what bob may ask for, and who has to agree
projects = ["DEMO"]
eligible = ["bob"]
permissions = ["push"]
branches = ["main"]
max-duration = "1h"
approval = [{ from = ["alice"], count = 1 }]
END
}
# Alone in its folder: the settings of who tries this (signing, templates, hooks) stay out of it.
demo_alone() {
    mkdir -p "$demo/release" "$demo/home" "$demo/repositories"
    for name in $programs; do cp -- "$built/$name" "$demo/release/"; done
    cp -- "$here/install.sh" "$demo/release/"
    export HOME="$demo/home" XDG_CONFIG_HOME="$demo/home" GIT_CONFIG_NOSYSTEM=1
    git config --global user.name demo
    git config --global user.email demo@example.org
    git config --global init.defaultBranch main
    git config --global advice.detachedHead false
}
demo() {
    [ "$dry_run" = no ] || misused '--demo has no --dry-run'
    command -v git >/dev/null 2>&1 || fail 'git is not there'
    find_programs
    demo=$(mktemp -d) && demo=$(real_folder "$demo")
    trap end_demo EXIT
    trap 'exit 130' INT TERM HUP
    demo_alone
    cd -- "$demo"
    exec 2>&1
    lent=10

    tell 'A bare repository, and a policy: alice may push anywhere, bob to feature branches.'
    tell 'For main bob may ask, and alice has to agree.'
    demo_policy >policy.toml
    show tail -n 7 policy.toml
    show git init --quiet --bare repositories/app.git
    # An own setting comes after a core.hooksPath of the account's.
    git -C repositories/app.git config core.hooksPath "$demo/repositories/app.git/hooks"
    git -C repositories/app.git config receive.fsckObjects true
    tell 'release/ is what a release holds: install.sh, and the programs beside it.'
    show release/install.sh --prefix prefix --policy policy.toml repositories/app.git ||
        say '(doctor names what this machine could do better; the demo goes on)'
    [ -x repositories/app.git/hooks/pre-receive ] || fail 'the hooks were not installed'
    PATH=$demo/prefix/bin:$PATH

    tell 'alice pushes to main: permitted, so not a word of refwarden.'
    git clone --quiet "file://$demo/repositories/app.git" work 2>/dev/null
    cd work
    show git commit --quiet --allow-empty -m first
    show env DEMO_USER=alice git push origin HEAD:main

    tell 'bob pushes to main: refused, with every reason, and with what he could ask for.'
    show git commit --quiet --allow-empty -m fix
    show_refused env DEMO_USER=bob git push origin HEAD:main

    tell "bob asks, by the same push: for main, for $lent seconds. Nothing but git is needed."
    show_refused env DEMO_USER=bob git push -o access=hotfix -o "for=${lent}s" \
        -o reason='the shop is down' origin HEAD:main
    id=$(refwarden access list --json --user bob | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -n 1)
    [ -n "$id" ] || fail 'the request was not filed'

    tell 'alice agrees, here on the server. The clock starts now.'
    show refwarden access approve "$id" --as alice
    ends=$(($(date +%s) + lent))
    tell 'The same push goes through, and says why.'
    show env DEMO_USER=bob git push origin HEAD:main

    tell 'The end needs nobody: the next push after it is refused.'
    show git commit --quiet --allow-empty -m more
    wait=$((ends - $(date +%s)))
    [ "$wait" -le 0 ] || show sleep "$wait"
    show_refused env DEMO_USER=bob git push origin HEAD:main

    tell 'All of it is in the trail, and nothing of the trail was changed since.'
    show refwarden audit show --grant "$id"
    show refwarden audit verify
    say ''
}

"$mode" "$@"
