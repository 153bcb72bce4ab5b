"""What an address in a setting has to look like."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def names_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.path.strip("/") != "" and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host.replace("-", "").replace(".", "").isalnum()
    return True
