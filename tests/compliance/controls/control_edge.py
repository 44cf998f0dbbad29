"""Controls of the edge: real handshakes and requests, as merchants and strangers make them."""

import pytest

from tests.compliance.asking import curl, handshake, lines, nothing_is_said, settings, told
from tests.compliance.plugin import not_applicable

PKI = "/etc/rizzpay/pki"
MONTH_S = 30 * 24 * 3600
HAPROXY = "/etc/haproxy/haproxy.cfg"
YEAR_S = 31_536_000
OWN = "127.0.0.1"  # of the edge's bind, beside the virtual address
SANDBOX = {
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
}


def edges(site) -> tuple[str, str]:
    """Return where the API is: at this balancer's own HAProxy, and wherever merchants get.

    The address that merchants know is on one balancer at a time; the other one is next.
    """
    address = site.variable("rizzpay_vip")
    if not address:
        not_applicable("the inventory has no rizzpay_vip")
    return OWN, str(address)


def fetched(host, site, path: str, *options: str) -> list[tuple[int, str]]:
    """Ask each edge as a merchant does; return the status and the whole answer of each."""
    name = site.variable("rizzpay_domain", "localhost")
    answers = [
        told(
            host,
            f"curl --silent --include --max-time 10 --cacert {PKI}/ca.crt {' '.join(options)}"
            f" --connect-to ::{edge}:443 https://{name}{path}",
        )
        for edge in edges(site)
    ]
    return [(int(text.split()[1]), text) for text in answers]


@pytest.mark.control("RP-TLS-001")
def test_the_api_accepts_the_newest_tls(host, site):
    for edge in edges(site):
        assert handshake(host, f"{edge}:443", "-tls1_3"), f"{edge} refuses TLS 1.3"


@pytest.mark.control("RP-TLS-002")
def test_the_api_refuses_older_tls(host, site):
    weakest = "-cipher ALL:@SECLEVEL=0"
    for edge in edges(site):
        for version in ("-tls1", "-tls1_1", "-tls1_2"):
            accepted = handshake(host, f"{edge}:443", f"{version} {weakest}")
            assert not accepted, f"{edge} accepts {version}"
        assert handshake(host, f"{edge}:443", "-tls1_3"), f"nothing answers at {edge}"


@pytest.mark.control("RP-TLS-003")
def test_the_api_does_not_answer_in_the_clear(host, site):
    for edge in edges(site):
        answer = curl(host, f"--silent --max-time 5 http://{edge}:443/health/live")
        assert "200" not in answer.stdout, f"{edge}:443 answers: {answer.stdout[:80]}"
        answer = curl(host, f"--silent --include --max-time 5 http://{edge}/health/live")
        clear = answer.succeeded and " 30" not in answer.stdout[:15]
        assert not clear, f"{edge}:80 answers: {answer.stdout[:80]}"


@pytest.mark.control("RP-TLS-004")
def test_the_certificate_of_the_api_lives_on(host, site):
    for edge in edges(site):
        shown = f"timeout 10 openssl s_client -connect {edge}:443 </dev/null 2>/dev/null"
        told(host, f"{shown} | openssl x509 -noout -subject -enddate -checkend {MONTH_S}")


@pytest.mark.control("RP-TLS-005")
def test_the_certificate_of_the_host_is_its_own(host, host_name):
    told(host, f"openssl verify -CAfile {PKI}/ca.crt {PKI}/host.crt")
    told(host, f"openssl x509 -in {PKI}/host.crt -noout -enddate -checkend {MONTH_S}")
    names = told(host, f"openssl x509 -in {PKI}/host.crt -noout -ext subjectAltName")
    assert f"DNS:{host_name}" in names, f"it is not for {host_name}: {names.strip()}"


@pytest.mark.control("RP-TLS-006")
def test_keys_of_certificates_are_closed(host):
    found = lines(host, f"find {PKI} /etc/haproxy -name '*.key' -o -name '*.pem' | sort")
    assert found, "there are no keys"
    nothing_is_said(
        host,
        f"find {PKI} /etc/haproxy \\( -name '*.key' -o -name '*.pem' \\) -perm /027 -print"
        " 2>/dev/null || true",
        "open to others",
    )


@pytest.mark.control("RP-TLS-007")
def test_the_door_is_for_load_balancers(host, host_name, site):
    address = f"{site.variables[host_name]['rizzpay_address']}:8443"
    url = f"https://{address}/health/live"
    bare = curl(host, f"--silent --max-time 5 --cacert {PKI}/ca.crt {url}")
    assert bare.failed, f"it answers without a certificate: {bare.stdout[:80]}"
    answer = told(
        host, f"openssl s_client -connect {address} -CAfile {PKI}/ca.crt </dev/null 2>&1 || true"
    )
    assert "Verify return code: 0 (ok)" in answer, "nothing answers at the door"


@pytest.mark.control("RP-LB-001")
def test_browsers_come_by_tls_alone(host, site):
    for _, text in fetched(host, site, "/health/live"):
        found = [line for line in text.lower().splitlines() if line.startswith("strict-transport")]
        assert found, "there is no Strict-Transport-Security"
        seconds = int("".join(sign for sign in found[0].partition("max-age=")[2] if sign.isdigit()))
        assert seconds >= YEAR_S, found[0]


@pytest.mark.control("RP-LB-002")
def test_answers_name_nothing_of_the_house(host, site):
    answers = [
        (path, text)
        for path in ("/v1/payments", "/nothing-here")
        for _, text in fetched(host, site, path)
    ]
    for path, text in answers:
        told_of = [
            word
            for word in ("server:", "x-powered-by:", "gunicorn", "haproxy/", "via:")
            if word in text.lower()
        ]
        told_of += [address for address in site.addresses() if address in text]
        assert not told_of, f"{path} tells: {', '.join(told_of)}"


@pytest.mark.control("RP-LB-003")
def test_only_the_api_is_let_through(host, site):
    for status, _ in fetched(host, site, "/.git/config"):
        assert status == 404, f"an unknown path is answered {status}"
    for status, _ in fetched(host, site, "/v1/payments", "--request", "TRACE"):
        assert status == 405, f"TRACE is answered {status}"


@pytest.mark.control("RP-LB-004")
def test_figures_are_not_for_merchants(host, site):
    for status, _ in fetched(host, site, "/metrics"):
        assert status == 404, f"/metrics is answered {status}"


@pytest.mark.control("RP-LB-005")
def test_haproxy_has_no_rights(host):
    told(host, f"haproxy -c -q -f {HAPROXY}")
    names = " ".join(f"-p {name}" for name in SANDBOX)
    found = settings(told(host, f"systemctl show {names} haproxy.service"))
    wrong = [name for name, value in SANDBOX.items() if found.get(name.lower()) != value]
    assert not wrong, f"its unit does not say: {', '.join(wrong)}"
    users = set(lines(host, "ps --no-headers -C haproxy -o user:32="))
    assert "haproxy" in users, f"it runs as {', '.join(sorted(users)) or 'nobody'}"


@pytest.mark.control("RP-LB-006")
def test_slow_clients_are_cut_off(host):
    text = told(host, f"cat {HAPROXY}")
    missing = [
        word
        for word in ("timeout http-request", "timeout client", "stick-table", "deny_status 413")
        if word not in text
    ]
    assert not missing, f"not there: {', '.join(missing)}"
