"""The host side of Bramble: train, compress, quantize, deploy and measure TFLite models on small boards."""

from bramble_agent import __version__

__all__ = ["__version__"]
