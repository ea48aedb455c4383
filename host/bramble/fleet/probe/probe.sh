#!/bin/sh
# What a board is, told by a shell alone: POSIX sh (dash, busybox), no Python needed, nothing is written or changed.
#
#   sh -s NONCE ROOT FOLDER [PYTHON...]     on stdin of one SSH command
#
# NONCE marks our lines: what a login banner or a shell's start-up file prints has none and is ignored.
# ROOT is put before /proc, /sys, /etc, /dev, /usr and /lib: empty on a board, a folder in tests.
# FOLDER is where Bramble keeps its things, absolute or from where the command starts; each PYTHON is looked at first.
#
# One record a line, "NONCE key=value". A key may come often. Where a record has several fields, free text is the last.
# A tool that is not there costs its own records, no others. Everything is one function, called on the last line, so
# that half a script runs nothing.

NEWLINE='
'
TAB='	'

say() { # KEY VALUE: an empty value is not told; a newline would start another record
    [ -n "$2" ] || return 0
    case $2 in
    *"$NEWLINE"*) set -- "$1" "$(printf '%s' "$2" | tr '\n' ' ')" ;;
    esac
    printf '%s %s=%s\n' "$NONCE" "$1" "$2"
}

say_lines() { # KEY: one record for each line of stdin
    while IFS= read -r line || [ -n "$line" ]; do
        say "$1" "$line"
    done
}

text() { # FILE: what is in it, zeros and newlines as spaces
    [ -r "$1" ] && [ ! -d "$1" ] && tr '\000\n' '  ' <"$1" 2>/dev/null
}

has() {
    command -v "$1" >/dev/null 2>&1
}

patient() { # SECONDS COMMAND...: a tool that hangs must not hold up all the rest
    if timeout 1 true 2>/dev/null; then
        timeout "$@"
    else
        shift
        "$@"
    fi
}

identity() {
    say tree_model "$(text "$ROOT/proc/device-tree/model")"
    say dmi_model "$(text "$ROOT/sys/class/dmi/id/product_name")"
    say compatible "$(text "$ROOT/proc/device-tree/compatible")"
    say hostname "$(uname -n 2>/dev/null)"
    say machine "$(uname -m 2>/dev/null)"
    say kernel "$(uname -r 2>/dev/null)"
    grep -E '^(PRETTY_NAME|ID|VERSION_ID)=' "$ROOT/etc/os-release" 2>/dev/null | say_lines os
    say user "$(id -un 2>/dev/null)"
    say home "$HOME"
}

processor() {
    grep -E '^(model name|Model|CPU implementer|CPU part|Features|flags)' "$ROOT/proc/cpuinfo" 2>/dev/null |
        sort | uniq -c | say_lines cpuinfo
    say online "$(text "$ROOT/sys/devices/system/cpu/online")"
    say processors "$(nproc 2>/dev/null)"
    for policy in "$ROOT"/sys/devices/system/cpu/cpufreq/policy*; do
        [ -d "$policy" ] || continue
        say governor "$(text "$policy/scaling_governor")"
        say driver "$(text "$policy/scaling_driver")"
        say frequency "$(text "$policy/scaling_cur_freq") $(text "$policy/cpuinfo_max_freq")"
    done
    for zone in "$ROOT"/sys/class/thermal/thermal_zone*; do
        [ -r "$zone/temp" ] && say thermal "$(text "$zone/temp") $(text "$zone/type")"
    done
    say throttled "$(text "$ROOT/sys/devices/platform/soc/soc:firmware/get_throttled")"
    has vcgencmd && say throttled "$(patient 5 vcgencmd get_throttled 2>/dev/null)"
}

