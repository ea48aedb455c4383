# What a camera loop needs to know of a board: in a line each, "MARK key=value". Arguments: MARK ROOT PYTHON.
mark=$1 root=$2 python=$3
say() { printf '%s %s=%s\n' "$mark" "$1" "$2"; }
start=$(pwd -P)
case $root in /*) ;; *) root=$start/$root ;; esac
python=$(command -v "$python") || python=
case $python in /* | '') ;; *) python=$start/$python ;; esac
user=$(id -un) uid=$(id -u)
say start "$start"
say home "$HOME"
say root "$root"
say python "$python"
say user "$user"
say uid "$uid"
[ -f "$root/current/manifest.json" ] && say current "$(basename "$(readlink "$root/current")")"
say model "$(sed -n 's/^ "name": "\(.*\)",$/\1/p' "$root/current/manifest.json" 2>/dev/null)"
[ -L "$root/previous" ] && say previous "$(basename "$(readlink "$root/previous")")"
[ -d /run/systemd/system ] && say can systemd
[ -e "/var/lib/systemd/linger/$user" ] && say can linger
grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null || [ -d /sys/fs/cgroup/memory ] && say can memory
unshare --user true 2>/dev/null && say can namespaces
{ [ "$uid" = 0 ] || sudo -n true 2>/dev/null; } && say can sudo
say end yes
