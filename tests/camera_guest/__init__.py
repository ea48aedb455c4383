"""A whole emulated ARM machine with a camera of the kernel: Debian's arm64 kernel, its ``vivid`` driver, systemd.

    image       makes kernel, initramfs and disk once and keeps them
    guest       boots the machine from a disk that forgets, and breaks its camera

Real: kernel, Video4Linux2, systemd with its limits, sshd, Python, the agent. Not real: time. Nothing here is a
measurement, and no test may ask how fast something was.
"""