storage() {
    grep -E '^(MemTotal|MemAvailable):' "$ROOT/proc/meminfo" 2>/dev/null | say_lines memory
    folder=$FOLDER
    while [ ! -e "${folder:=/}" ] && [ "$folder" != "${folder%/*}" ]; do
        folder=${folder%/*}
    done
    say disk "$(df -Pk "$folder" 2>/dev/null | tail -n 1)"
    if [ -w "$folder" ]; then say writable yes; else say writable no; fi
    grep ' / ' "$ROOT/proc/mounts" 2>/dev/null | tail -n 1 | say_lines root_mount
    case $(text "$ROOT/proc/cmdline") in
    *boot=overlay* | *overlayroot=*) say root_overlay yes ;;
    esac
    sed 1d "$ROOT/proc/swaps" 2>/dev/null | say_lines swap
}

releases() { # which are current and previous: the digest, which names the folder, and the model's name
    for link in current previous; do
        target=$(readlink "$FOLDER/$link" 2>/dev/null) || continue
        manifest=$FOLDER/$link/manifest.json
        name=$([ -r "$manifest" ] && sed -n 's/^ "name": "\([A-Za-z0-9._-]*\)".*/\1/p' "$manifest")
        say "release_$link" "${target##*/} $name"
    done
}

elf() { # FILE: the head of an executable in hexadecimal
    od -An -v -tx1 -N 40 "$1" 2>/dev/null || hexdump -v -n 40 -e '1/1 "%02x "' "$1" 2>/dev/null
}

elf_kind() { # FILE: class and machine, to compare
    od -An -v -tx1 -j 4 -N 1 "$1" 2>/dev/null
    od -An -v -tx1 -j 18 -N 2 "$1" 2>/dev/null
}

libraries() {
    say elf "$(elf "$ROOT/bin/sh")"
    say package_architecture "$(dpkg --print-architecture 2>/dev/null || apk --print-arch 2>/dev/null)"
    say long_bits "$(getconf LONG_BIT 2>/dev/null)"
    say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
    for loader in "$ROOT"/lib/ld-musl-*.so.1; do
        [ -e "$loader" ] && say musl "found $("$loader" 2>&1 | grep Version)"
    done
    kind=$(elf_kind "$ROOT/bin/sh")
    for file in "$ROOT"/usr/lib/*/libstdc++.so.6 "$ROOT"/usr/lib64/libstdc++.so.6 "$ROOT"/usr/lib/libstdc++.so.6 \
        "$ROOT"/lib/*/libstdc++.so.6 "$ROOT"/lib/libstdc++.so.6; do
        if [ -r "$file" ] && [ "$(elf_kind "$file")" = "$kind" ]; then
            say libstdcxx "found $(tr -cs 'A-Za-z0-9_.' '\n' <"$file" | grep '^GLIBCXX_[0-9.]*$' | sort -u)"
            break
        fi
    done
}

sensors() {
    for monitor in "$ROOT"/sys/class/hwmon/hwmon*; do
        [ -r "$monitor/name" ] || continue
        power=no
        [ -e "$monitor/power1_input" ] && power=yes
        alarm=$(text "$monitor/in0_lcrit_alarm")
        say hwmon "$power ${alarm:-0} $(text "$monitor/name")"
    done
    for device in "$ROOT"/sys/bus/i2c/devices/[0-9]*-[0-9a-f]*; do
        [ -r "$device/name" ] && say i2c "${device##*/} $(text "$device/name")"
    done
    for device in "$ROOT"/sys/bus/iio/devices/iio:device*; do
        [ -r "$device/name" ] && say iio "$(text "$device/name")"
    done
}

cameras() {
    found=
    for video in "$ROOT"/sys/class/video4linux/video*; do
        [ -r "$video/name" ] || continue
        node=${video##*/}
        access=absent
        [ -e "$ROOT/dev/$node" ] && access=denied
        [ -r "$ROOT/dev/$node" ] && [ -w "$ROOT/dev/$node" ] && access=allowed
        index=$(text "$video/index")
        say video "$node ${index:-0} $access $(text "$video/name")"
        found=yes
    done
    for part in "$ROOT"/sys/class/video4linux/v4l-subdev*; do
        [ -r "$part/name" ] && say subdevice "$(text "$part/name")"
    done
    has vcgencmd && say legacy_camera "$(patient 5 vcgencmd get_camera 2>/dev/null)"
    [ -z "$found" ] || holders
}

holders() { # who has a camera open, of the processes that we may look into
    # shellcheck disable=SC2012 # the targets of links, which find cannot print everywhere
    ls -l "$ROOT"/proc/[0-9]*/fd 2>/dev/null |
        sed -n -e '/^\/.*:$/{h;d;}' -e '/-> \/dev\/video[0-9]*$/{G;s/^.*\/dev\/\(video[0-9]*\)\n.*\/\([0-9]*\)\/fd:$/\1 \2/p;}' |
        sort -u | while read -r node process; do
        say holder "$node $process $(text "$ROOT/proc/$process/comm")"
    done
}

rights() {
    [ -d "$ROOT/run/systemd/system" ] && say systemd yes
    if [ "$(id -u 2>/dev/null)" = 0 ]; then
        say sudo root
    elif has sudo; then
        if patient 10 sudo -n true >/dev/null 2>&1; then say sudo free; else say sudo password; fi
    fi
    for tool in apt-get apk dnf opkg pacman dpkg systemctl loginctl ssh-keygen sha256sum tar unzip pip3 git rsync curl \
        vcgencmd rpicam-hello libcamera-hello v4l2-ctl i2cdetect fuser; do
        has "$tool" && say tool "$tool"
    done
}

FACTS='
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import importlib.util, json, os, re, struct, sysconfig

def version(module):
    pattern = re.compile(module + r"-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$", re.I)
    for folder in sys.path:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in sorted(names):
            found = pattern.match(name)
            if found:
                return found.group(1)
    return "unknown" if importlib.util.find_spec(module) else ""

runtimes = [(name, version(name.replace("-", "_"))) for name in ("ai-edge-litert", "tflite-runtime")]
kind = "cp" if sys.implementation.name == "cpython" else sys.implementation.name
print("\n@facts " + json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "tag": kind + "%d%d" % sys.version_info[:2] + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""),
    "bits": struct.calcsize("P") * 8,
    "platform": sysconfig.get_platform(),
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
    "pip": version("pip"),
    "numpy": version("numpy"),
    "pillow": version("pillow"),
    "runtimes": ["%s %s" % one for one in runtimes if one[1]],
    "prefix": sys.prefix,
    "in_venv": sys.prefix != sys.base_prefix,
}))
'

