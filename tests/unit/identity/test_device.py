import pytest

from puyun.identity.device import Device, device_of


@pytest.mark.parametrize(
    ("agent", "browser", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge", "Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18 Safari/605.1", "Safari", "macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140 Safari/604", "Chrome", "iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome", "Android"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/120 MicroMessenger/8.0", "WeChat", "Android"),
        ("curl/8.5.0", "curl", ""),
        ("", "", ""),
        ("<script>", "", ""),
    ],
)
def test_a_device_is_told_from_what_it_calls_itself(agent, browser, system):
    assert device_of(agent) == Device(browser, system)
