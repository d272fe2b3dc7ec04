"""One Beacon v2 site's server, and the core that loaders and network share."""

__version__ = "0.1.0"

API_VERSION = "v2.2.0"
"""The Beacon version that this program speaks; 2.1 clients read the same answers."""