look_at() { # PATH: run a Python once; the same program again is not, but an environment is a Python of its own
    [ -x "$1" ] && [ ! -d "$1" ] || return 0
    program=$1
    [ -e "${1%/*}/../pyvenv.cfg" ] || program=$(readlink -f "$1" 2>/dev/null) || program=$1
    case $SEEN in
    *"$NEWLINE$program$NEWLINE"*) return 0 ;;
    esac
    SEEN=$SEEN$program$NEWLINE
    told=$(patient 30 "$1" -c "$FACTS" 2>&1)
    status=$?
    facts=$(printf '%s\n' "$told" | sed -n 's/^@facts //p')
    if [ -n "$facts" ]; then
        say python "$1$TAB$facts"
    elif [ "$status" != 127 ]; then # 127 is a shim of a version that is not installed
        say broken_python "$1$TAB$status$TAB$(printf '%s\n' "$told" | tail -n 1)"
    fi
}

pythons() { # PYTHON...: those that were named, those in Bramble's folder, those on the PATH
    SEEN=$NEWLINE
    for named in "$@"; do
        path=$(command -v "$named" 2>/dev/null)
        if [ -x "$path" ]; then
            say named_python "$path"
            look_at "$path"
        else
            say missing_python "$named"
        fi
    done
    for path in "$FOLDER"/venv*/bin/python "$HOME"/.bramble/venv*/bin/python; do
        look_at "$path"
    done
    places=$PATH:$ROOT/usr/local/bin:$ROOT/usr/bin:$HOME/.local/bin
    IFS=:
    for place in $places; do
        IFS=$WORDS
        for path in "$place"/python3 "$place"/python3.[0-9] "$place"/python3.[0-9][0-9]; do
            look_at "$path"
        done
    done
    IFS=$WORDS
}

main() {
    NONCE=$1 ROOT=$2 FOLDER=$3 WORDS=$IFS
    shift 3
    case $FOLDER in /*) ;; *) FOLDER=$PWD/$FOLDER ;; esac
    LC_ALL=C
    PATH=${PATH:-/usr/bin:/bin}:$ROOT/usr/sbin:$ROOT/sbin:$ROOT/opt/vc/bin
    export LC_ALL PATH
    printf '\n' # ends what a banner left unfinished
    say begin 1
    say clock "$(date +%s 2>/dev/null)"
    identity
    processor
    storage
    releases
    libraries
    sensors
    cameras
    rights
    pythons "$@"
    say clock "$(date +%s 2>/dev/null)"
    say end 1
}

main "$@" </dev/null
exit 0
