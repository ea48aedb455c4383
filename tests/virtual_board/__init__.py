"""Boards without hardware: an ARM userland of Debian under qemu-user, in namespaces of its own, behind its own sshd.

    kinds       which boards there are: suite, architecture, CPU, and the Raspberry Pi that each looks like
    rootfs      makes a root file system once and keeps it; userland writes what packages' scripts would have
    pi_files    /sys, /proc and the device tree as a Pi's kernel shows them
    machine     starts, wipes and stops a board, and runs commands as root on it from outside
    init        what runs as process 1 of a board
    needs       why there can be no board on this machine

Real: the instruction set, pointer sizes, Python, sshd, venv, pip, wheels, arithmetic. Not real: the kernel (its
release, load and cores are this machine's), time (a latency means nothing here), /proc/self/stat, apt and systemd, and
a list of /proc names processes that are not there. A board has no network beyond its own loopback: SSH comes in through
a socket that was opened outside.

By hand: ``cd tests && python -m virtual_board start arm64``.
"""
