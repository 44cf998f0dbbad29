"""The guard: a corpus of addresses that have no business in a webhook's URL."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.errors import Misconfigured, Refused
from rizzpay.webhooks.targets import NEVER, PRIVATE, Guard

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


def resolver(*addresses):
    """Answer like getaddrinfo, always with the same addresses."""

    def resolve(host, port, **_):
        del host
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, 1, 6, "", (text, port))
            for text in addresses
        ]

    return resolve


def refusal(url, *opened, addresses=(PUBLIC,)):
    """Return the code with which a URL is refused, or "" when it is not."""
    try:
        Guard(opened, resolver(*addresses)).check(url)
    except Refused as refused:
        return f"{refused.code}" if refused.param == "url" else f"{refused.code} of {refused.param}"
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "https://shop.example",
        "https://shop.example:8443/a/b?c=d&e=%20",
        "https://SHOP.example/hook",
        "https://xn--bcher-kva.example/",
        "https://1.2.3.4.example/",
        "https://93.184.215.14/hook",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/hook",
        "https://shop.example/~a/b;c=d,e/@f:g!$'()*+",
        "https://shop.example?x=1",
    ],
)
def test_an_ordinary_url_passes(url):
    assert refusal(url) == ""


def test_the_addresses_to_connect_to_are_those_that_were_checked():
    target = Guard((), resolver(PUBLIC, PUBLIC_6, PUBLIC)).check("https://shop.example/hook")
    assert target.addresses == (PUBLIC, PUBLIC_6)
    assert target.url == "https://shop.example/hook"


def test_the_resolver_is_asked_once_and_not_for_addresses():
    asked = []

    def resolve(host, port, **_):
        asked.append((host, port))
        return resolver(PUBLIC)(host, port)

    guard = Guard((), resolve)
    guard.check("https://Shop.example/")
    guard.check("https://93.184.215.14:444/")
    assert asked == [("shop.example", 443)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "//shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "HTTPS://shop.example/",
        "https:shop.example",
        "https:/shop.example",
        "https:///shop.example",
        "https://",
        "https://shop.example/#fragment",
        "https://user@shop.example/",
        "https://user:secret@shop.example/",
        "https://shop.example@127.0.0.1/",
        "https://127.0.0.1\\@shop.example/",
        "https:\\\\shop.example\\",
        "https://shop.example\\.internal/",
        "https://shop.example:0/",
        "https://shop.example:00443/",
        "https://shop.example:65536/",
        "https://shop.example:443443/",
        "https://shop.example:-1/",
        "https://shop.example:/",
        "https://shop.example:443:443/",
        "https://shop.example/a b",
        "https://shop.example/\r\nHost: other",
        "https://shop.example/\x00",
        "https://shop.example/\t",
        "https://shop.example/%",
        "https://shop.example/%zz",
        "https://shop.example/<script>",
        "https://shop.example/ü",
        " https://shop.example/",
        "https://shop.example/\n",
        "https://" + "a" * 2050 + ".example/",
        "https://shop.example/" + "a" * 2048,
    ],
)
def test_what_two_parsers_could_read_differently_is_no_url(url):
    assert refusal(url) == "invalid_webhook_url"


# 127.0.0.1, 169.254.169.254 and 10.0.0.1 as libc and browsers would still understand them.
@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7F000001", "017700000001", "0177.0.0.1", "0x7f.0.0.1",
        "127.1", "127.0.1", "0x7f.1", "0", "00", "0x", "0.0", "127.0.0.1.", "127.0.0.01",
        "127.000.000.001", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe",
        "169.254.43518", "10.1", "012.0.0.1", "256.0.0.1", "1.2.3.4.5", "999999999999",
        "1.2.3.0x4", "shop.example.1", "shop.0x7f",
    ],
)  # fmt: skip
def test_an_ipv4_address_has_one_spelling(host):
    assert refusal(f"https://{host}/", "127.0.0.0/8", "10.0.0.0/8") == "invalid_webhook_url"


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.", "shop..example", ".shop.example", ".", "..", "localhost", "intranet",
        "-shop.example", "shop-.example", "sh_op.example", "a" * 64 + ".example",
        ".".join(["abcdefgh"] * 29), "shop.example%2f", "%6c%6f%63%61%6c.example",
        "shop%00.example", "ｌocalhost.example", "１２７.0.0.1", "127。0。0。1", "①②⑦.⓪.⓪.①",
        "bücher.example",
        "shop\u00ad.example", "shop\u200b.example", "ⓢhop.example", "ß.example",
        "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1", "::1]", "[::1]]", "[127.0.0.1]", "[:::1]",
        "[12345::1]", "[1:2:3:4:5:6:7:8:9]", "[]", "[v1.fe]", "[::ffff:127.0.0.01]",
    ],
)  # fmt: skip
def test_a_host_is_a_full_name_or_an_address(host):
    assert refusal(f"https://{host}/", "127.0.0.0/8") == "invalid_webhook_url"


SPECIAL = [
    "0.0.0.1", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1",
    "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:93.184.215.14",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "100::1",
    "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
    "4000::1", "::ffff:5db8:d70e",
]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_an_address_that_is_not_on_the_internet_is_forbidden_written_or_resolved(address):
    written = f"[{address}]" if ":" in address else address
    assert refusal(f"https://{written}/") == "webhook_target_forbidden"
    assert refusal("https://shop.example/", addresses=[address]) == "webhook_target_forbidden"
    # one bad address among good ones is enough
    mixed = [PUBLIC, address, PUBLIC_6]
    assert refusal("https://shop.example/", addresses=mixed) == "webhook_target_forbidden"


@pytest.mark.parametrize("network", [str(network) for network in (*NEVER, *PRIVATE)])
def test_both_ends_of_every_special_network_are_forbidden(network):
    parsed = ipaddress.ip_network(network)
    for address in (parsed[0], parsed[-1]):
        found = refusal("https://shop.example/", addresses=[str(address)])
        assert found == "webhook_target_forbidden"


@pytest.mark.parametrize("network", [str(network) for network in NEVER])
def test_no_operator_opens_metadata_services_links_or_this_host(network):
    if network == "::/96":  # holds ::1, which has a rule of its own
        network = "::2/127"
    parsed = ipaddress.ip_network(network, strict=False)
    wide = str(parsed.supernet(new_prefix=1 if parsed.version == 6 else 2))
    for address in (parsed[0], parsed[-1]):
        found = refusal("https://shop.example/", network, wide, addresses=[str(address)])
        assert found == "webhook_target_forbidden"


def test_an_operator_opens_a_private_network_and_nothing_beside_it():
    assert refusal("https://10.1.2.3/", "10.1.0.0/16") == ""
    assert refusal("http://10.1.2.3/", "10.1.0.0/16") == ""
    assert refusal("https://10.2.2.3/", "10.1.0.0/16") == "webhook_target_forbidden"
    assert refusal("https://[fd12::1]/", "fd12::/16") == ""
    assert refusal("https://erp.bank.example/", "10.1.0.0/16", addresses=["10.1.9.9"]) == ""
    two = ["10.1.9.9", "10.2.9.9"]
    assert (
        refusal("https://erp.bank.example/", "10.1.0.0/16", addresses=two)
        == "webhook_target_forbidden"
    )


def test_loopback_is_opened_only_by_its_own_name():
    assert refusal("http://127.0.0.1:4000/", "127.0.0.0/8") == ""
    assert refusal("http://127.0.0.1:4000/", "127.0.0.1/32") == ""
    assert refusal("http://[::1]:4000/", "::1/128") == ""
    assert refusal("http://[::1]:4000/", "127.0.0.0/8") == "webhook_target_forbidden"
    assert refusal("http://127.0.0.1:4000/", "64.0.0.0/2") == "webhook_target_forbidden"
    assert refusal("http://[::ffff:127.0.0.1]/", "127.0.0.0/8") == "webhook_target_forbidden"


def test_plain_http_is_for_opened_networks_only():
    assert refusal("http://shop.example/") == "webhook_target_forbidden"
    assert refusal("http://93.184.215.14/", "10.0.0.0/8") == "webhook_target_forbidden"
    mixed = ["10.0.0.1", PUBLIC]
    assert (
        refusal("http://shop.example/", "10.0.0.0/8", addresses=mixed) == "webhook_target_forbidden"
    )


@pytest.mark.parametrize("port", [22, 25, 53, 2379, 5432, 6379, 6667, 8008, 26379])
def test_ports_of_other_protocols_and_of_the_appliance_are_forbidden(port):
    assert refusal(f"https://10.0.0.1:{port}/", "10.0.0.0/8") == "webhook_target_forbidden"


def test_a_name_without_an_address_is_told_apart():
    assert refusal("https://shop.example/", addresses=[]) == "webhook_url_unresolvable"

    def fails(host, port, **_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Refused) as caught:
        Guard((), fails).check("https://shop.example/")
    assert caught.value.code == "webhook_url_unresolvable"


def test_an_address_with_an_interface_is_forbidden():
    assert refusal("https://a.example/", addresses=["fe80::1%eth0"]) == "webhook_target_forbidden"


def test_a_name_with_very_many_addresses_is_forbidden():
    many = [f"93.184.215.{n}" for n in range(33)]
    assert refusal("https://a.example/", addresses=many) == "webhook_target_forbidden"


def test_a_setting_that_is_no_network_is_said_at_start():
    with pytest.raises(Misconfigured, match="private_targets"):
        Guard(["10.0.0.1/8"])


@given(st.ip_addresses())
def test_no_address_passes_that_python_calls_not_global(address):
    found = refusal("https://a.example/", addresses=[str(address)])
    if not address.is_global or address.is_multicast:
        assert found == "webhook_target_forbidden"
    else:
        assert found in {"", "webhook_target_forbidden"}


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{:d}", "0x{:x}", "0{:o}", "0X{:X}"]))
def test_no_number_is_taken_for_a_host(number, form):
    assert refusal(f"https://{form.format(number)}/", "0.0.0.0/1") == "invalid_webhook_url"


@given(st.text(max_size=60))
def test_any_text_is_refused_or_read_and_never_crashes(text):
    refusal(f"https://{text}")
    refusal(text)
