"""A real RTSP server, GStreamer's, for a video file; run by the system's Python, which has its bindings.

    python3 rtsp_server.py FILE.mp4 [USER:PASSWORD [PORT]]

It prints the address it serves and ends when its input is closed. Nothing is encoded anew.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - only after the versions are chosen


def locked(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, who: str) -> None:
    """Let in one user only."""
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*who.split(":")), token)
    server.set_auth(auth)


def main(path: str, who: str = "", port: str = "0") -> None:
    """Serve until told to end."""
    Gst.init(None)
    server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
    server.set_service(port)
    factory.set_launch(f'( filesrc location="{path}" ! qtdemux ! h264parse ! rtph264pay name=pay0 config-interval=-1 )')
    factory.set_shared(True)
    server.get_mount_points().add_factory("/live", factory)
    if who:
        locked(server, factory, who)
    server.attach(None)
    loop = GLib.MainLoop()
    print(f"127.0.0.1:{server.get_bound_port()}/live", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
