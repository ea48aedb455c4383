"""The live page of a loop: preview, charts, thresholds, /healthz and /metrics, by the standard library alone.

    /               the page            /preview.mjpeg   frames with labels and boxes; /preview.jpg is one of them
    /live           what the page shows /labels          the release's labels
    /status         as the control socket's status       /thresholds   changes them (POST)
    /healthz        200, or 503 with the reason          /metrics      for Prometheus

On loopback it is open to whoever is on the board; on any other address a token is asked for (``access``). Nothing is
encoded while nobody watches, and no request can make the loop wait: hooks only leave things where threads find them.
"""
